//! A warm call of `p => p`, beside the interpreter's own call of it inside one instance.
//!
//! The interpreter's own call is measured in the guest, in a loop of thousands: with the JSON text of the params in and that of the
//! result out, which is what a function that somebody calls from outside has to do, and bare.

use crate::Result;
use crate::bed::Bed;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::Start;
use serde_json::Value;

const JSON: &str = "warm js call, beside call and JSON in the guest";
const BARE: &str = "the same, beside the bare call in the guest";

/// The function, and a loop around it that tells nanoseconds of one call.
const CODE: &str = r#"
const same = (params) => params;
function main(params) {
  if (params.calls === undefined) return same(params);
  const text = '{"name":"Ada","list":[1,2,3]}';
  const value = JSON.parse(text);
  let kept = 0;
  const began = performance.now();
  if (params.json) for (let i = 0; i < params.calls; i++) kept += JSON.stringify(same(JSON.parse(text))).length;
  else for (let i = 0; i < params.calls; i++) kept += same(value).list.length;
  return { nanos: (performance.now() - began) * 1e6 / params.calls, kept };
}
"#;
/// Kiln's calls in a slice.
const CALLS: u32 = 200;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let rows = [
        (JSON, r#"{"calls":2000,"json":true}"#, Promise::AtMost(5.0)),
        (BARE, r#"{"calls":20000,"json":false}"#, Promise::None),
    ];
    for (case, inside, promise) in rows {
        if !plan.wants(case) {
            continue;
        }
        let bed = Bed::new(false)?;
        bed.deploy("same", CODE, false)?;
        bed.call("same", "{}", None)?;
        let rounds = Rounds::run(
            plan.rounds(1, 101),
            || {
                let (told, _) = bed.call("same", inside, Some(Start::Warm))?;
                told.get("nanos")
                    .and_then(Value::as_f64)
                    .ok_or_else(|| format!("the guest tells {told}").into())
            },
            || {
                let mut all = 0.0;
                for _ in 0..CALLS {
                    let body = r#"{"name":"Ada","list":[1,2,3]}"#;
                    let (reply, took) = bed.call("same", body, Some(Start::Warm))?;
                    if reply.pointer("/list/2").is_none_or(|last| last != 3) {
                        return Err(format!("the reply is {reply}").into());
                    }
                    all += took;
                }
                Ok(all / f64::from(CALLS))
            },
        )?;
        bed.tokio.block_on(bed.host.drain());
        table.row(case, Unit::Time, &rounds, promise);
    }
    Ok(())
}
