//! A sandbox's log: lines, tagged with the request being served (`SEEDS.md I6`). It is its stderr; of a server, whose
//! replies go another way, its stdout, too.

use crate::function::{Format, Function};
use crate::invocation::{InvocationId, Lines, Stream};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// Longer lines are cut into pieces of this many bytes.
const LINE: usize = 8 << 10;
/// What an OpenWhisk action's runtime ends each stream of a run's log with.
const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";
/// Lines that are kept to be shown with an error.
const TAIL: usize = 32;

/// Where a backend writes what a sandbox logs.
pub struct Logs {
    memory: u64,
    state: Mutex<State>,
    /// Told of each sentinel.
    ended: Notify,
}

struct State {
    function: Arc<Function>,
    serving: Option<InvocationId>,
    /// Whoever keeps the lines of the request being served.
    lines: Option<Arc<Lines>>,
    /// The requests being served, where they share the sandbox, each with whoever keeps its lines.
    together: Vec<(InvocationId, Option<Arc<Lines>>)>,
    /// What of a line has come, of stdout and of stderr.
    partial: [Vec<u8>; 2],
    tail: VecDeque<(Stream, String)>,
    written: u64,
    /// Sentinels that have come since a request began.
    ends: u32,
    /// How many have come when the log of the request that ended last is whole.
    whole: u32,
}

impl Logs {
    /// The log of one sandbox of a function whose memory limit is `memory` bytes.
    pub fn new(function: Arc<Function>, memory: u64) -> Self {
        let (partial, tail) = (Default::default(), VecDeque::new());
        Self {
            memory,
            state: Mutex::new(State {
                function,
                serving: None,
                lines: None,
                together: Vec::new(),
                partial,
                tail,
                written: 0,
                ends: 0,
                whole: 0,
            }),
            ended: Notify::new(),
        }
    }

    /// The sandbox was a runtime's and is this function's from now on: its lines are, too.
    pub fn belong_to(&self, function: Arc<Function>) {
        let mut state = self.state.lock();
        self.finish(&mut state);
        state.function = function;
        state.tail.clear();
    }

    /// From now on lines belong to this invocation, and are kept for it where somebody asks for them. What was written
    /// before any request was the sandbox's initialisation: it is kept for the first.
    pub fn serve(&self, id: InvocationId, lines: Option<&Arc<Lines>>) {
        let mut state = self.state.lock();
        if state.serving == Some(id) {
            // Its code was loaded for it.
            (state.ends, state.whole) = (0, 0);
            return;
        }
        // What the one before left unfinished is no beginning of this one's; whoever keeps its lines has it.
        state.lines = None;
        self.finish(&mut state);
        if state.serving.is_none()
            && let Some(lines) = lines
        {
            state.hand_over(lines);
        }
        state.serving = Some(id);
        state.lines = lines.cloned();
        (state.written, state.ends, state.whole) = (0, 0, 0);
        state.tail.clear();
    }

    /// From now on this invocation is served, too, beside others in the same sandbox, until it has [left](Self::leave). Nobody
    /// can tell whose a line is that comes meanwhile: each of them gets it. What was written before any of them was the
    /// sandbox's initialisation, and is kept for the first.
    pub fn join(&self, id: InvocationId, lines: Option<&Arc<Lines>>) {
        let mut state = self.state.lock();
        if state.together.iter().any(|(other, _)| *other == id) {
            return;
        }
        if state.serving.is_none()
            && let Some(lines) = lines
        {
            state.hand_over(lines);
        }
        if state.together.is_empty() {
            state.tail.clear();
        }
        // The last one that came; with it there is room for its lines.
        state.serving = Some(id);
        state.written = 0;
        state.together.push((id, lines.cloned()));
    }

    /// What comes from now on isn't this invocation's any more.
    pub fn leave(&self, id: InvocationId) {
        self.state.lock().together.retain(|(other, _)| *other != id);
    }

    /// Takes a piece of stderr.
    pub fn write(&self, bytes: &[u8]) {
        self.write_on(Stream::Stderr, bytes);
    }

    /// Takes a piece of a stream. Beyond the function's `max_logs` for one request the rest is dropped, and said so once.
    pub fn write_on(&self, on: Stream, bytes: &[u8]) {
        let mut state = self.state.lock();
        let limit = state.function.limits.max_logs;
        let room = usize::try_from(limit.saturating_sub(state.written)).unwrap_or(usize::MAX);
        let before = state.written;
        state.written = before.saturating_add(bytes.len() as u64);
        let kept = bytes.get(..room).unwrap_or(bytes);
        for &byte in kept {
            if byte == b'\n' || on.of(&mut state.partial).len() >= LINE {
                self.line(&mut state, on);
            }
            if byte != b'\n' {
                on.of(&mut state.partial).push(byte);
            }
        }
        if before <= limit && state.written > limit {
            self.line(&mut state, on);
            let said = format!("({} beyond {limit} bytes is dropped)", on.as_str());
            on.of(&mut state.partial).extend_from_slice(said.as_bytes());
            self.line(&mut state, on);
        }
        let shown = state.shown(on);
        let partial = std::mem::take(on.of(&mut state.partial));
        for lines in state.kept() {
            lines.begin(on, shown, &partial);
        }
        *on.of(&mut state.partial) = partial;
    }

    /// The last lines that the request being served wrote, an unfinished one included.
    pub fn tail(&self) -> Vec<String> {
        let mut state = self.state.lock();
        self.finish(&mut state);
        state.tail.iter().map(|(_, line)| line.clone()).collect()
    }

    /// How many of a request's streams have said that they are whole, and how many bytes have come since it began.
    pub fn ends(&self) -> (u32, u64) {
        let state = self.state.lock();
        (state.ends, state.written)
    }

    /// A run has ended that says so on each of its two streams: how many ends will have come when its log is whole. Where
    /// several run, they are taken to end in the order in which they answer.
    pub fn awaits(&self) -> u32 {
        let mut state = self.state.lock();
        state.whole = state.whole.saturating_add(2);
        state.whole
    }

    /// Waits until so many ends have come.
    pub async fn whole(&self, ends: u32) {
        loop {
            let told = self.ended.notified();
            let mut told = std::pin::pin!(told);
            told.as_mut().enable();
            if self.ends().0 >= ends {
                return;
            }
            told.await;
        }
    }

    /// So many ends are not waited for any longer.
    pub fn forgive(&self, ends: u32) {
        let mut state = self.state.lock();
        state.ends = state.ends.max(ends);
        self.ended.notify_waiters();
    }

    /// What is unfinished is a line.
    fn finish(&self, state: &mut State) {
        for on in [Stream::Stdout, Stream::Stderr] {
            if !on.of(&mut state.partial).is_empty() {
                self.line(state, on);
            }
        }
    }

    fn line(&self, state: &mut State, on: Stream) {
        let partial = on.of(&mut state.partial);
        let mut line = String::from_utf8_lossy(partial).into_owned();
        partial.clear();
        if state.function.format == Format::Openwhisk
            && let Some(text) = line.trim_end().strip_suffix(SENTINEL)
        {
            state.ends = state.ends.saturating_add(1);
            self.ended.notify_waiters();
            line.truncate(text.len());
            if line.is_empty() {
                return;
            }
        }
        tracing::info!(
            target: "kiln::function",
            function = %state.function.name,
            backend = state.function.backend().map_or("", |backend| backend.as_str()),
            format = %state.function.format,
            memory = self.memory,
            invocation = state.whose().map(tracing::field::display),
            "{line}"
        );
        for lines in state.kept() {
            lines.push(on, state.shown(on), line.clone());
        }
        if state.tail.len() == TAIL {
            state.tail.pop_front();
        }
        state.tail.push_back((on, line));
    }
}

impl State {
    /// As which stream a line is shown: a function's prints are its stdout, though its runtime writes them on stderr, since
    /// its replies have stdout.
    fn shown(&self, on: Stream) -> Stream {
        let printed = self.function.code.source.is_some() && !self.function.format.is_served();
        if printed { Stream::Stdout } else { on }
    }

    /// Gives what was written before any request to the first.
    fn hand_over(&self, lines: &Lines) {
        self.tail.iter().for_each(|(on, line)| lines.push(*on, self.shown(*on), line.clone()));
    }

    /// The invocation that a line is of; `None` where that can't be told.
    fn whose(&self) -> Option<InvocationId> {
        match self.together.as_slice() {
            [] => self.serving,
            [(id, _)] => Some(*id),
            _ => None,
        }
    }

    /// Whoever keeps what comes now.
    fn kept(&self) -> impl Iterator<Item = &Arc<Lines>> {
        self.lines.iter().chain(self.together.iter().filter_map(|(_, lines)| lines.as_ref()))
    }
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("function", &self.state.lock().function.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(max: u64) -> Logs {
        let mut function = Function::wasm("echo", "echo.wasm");
        function.limits.max_logs = max;
        Logs::new(Arc::new(function), 1)
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let logs = logs(1 << 20);
        for piece in ["a", "b\nc", "", "\n\nd"] {
            logs.write(piece.as_bytes());
        }
        assert_eq!(logs.tail(), ["ab", "c", "", "d"]);
    }

    #[test]
    fn w2_what_a_runtime_said_before_is_not_its_functions() {
        let logs = logs(1 << 20);
        logs.write(b"runtime\nup");
        let mut hello = Function::source("hello", "js", "");
        hello.limits.max_logs = 3;
        logs.belong_to(Arc::new(hello));
        assert!(logs.tail().is_empty());
        assert!(format!("{logs:?}").contains("hello"));
        logs.serve(InvocationId::new(), None);
        logs.write(b"abcd\n");
        assert_eq!(logs.tail(), ["abc", "(stderr beyond 3 bytes is dropped)"], "its own limit holds");
    }

    #[test]
    fn a_sentinel_ends_a_stream_and_is_no_line() {
        let mut function = Function::image("a", "a").format(Format::Openwhisk);
        function.limits.max_logs = 1 << 20;
        let logs = Logs::new(Arc::new(function), 1);
        logs.serve(InvocationId::new(), None);
        logs.write(format!("out\n{SENTINEL}\nno newline{SENTINEL}\r\n").as_bytes());
        assert_eq!((logs.tail(), logs.ends().0), (vec!["out".to_owned(), "no newline".to_owned()], 2));
        logs.serve(InvocationId::new(), None);
        assert_eq!(logs.ends(), (0, 0));
        let plain = self::logs(1 << 20);
        plain.write(format!("{SENTINEL}\n").as_bytes());
        assert_eq!((plain.tail(), plain.ends().0), (vec![SENTINEL.to_owned()], 0), "other formats have none");
    }

    #[test]
    fn streams_are_told_apart_and_a_functions_prints_are_its_stdout() {
        let said = |function: Function| {
            let (logs, lines) = (Logs::new(Arc::new(function), 1), Arc::new(Lines::default()));
            logs.serve(InvocationId::new(), Some(&lines));
            logs.write_on(Stream::Stdout, b"on");
            logs.write(b"two\nunfinished");
            logs.write_on(Stream::Stdout, b"e\n");
            let lines = lines.finish().into_iter();
            lines.map(|line| format!("{} {}", line.stream.as_str(), line.text)).collect::<Vec<_>>()
        };
        let image = Function::image("a", "a").format(Format::Openwhisk);
        assert_eq!(said(image), ["stderr two", "stdout one", "stderr unfinished"]);
        let js = Function::source("a", "js", "").format(Format::Frame);
        assert_eq!(said(js), ["stdout two", "stdout one", "stdout unfinished"]);
    }

    #[test]
    fn what_is_said_while_several_are_served_is_each_ones() {
        let logs = logs(8);
        logs.write(b"starts\n");
        let texts = |lines: &Lines| lines.finish().into_iter().map(|line| line.text).collect::<Vec<_>>();
        let (first, second) = (Arc::new(Lines::default()), Arc::new(Lines::default()));
        let (one, two) = (InvocationId::new(), InvocationId::new());
        logs.join(one, Some(&first));
        logs.write(b"one\n");
        logs.join(two, Some(&second));
        logs.write(b"both\n");
        logs.leave(one);
        logs.write(b"two");
        assert_eq!(texts(&first), ["starts", "one", "both"]);
        assert_eq!(texts(&second), ["both", "two"]);
        assert_eq!(logs.tail(), ["one", "both", "two"], "an error shows what came since somebody was alone");
    }

    #[tokio::test]
    async fn runs_that_share_a_log_end_in_the_order_of_their_answers() {
        let function = Function::image("a", "a").format(Format::Openwhisk);
        let logs = Logs::new(Arc::new(function), 1);
        let (first, second) = (logs.awaits(), logs.awaits());
        let end = format!("{SENTINEL}\n");
        logs.write(end.repeat(2).as_bytes());
        logs.whole(first).await;
        let later = async {
            tokio::task::yield_now().await;
            logs.write(end.repeat(2).as_bytes());
        };
        tokio::join!(logs.whole(second), later);
        let third = logs.awaits();
        logs.forgive(third);
        logs.whole(third).await;
    }

    #[test]
    fn a_flood_is_cut_and_said_once() {
        let logs = logs(4);
        logs.write(b"abcdef");
        logs.write(b"ghi\n");
        assert_eq!(logs.tail(), ["abcd", "(stderr beyond 4 bytes is dropped)"]);
        logs.serve(InvocationId::new(), None);
        logs.write(b"x\n");
        assert_eq!(logs.tail(), ["x"]);
    }

    #[test]
    fn who_asks_for_lines_gets_those_of_its_request_and_of_the_start_it_paid_for() {
        let logs = logs(1 << 20);
        logs.write(b"starts\n");
        let (first, second) = (Arc::new(Lines::default()), Arc::new(Lines::default()));
        let texts = |lines: &Lines| lines.take().into_iter().map(|line| line.text).collect::<Vec<_>>();
        logs.serve(InvocationId::new(), Some(&first));
        logs.write(b"one\n");
        logs.serve(InvocationId::new(), Some(&second));
        logs.write(b"two\nunfini");
        logs.write(b"shed");
        let unfinished: Vec<_> = second.finish().into_iter().map(|line| line.text).collect();
        assert_eq!(unfinished, ["two", "unfinished"]);
        logs.serve(InvocationId::new(), None);
        logs.write(b"three\n");
        assert_eq!(logs.tail(), ["three"]);
        assert_eq!(
            (texts(&first), texts(&second)),
            (vec!["starts".into(), "one".into()], Vec::<String>::new())
        );
    }
}
