//! `kiln get` and `kiln delete`.

use super::api::Api;
use super::args::Named;
use crate::cli::args::Output;
use crate::cli::output;
use std::process::ExitCode;

/// Writes an action as JSON, its code left out.
pub(in crate::cli) async fn get(args: Named) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target).await?;
    let asked = api.ask("GET", &format!("actions/{}?code=false", args.name), None).await;
    api.close().await?;
    output::write(format!("{:#}\n", asked?.1).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) async fn delete(args: Named, output: Output) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target).await?;
    let asked = api.ask("DELETE", &format!("actions/{}", args.name), None).await;
    api.close().await?;
    let (_, action) = asked?;
    match output {
        Output::Json => output::write(format!("{action:#}\n").as_bytes())?,
        _ => output::note(&format!("kiln: deleted {}", args.name)),
    }
    Ok(ExitCode::SUCCESS)
}
