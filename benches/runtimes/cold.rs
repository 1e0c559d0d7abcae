//! A cold start of a function whose load takes some 20 ms, to its first reply: as a stem cell that is started and loads it, and from
//! a snapshot that has loaded it.

use crate::Result;
use crate::bed::Bed;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::Start;

const CASE: &str = "cold js with a load of 20 ms, from a snapshot";
const BESIDE: &str = "the same, against 2 ms";

/// A bundled library in small: a table that is made while the code is loaded.
const CODE: &str = r#"
const began = performance.now();
const table = {};
let rounds = 0;
while (performance.now() - began < 20) { for (let i = 0; i < 200; i++) table[`key${i}`] = `${i}:${rounds}`; rounds++; }
function main(params) { return { size: Object.keys(table).length, name: params.name }; }
"#;
/// What a start from a snapshot may take, in nanoseconds.
const MOST: f64 = 2e6;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) && !plan.wants(BESIDE) {
        return Ok(());
    }
    let (stem, snapshot) = (Bed::new(false)?, Bed::new(true)?);
    stem.deploy("library", CODE, true)?;
    snapshot.deploy("library", CODE, true)?;
    snapshot.switched("library")?;
    let call = |bed: &Bed| {
        let (reply, took) = bed.call("library", r#"{"name":"Ada"}"#, Some(Start::Cold))?;
        if reply.get("size").is_some_and(|size| size == 200) {
            Ok(took)
        } else {
            Err(format!("the reply is {reply}").into())
        }
    };
    let rounds = Rounds::run(plan.rounds(1, 51), || call(&stem), || call(&snapshot))?;
    for bed in [stem, snapshot] {
        bed.tokio.block_on(bed.host.drain());
    }
    table.row(CASE, Unit::Time, &rounds, Promise::None);
    table.row(BESIDE, Unit::Time, &rounds.map(|_, kiln| (MOST, kiln)), Promise::AtMost(1.0));
    Ok(())
}
