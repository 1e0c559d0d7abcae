//! Sequences: actions after each other, each given what the one before gave. Every one of them leaves a record of its own,
//! and the sequence's has their ids for its log.
//!
//! It ends early with the first result that has the key `error`, which is then its own. Sequences in it are run as it is.

use super::Shared;
use super::activation::{About, Activation, milliseconds};
use super::kinds::SEQUENCE;
use super::limits::Ranges;
use super::params::Parameters;
use super::response::{Response, Status};
use super::run::{self, Run};
use super::words;
use crate::error::{Error, ErrorKind};
use crate::invocation::{InvocationId, Outcome, Phases, Reply, Timings};
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

/// Actions of a sequence at most, those of sequences in it counted.
pub(super) const MOST: usize = 50;

/// A run that has ended, of an action or of a sequence.
pub(super) enum Performed {
    Action(run::Ended),
    Sequence(Outcome, Box<Activation>),
}

impl Performed {
    /// What the host told of it; of a sequence whether it has ended, or has to be tried again.
    pub(super) fn outcome(&self) -> &Outcome {
        match self {
            Self::Action(ended) => &ended.outcome,
            Self::Sequence(outcome, _) => outcome,
        }
    }

    /// Its record, with the lines that have come by now.
    pub(super) fn activation(&self, about: &About, ranges: &Ranges) -> Activation {
        match self {
            Self::Action(ended) => ended.activation(about, ranges),
            Self::Sequence(_, activation) => (**activation).clone(),
        }
    }

    /// Waits for what of its log may still come.
    pub(super) async fn late_logs(&self) -> Vec<String> {
        match self {
            Self::Action(ended) => ended.late_logs().await,
            Self::Sequence(..) => Vec::new(),
        }
    }
}

/// How far a sequence has come.
struct Course {
    /// What the last one gave; at first, what the sequence was given.
    response: Response,
    /// Ids of the runs so far.
    ids: Vec<String>,
    /// Milliseconds that they took.
    duration: u64,
    /// The largest memory of any.
    memory: Option<u64>,
}

impl Shared {
    /// Runs an action or a sequence to its end.
    pub(super) async fn perform(self: &Arc<Self>, run: &Run) -> Performed {
        match run.about.is_sequence() {
            false => Performed::Action(run.run(&self.host, &self.keys).await),
            true => self.sequence(run, &mut 0).await,
        }
    }

    /// Boxed, since a sequence may have sequences in it. `count` is how many actions have been run for the outermost.
    fn sequence<'a>(
        self: &'a Arc<Self>,
        run: &'a Run,
        count: &'a mut usize,
    ) -> Pin<Box<dyn Future<Output = Performed> + Send + 'a>> {
        Box::pin(async move {
            let began = SystemTime::now();
            let given = serde_json::from_slice(&run.arguments).unwrap_or_default();
            let response = Response { status: Status::Success, result: given, size: None };
            let mut course = Course { response, ids: Vec::new(), duration: 0, memory: None };
            for name in &run.about.components {
                let Some((child, performed)) = self.next(run, name, &mut course, count).await else { break };
                let error = performed.outcome().result.as_ref().err();
                let unstarted = performed.outcome().start.is_none() && course.ids.is_empty();
                if let Some(error) = error.filter(|error| unstarted && is_passing(error.kind())) {
                    // Nothing has been run of it: whoever runs it may try all of it again.
                    return Performed::Sequence(
                        outcome(run.id, Err(error.clone())),
                        self.whole(run, began, course),
                    );
                }
                let activation = performed.activation(&child.about, &self.ranges);
                course.ids.push(activation.activation_id.clone());
                course.duration = course.duration.saturating_add(activation.duration);
                course.memory = course.memory.max(memory(&activation));
                course.response = activation.response.clone();
                self.keep(child, performed, activation);
                if course.response.result.get("error").is_some() {
                    break;
                }
            }
            Performed::Sequence(outcome(run.id, Ok(Reply::ok("{}"))), self.whole(run, began, course))
        })
    }

    /// Runs one of them; `None` where it can't be run, which is then the sequence's response.
    async fn next(
        self: &Arc<Self>,
        run: &Run,
        name: &super::name::ActionName,
        course: &mut Course,
        count: &mut usize,
    ) -> Option<(Run, Performed)> {
        let about = &run.about;
        let Ok(resolved) = self.catalog.resolve(&about.subject, name) else {
            course.response = Response::application_error(words::COMPONENT_MISSING);
            return None;
        };
        let action = &resolved.kept.action;
        let mut child = About::new(&about.subject, action, resolved.binding.clone(), &about.transaction);
        child.cause = Some(run.id.to_string());
        if !child.is_sequence() && *count >= MOST {
            course.response = Response::application_error(words::TOO_MANY_COMPONENTS);
            return None;
        }
        let given = std::mem::take(&mut course.response.result);
        let arguments = match given {
            Value::Object(given) if child.is_sequence() => Value::Object(given),
            Value::Object(given) => Value::Object(resolved.parameters.arguments(given)),
            list @ Value::Array(_) => list,
            _ => Value::Object(resolved.parameters.arguments(Map::new())),
        };
        let child = Run::new(InvocationId::new(), child, arguments);
        let performed = match child.about.is_sequence() {
            true => self.sequence(&child, count).await,
            false => {
                *count += 1;
                Performed::Action(child.run(&self.host, &self.keys).await)
            }
        };
        Some((child, performed))
    }

    /// Keeps the record of one of them, beside the next one's run.
    fn keep(self: &Arc<Self>, run: Run, performed: Performed, activation: Activation) {
        let guard = self.pending.begin(run.id);
        guard.answered();
        let shared = self.clone();
        tokio::spawn(async move {
            shared.record(&run, &performed, activation).await;
            drop(guard);
        });
    }

    /// The sequence's own record.
    fn whole(&self, run: &Run, began: SystemTime, course: Course) -> Box<Activation> {
        let about = &run.about;
        let mut annotations = Parameters::default();
        annotations.set("topmost", about.cause.is_none());
        annotations.set("path", about.action.to_string());
        annotations.set("kind", SEQUENCE);
        if about.cause.is_some() {
            annotations.set("causedBy", SEQUENCE);
        }
        annotations.set("waitTime", 0);
        if let Some(binding) = &about.binding {
            annotations.set("binding", binding.path());
        }
        let mut limits = about.limits;
        limits.memory = course.memory.unwrap_or(limits.memory);
        annotations.set("limits", json!(limits));
        Box::new(Activation {
            namespace: about.subject.clone(),
            name: about.action.name.clone(),
            version: about.version,
            subject: about.subject.clone(),
            activation_id: run.id.to_string(),
            cause: about.cause.clone(),
            start: milliseconds(began),
            end: milliseconds(SystemTime::now()).max(milliseconds(began)),
            duration: course.duration,
            response: course.response,
            logs: course.ids,
            annotations,
            publish: false,
        })
    }
}

/// Whether what failed for that may fare better later.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Overloaded | ErrorKind::Unavailable)
}

/// A sequence's outcome: that it has ended, or why it is to be tried again.
fn outcome(id: InvocationId, result: Result<Reply, Error>) -> Outcome {
    Outcome { id, start: None, backend: None, timings: Timings::default(), phases: Phases::default(), result }
}

fn memory(activation: &Activation) -> Option<u64> {
    activation.annotations.get("limits")?.get("memory")?.as_u64()
}
