//! Log lines, to stderr.

use super::args::{Common, LogFormat};
use crate::error::Error;
use std::fmt;
use std::io::IsTerminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What functions say on stderr is logged under this target.
const FUNCTION: &str = "kiln::function";

/// Begins to log what `--log` or `KILN_LOG` says, else `default`.
pub(super) fn start(common: &Common, default: &str) -> anyhow::Result<()> {
    let wanted = common.log.as_deref().filter(|filter| !filter.trim().is_empty());
    let filter = EnvFilter::try_new(wanted.unwrap_or(default)).map_err(|error| {
        Error::invalid(format!(
            "the log filter can't be read: {error}; give one such as \"info\" or \"warn,kiln=debug\""
        ))
    })?;
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    match common.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        // Whose line it is can only be meant where one function runs.
        LogFormat::Text if default.contains(FUNCTION) => {
            log.event_format(Plain(Format::default().with_ansi(ansi))).init()
        }
        LogFormat::Text => log.init(),
    }
    Ok(())
}

/// As usual, but what a function says is written as it said it.
struct Plain<T>(T);

impl<S, T> FormatEvent<S, DefaultFields> for Plain<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    T: FormatEvent<S, DefaultFields>,
    DefaultFields: for<'a> FormatFields<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != FUNCTION {
            return self.0.format_event(context, writer, event);
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "{}", message.0)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
