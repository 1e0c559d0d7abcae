//! The report, opened in a real browser.

use crate::FIXTURES;
use crate::chromium::{Chromium, chromium_or_skip};
use crate::kiln::Folder;
use kiln::bench::density::{DensityCase, DensityResults, Point};
use kiln::bench::start::{Run, StartCase, StartKind, StartResults};
use kiln::bench::{About, Document, Results, report};
use kiln::{BackendKind, Format};
use std::path::Path;

/// What the page's script says once it has run to its end.
fn told(dom: &str, what: &str) -> String {
    let root = dom.split("<head>").next().unwrap();
    let value = root.split(&format!("data-{what}=\"")).nth(1);
    value.unwrap_or_else(|| panic!("no data-{what} in {root}")).split('"').next().unwrap().to_owned()
}

/// So many curves are drawn at both widths, nothing is wider than the window, and there is something to be seen.
fn stands(browser: &Chromium, page: &Path, kind: &str, curves: usize) {
    let blank = page.with_extension("blank.html");
    std::fs::write(&blank, "<!doctype html><title>nothing</title>").unwrap();
    for width in [1280, 400] {
        let dom = browser.dom(page, width);
        assert_eq!(told(&dom, "kind"), kind);
        assert_eq!(told(&dom, "drawn"), curves.to_string(), "at {width}");
        assert_eq!(told(&dom, "overflow"), "false", "at {width}");
        // Flat colour packs to next to nothing: what is drawn, doesn't.
        let (picture, blank) = (browser.picture(page, width), browser.picture(&blank, width));
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 5 * blank.len(),
            "{width}: {} bytes",
            picture.len()
        );
    }
}

#[test]
fn a_browser_draws_what_was_measured() {
    let Some(browser) = chromium_or_skip("a_browser_draws_what_was_measured") else { return };
    let folder = Folder::new();
    let out = tempfile::tempdir().unwrap();
    let page = out.path().join("out.html");
    let report = page.to_str().unwrap();
    let run = |args: &[&str]| {
        let said = folder.kiln(&[args, &["-f", FIXTURES, "--report", report]].concat(), "");
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("the report is in"), "{}", said.err);
    };
    run(&["bench", "start", "echo", "--backend", "wasm", "-n", "3"]);
    stands(&browser, &page, "start", 5);
    run(&["bench", "load", "echo", "--rate", "100", "-t", "500ms"]);
    stands(&browser, &page, "load", 2);
    run(&["bench", "density", "echo", "--backend", "wasm", "--count", "16"]);
    stands(&browser, &page, "density", 1);
}

/// Names come from a manifest, which somebody else may have written.
#[test]
fn no_name_breaks_the_page() {
    let Some(browser) = chromium_or_skip("no_name_breaks_the_page") else { return };
    let nasty = "</script><script>document.documentElement.dataset.hacked='1'</script><img src=x onerror=\"document.documentElement.dataset.hacked='1'\">";
    let mut case = StartCase::new(nasty, BackendKind::Wasm, Format::Frame, StartKind::Warm);
    for total in 1..20 {
        case.count(Run { total, call: total, ..Run::default() });
    }
    case.absent = Some(nasty.into());
    let start = Results::Start(StartResults { rounds: 1, cases: vec![case] });
    let mut case = DensityCase::new(nasty, BackendKind::Docker, Format::Http);
    for count in 0..3 {
        case.push(Point { count, pss: u64::from(count) << 20, ..Point::default() });
    }
    case.absent = Some(nasty.into());
    let density = Results::Density(DensityResults { cases: vec![case] });

    let out = tempfile::tempdir().unwrap();
    let page = out.path().join("out.html");
    let about = || About { command: vec![nasty.into()], date: nasty.into(), ..About::default() };
    for (results, kind) in [(start, "start"), (density, "density")] {
        std::fs::write(&page, report::page(&Document::new(about(), results)).unwrap()).unwrap();
        stands(&browser, &page, kind, 1);
        let dom = browser.dom(&page, 1280);
        assert!(!dom.split("<head>").next().unwrap().contains("hacked"), "{kind}");
        assert!(!dom.contains("<img"), "{kind}");
    }
}
