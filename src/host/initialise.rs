//! A stem cell becomes a function's: its code is written in, once, before the sandbox's first request (`SEEDS.md W22`).
//!
//! It takes the function's `start_timeout` at most and none of the request's time (`SEEDS.md E9`). Whoever goes away in the
//! middle leaves a sandbox of which nobody knows how much of the code it has: it is poisoned.

use super::exchange::{self, Step, Verdict};
use super::flow::Flow;
use super::registry::{Load, Revised};
use super::running::Running;
use super::sandbox::Life;
use super::within::{after, within};
use super::work::with_tail;
use crate::error::{Error, Result};
use crate::format::First;
use crate::invocation::{Outcome, Request};
use crate::pool::Fate;
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

impl Life {
    /// A stem cell that its pool gave to a function is that function's from now on (`SEEDS.md W2`).
    pub(super) fn adopt(&mut self, revised: &Arc<Revised>) {
        if matches!(self.revised.load, Load::Stem) {
            self.logs.belong_to(revised.function.clone());
            self.revised = revised.clone();
        }
    }
}

impl Running {
    /// Loads the function's code. After an error the sandbox has been given up.
    pub(super) async fn initialise(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> Result<()> {
        let (host, fresh) = (self.host.clone(), self.is_fresh());
        let Some(life) = self.life.as_mut() else { return Err(Error::internal("the sandbox was lost")) };
        let Load::Source(init) = &life.revised.load else {
            self.release(Fate::Poisoned);
            return Err(Error::internal("a stem cell was given a request before it had a function"));
        };
        let (began, init, revised) = (host.now(), init.clone(), life.revised.clone());
        let limit = revised.function.limits.start_timeout;
        life.serve(request.id, request.lines);
        let deadline = SystemTime::now() + revised.function.limits.timeout;
        let first = First { id: request.id, deadline, caller: request.caller };
        let written = match fresh {
            // Any other was looked at when it was made fit.
            true => exchange::take_stray(life.sandbox.as_mut(), &mut life.session).map_err(|broken| {
                Error::failed(format!("the runtime wrote to stdout before it was given any code: {broken}"))
            }),
            false => Ok(()),
        };
        let answer = match written.and_then(|()| life.session.initialise(&init, Some(first))) {
            Err(error) => Err(error),
            Ok(written) => {
                exchange::send(life.sandbox.as_mut(), written);
                let (mut flow, format) = (Flow::default(), revised.function.format);
                let reply = exchange::reply(life.sandbox.as_mut(), &mut life.session, format, &mut flow);
                let came = within(|| after(limit), &host.stopping, pin!(reply)).await;
                match came {
                    Ok(Step::Ended(Verdict { answer: Ok(_), clean: false })) => {
                        Err(Error::failed("the runtime wrote to stdout after it had loaded the function"))
                    }
                    Ok(Step::Ended(Verdict { answer, .. })) => answer.map(drop),
                    Ok(_) => Err(Error::internal("the answer to an init came in parts")),
                    Err(given_up) => {
                        outcome.timings.start += host.now().since(began);
                        let logs = life.logs.clone();
                        self.end(given_up).await;
                        let message = format!(
                            "the function's code was not loaded within its `start_timeout` of {limit:?}"
                        );
                        return Err(with_tail(host.given_up(given_up, message), &logs));
                    }
                }
            }
        };
        let took = host.now().since(began);
        if let Err(error) = answer {
            outcome.timings.start += took;
            let error = with_tail(error, &life.logs);
            self.release(Fate::Poisoned);
            return Err(error);
        }
        life.blank = false;
        life.phases.init += took;
        outcome.phases = life.phases;
        Ok(())
    }
}
