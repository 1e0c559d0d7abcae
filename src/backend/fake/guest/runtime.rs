//! A runtime: it is given a function's source, and serves that function from then on.
//!
//! The language has one statement a line, done while the code is loaded: `log <text>`, `sleep <ms>`, `error <text>`,
//! `exit <code>`, `trap`, `silence`, `stray`, `faulty`. `count` and `env <name>` say what every request is answered with. Any
//! other line does nothing.

use super::wire::{Init, Reply, Request};
use super::{Guest, Setup, trap};
use crate::backend::Exit;
use crate::backend::fake::process::Process;
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;

/// A function that was loaded, with its one global variable.
pub(super) struct Loaded {
    init: Init,
    kept: Bytes,
    served: u32,
}

/// Loads a function: none if its code says that it can't be.
pub(super) async fn load(process: &Process, setup: &mut Setup, init: &Init) -> Result<Option<Loaded>, Exit> {
    for line in init.code.lines() {
        let (word, argument) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "log" => process.log(&format!("{argument}\n")),
            "sleep" => tokio::time::sleep(Duration::from_millis(argument.parse().unwrap_or(0))).await,
            "error" => return Ok(None),
            "exit" => return Err(Exit::Code(argument.parse().unwrap_or(1))),
            "trap" => return Err(trap(setup.kind)),
            "silence" => std::future::pending().await,
            "stray" => process.write(Bytes::from_static(b"stray")).await,
            _ => {}
        }
    }
    Ok(Some(restore(setup, init.clone())))
}

/// What a runtime is that has loaded a function.
pub(super) fn restore(setup: &mut Setup, init: Init) -> Loaded {
    setup.guest = if init.code.lines().any(|line| line == "faulty") { Guest::Faulty } else { Guest::Echo };
    setup.env.extend(init.env.clone());
    Loaded { init, kept: Bytes::new(), served: 0 }
}

/// Whether code can be loaded without harm.
pub(in crate::backend::fake) fn loads(code: &[u8]) -> bool {
    let harm = ["error", "exit", "trap", "silence", "stray"];
    let code = String::from_utf8_lossy(code);
    !code.lines().any(|line| harm.contains(&line.split(' ').next().unwrap_or_default()))
}

/// Why a function can't be loaded, with file and line.
pub(super) fn why(init: &Init) -> String {
    let lines = init.code.lines().enumerate();
    let said = lines.filter_map(|(at, line)| Some((at + 1, line.strip_prefix("error ")?)));
    said.map(|(at, text)| format!("{}:{at}: {text}", init.file)).next().unwrap_or_default()
}

impl Loaded {
    /// Answers what only a runtime's function knows: its source, what it is called, and what it was told to keep.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Reply> {
        self.served += 1;
        for line in self.init.code.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("count", _) => return Some(Reply::ok(json!({ "count": self.served }).to_string())),
                ("env", name) => {
                    return Some(Reply::ok(json!({ name: self.init.env.get(name) }).to_string()));
                }
                _ => {}
            }
        }
        let path = request.path.split('?').next().unwrap_or_default();
        Some(match path {
            "/source" => Reply::ok(self.init.code.clone()),
            "/names" => {
                let Init { namespace, name, main, file, .. } = &self.init;
                let names = json!({ "namespace": namespace, "name": name, "main": main, "file": file });
                Reply::ok(names.to_string())
            }
            "/keep" => Reply::ok(std::mem::replace(&mut self.kept, request.body.clone())),
            "/id" => Reply::ok(request.id.clone()),
            _ => return None,
        })
    }
}
