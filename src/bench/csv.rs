//! A result as CSV (RFC 4180): one line for each run, percentile step or point, for a spreadsheet or a plot.

use super::document::Results;
use super::start::Phase;

/// The table, with a heading.
pub fn csv(results: &Results) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    match results {
        Results::Start(start) => {
            let mut heading: Vec<String> =
                ["function", "backend", "format", "start", "run", "total_ns"].map(str::to_owned).to_vec();
            heading.extend(Phase::ALL.map(|phase| format!("{}_ns", phase.as_str())));
            rows.push(heading);
            for case in &start.cases {
                for (number, run) in case.runs.iter().enumerate() {
                    let mut row = vec![
                        case.function.clone(),
                        case.backend.to_string(),
                        case.format.to_string(),
                        case.start.as_str().to_owned(),
                        (number + 1).to_string(),
                        run.total.to_string(),
                    ];
                    row.extend(Phase::ALL.map(|phase| run.phase(phase).to_string()));
                    rows.push(row);
                }
            }
        }
        Results::Load(load) => {
            rows.push(["function", "measure", "ns", "share"].map(str::to_owned).to_vec());
            for (measure, values) in
                [("latency", &load.latency), ("service", &load.service), ("lateness", &load.lateness)]
            {
                for (value, share) in values.curve() {
                    rows.push(vec![
                        load.function.clone(),
                        measure.into(),
                        value.to_string(),
                        share.to_string(),
                    ]);
                }
            }
        }
        Results::Density(density) => {
            let heading = [
                "function",
                "backend",
                "count",
                "resident",
                "rss",
                "pss",
                "page_tables",
                "maps",
                "threads",
                "containers",
                "shims",
            ];
            rows.push(heading.map(str::to_owned).to_vec());
            for case in &density.cases {
                for point in &case.points {
                    let known =
                        |figure: Option<u64>| figure.map(|bytes| bytes.to_string()).unwrap_or_default();
                    rows.push(vec![
                        case.function.clone(),
                        case.backend.to_string(),
                        point.count.to_string(),
                        point.resident().to_string(),
                        point.rss.to_string(),
                        point.pss.to_string(),
                        point.page_tables.to_string(),
                        point.maps.to_string(),
                        point.threads.to_string(),
                        known(point.containers),
                        known(point.shims),
                    ]);
                }
            }
        }
    }
    rows.iter().map(|row| row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n").collect()
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::density::{DensityCase, DensityResults, Point};
    use crate::bench::start::{Run, StartCase, StartKind, StartResults};
    use crate::function::{BackendKind, Format};

    #[test]
    fn each_run_is_a_line() {
        let mut case = StartCase::new("a,\"b\"", BackendKind::Docker, Format::Http, StartKind::Cold);
        case.count(Run { total: 7, call: 4, ..Run::default() });
        let text = csv(&Results::Start(StartResults { rounds: 1, cases: vec![case] }));
        assert_eq!(
            text,
            "function,backend,format,start,run,total_ns,host_ns,load_ns,queue_ns,create_ns,start_ns,init_ns,call_ns,rest_ns\n\
             \"a,\"\"b\"\"\",docker,http,cold,1,7,0,0,0,0,0,0,4,0\n"
        );
    }

    #[test]
    fn what_is_unknown_is_empty() {
        let mut case = DensityCase::new("a", BackendKind::Wasm, Format::Http);
        case.push(Point { count: 1, pss: 2, ..Point::default() });
        let text = csv(&Results::Density(DensityResults { cases: vec![case] }));
        assert_eq!(text.lines().nth(1), Some("a,wasm,1,2,0,2,0,0,0,,"));
    }
}
