//! The page as text; `tests/bench/` opens it in a browser.

use super::page;
use crate::bench::arrivals::Arrivals;
use crate::bench::density::{DensityCase, DensityResults, Point};
use crate::bench::document::tests::about;
use crate::bench::load::LoadResults;
use crate::bench::start::{Run, StartCase, StartKind, StartResults};
use crate::bench::{Distribution, Document, Results};
use crate::function::{BackendKind, Format};
use std::collections::BTreeMap;

const NASTY: &str = "</script><script>alert(1)</script><b title=\"'&";

fn start(name: &str) -> Results {
    let mut cases = Vec::new();
    for backend in BackendKind::ALL {
        for kind in StartKind::ALL {
            let mut case = StartCase::new(name, backend, Format::Frame, kind);
            for i in 1..=20 {
                case.count(Run { total: i * 50_000, create: i * 20_000, call: i * 30_000, ..Run::default() });
            }
            case.discount(format!("{name} was slow"));
            cases.push(case);
        }
    }
    let mut absent = StartCase::new(name, BackendKind::Docker, Format::Frame, StartKind::Cold);
    absent.absent = Some(format!("no engine for {name}"));
    cases.push(absent);
    Results::Start(StartResults { rounds: 20, cases })
}

fn load(name: &str) -> Results {
    let values: Distribution = (1..1000).map(|i| i * i).collect();
    Results::Load(Box::new(LoadResults {
        function: name.into(),
        backend: None,
        format: None,
        url: Some(format!("http://{name}")),
        rate: 100.0,
        arrivals: Arrivals::Poisson,
        seconds: 10.0,
        meant: 999,
        sent: 999,
        answered: 999,
        achieved: 99.0,
        latency: values.clone(),
        service: values.clone(),
        lateness: values,
        starts: BTreeMap::from([(name.to_owned(), 1)]),
        errors: BTreeMap::from([(name.to_owned(), 1)]),
        behind: Some(name.into()),
    }))
}

fn density(name: &str) -> Results {
    let mut case = DensityCase::new(name, BackendKind::Wasm, Format::Http);
    for count in [0, 10, 20] {
        case.push(Point { count, pss: 1_000_000 + 50_000 * u64::from(count), ..Point::default() });
    }
    case.absent = Some(name.into());
    Results::Density(DensityResults { cases: vec![case] })
}

fn document(results: Results) -> Document {
    Document::new(about(), results)
}

#[test]
fn every_case_has_a_curve_a_bar_and_a_row() {
    let html = page(&document(start("echo"))).unwrap();
    let cases = BackendKind::ALL.len() * StartKind::ALL.len();
    // Once for each width.
    assert_eq!(html.matches("<g data-of=").count(), 2 * cases);
    assert_eq!(html.matches("class=\"bar\"").count(), cases);
    assert_eq!(html.matches("<tbody>").count(), 2);
    for part in
        ["docker · recreated", "not measured: no engine for echo", "1 not counted", "0.1.0 (debug build)"]
    {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn no_name_breaks_the_page() {
    for results in [start(NASTY), load(NASTY), density(NASTY)] {
        let given = document(results);
        let html = page(&given).unwrap();
        assert_eq!(html.matches("<script").count(), 2, "{}", given.results.kind());
        assert_eq!(html.matches("</script>").count(), 2);
        assert!(!html.contains("<b title="));
        assert!(
            html.contains("A &lt;fast&gt; &amp; &quot;fine&quot; one"),
            "the processor's name is escaped, too"
        );
        let raw = html.split("id=\"kiln-bench-data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(serde_json::from_str::<Document>(raw).unwrap(), given, "the raw data is whole");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    for results in [start("a"), load("a"), density("a")] {
        let html = page(&document(results)).unwrap();
        for outside in ["src=", "@import", "url(", "<link rel=\"stylesheet", "fetch("] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}

#[test]
fn nothing_measured_is_still_a_page() {
    for results in [
        Results::Start(StartResults::default()),
        Results::Density(DensityResults {
            cases: vec![DensityCase::new("a", BackendKind::Docker, Format::Http)],
        }),
    ] {
        assert!(page(&document(results)).unwrap().contains("What is what"));
    }
}
