//! The interpreter, and the function in it: a stem cell until its code came.

use crate::host::Host;
use crate::stream::{self, Frame, Kind};
use rquickjs::context::EvalOptions;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Error, Function, Module, Object, Persistent, Promise, Runtime, Value};
use std::rc::Rc;
use std::time::Duration;

const PRELUDE: &str = include_str!("prelude.js");

const RESULT: &[u8] = br#"{"content_type":"application/json"}"#;

/// Bytes of stack that JavaScript may use before it is thrown a RangeError. As a module it has a second stack, the
/// host's, of which one byte here takes up to 2.6: wasmtime's default of 512 KiB is the one that must not run out.
const STACK: usize = if cfg!(target_family = "wasm") { 176 << 10 } else { 4 << 20 };

/// How deep params may be nested: parsing and writing them again takes the host's stack, which nobody here can measure.
const DEPTH: usize = 1000;

/// The longest that is slept at once: what a `Duration` holds is no time that anybody waits for.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// What was wrong, as the caller is told. Always the function's own error: the sandbox goes on.
type Outcome<T> = Result<T, String>;

pub(crate) struct Sandbox {
    context: Context,
    host: Rc<Host>,
    /// What the prelude gave.
    hooks: Persistent<Object<'static>>,
    main: Option<Persistent<Function<'static>>>,
    file: String,
    /// It got code, sound or not: there is no second time.
    spent: bool,
}

impl Sandbox {
    pub(crate) fn new() -> Outcome<Self> {
        let failed = |error: Error| format!("the interpreter doesn't start: {error}");
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_max_stack_size(STACK);
        let context = Context::full(&runtime).map_err(failed)?;
        let host = Host::new();
        let hooks = context.with(|ctx| {
            let prelude: Function<'_> = ctx.eval(PRELUDE)?;
            let hooks: Object<'_> = prelude.call((host.object(&ctx)?,))?;
            Ok(Persistent::save(&ctx, hooks))
        });
        let hooks = hooks.map_err(failed)?;
        Ok(Self { context, host, hooks, main: None, file: String::new(), spent: false })
    }

    /// Starts the clocks of this sandbox, or of this clone of it.
    pub(crate) fn wake(&self) {
        self.host.wake();
    }

    /// Answers a frame on stdout.
    pub(crate) fn answer(&mut self, frame: Frame) {
        let call = frame.call;
        let answered = match frame.kind {
            Kind::Init => self.initialise(frame).map(|()| stream::write(Kind::Ready, call, &[], &[])),
            _ => self.call(frame),
        };
        if let Err(message) = answered {
            stream::write(Kind::Error, call, &[], message.as_bytes());
        }
    }

    /// Loads the code that a frame brings. Writes nothing to stdout.
    pub(crate) fn initialise(&mut self, frame: Frame) -> Outcome<()> {
        check(&frame)?;
        if std::mem::replace(&mut self.spent, true) {
            return Err("this sandbox has been given its code already".to_owned());
        }
        let (file, main) = self.context.with(|ctx| {
            let js =
                Js { hooks: self.hooks.clone().restore(&ctx).map_err(unexplained)?, ctx, file: "main.js" };
            let meta = js.told(
                js.ctx
                    .json_parse(frame.meta)
                    .and_then(|meta| meta.try_into_object().map_err(|_| Error::Unknown)),
            )?;
            let name = |key, default: &str| match meta.get::<_, Option<String>>(key) {
                Ok(Some(name)) if !name.is_empty() => name,
                _ => default.to_owned(),
            };
            let (file, main) = (name("file", "main.js"), name("main", "main"));
            let js = Js { file: &file, ..js };
            if let Ok(Some(env)) = meta.get::<_, Option<Object<'_>>>("env") {
                js.told(js.hook("setEnv").and_then(|set| set.call::<_, ()>((env,))))?;
            }
            let found = Persistent::save(&js.ctx, js.load(frame.body, &main)?);
            Ok::<_, String>((file, found))
        })?;
        (self.file, self.main) = (file, Some(main));
        Ok(())
    }

    /// Calls main with the params that a frame brings, and writes its result.
    fn call(&self, frame: Frame) -> Outcome<()> {
        check(&frame)?;
        let Some(main) = self.main.clone() else {
            return Err("this sandbox has no code yet: an init frame has to come first".to_owned());
        };
        self.host.remember(&frame.meta);
        self.context.with(|ctx| {
            let js =
                Js { hooks: self.hooks.clone().restore(&ctx).map_err(unexplained)?, ctx, file: &self.file };
            let main = main.restore(&js.ctx).map_err(unexplained)?;
            let params = js.params(frame.body)?;
            let result = js.settled(js.told(main.call::<_, Value<'_>>((params,)))?)?;
            let kind = result.type_name();
            let text = js.told(
                js.ctx.json_stringify(result).and_then(|text| text.map(|text| text.to_cstring()).transpose()),
            )?;
            let Some(text) = text.filter(|text| text.starts_with(['{', '['])) else {
                return Err(format!(
                    "{}: main returned {kind}: it has to return an object or an array",
                    self.file
                ));
            };
            // What main left to be done soon is part of its call.
            while js.ctx.execute_pending_job() {}
            stream::write(Kind::Response, frame.call, RESULT, text.as_bytes());
            Ok(())
        })
    }
}

fn check(frame: &Frame) -> Outcome<()> {
    match frame.lost {
        Some(length) => Err(format!("a frame of {length} bytes is more than the sandbox's memory holds")),
        None => Ok(()),
    }
}

/// Whether JSON is nested deeper. Costs nothing where it is too short for that.
fn is_deeper_than(limit: usize, json: &[u8]) -> bool {
    if json.len() <= 2 * limit {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

fn unexplained(error: Error) -> String {
    format!("the interpreter failed: {error}")
}

/// The interpreter while it is used.
struct Js<'js, 'f> {
    ctx: Ctx<'js>,
    hooks: Object<'js>,
    file: &'f str,
}

impl<'js> Js<'js, '_> {
    fn hook(&self, name: &str) -> rquickjs::Result<Function<'js>> {
        self.hooks.get(name)
    }

    /// Evaluates code, and finds the function in it.
    fn load(&self, code: Vec<u8>, main: &str) -> Outcome<Function<'js>> {
        let namespace = if self.is_module(&code) {
            let declared = Module::declare(self.ctx.clone(), self.file, code);
            let (module, loaded) = self.told(declared.and_then(Module::eval))?;
            self.settled(loaded.into_value())?;
            Some(self.told(module.namespace())?)
        } else {
            let mut options = EvalOptions::default();
            (options.strict, options.filename) = (false, Some(self.file.to_owned()));
            self.told(self.ctx.eval_with_options::<Value<'js>, _>(code, options))?;
            while self.ctx.execute_pending_job() {}
            None
        };
        let found = self.told(
            self.hook("find").and_then(|find| find.call::<_, Option<Function<'js>>>((main, namespace))),
        )?;
        found.ok_or_else(|| {
            format!(
                "{}: no function {main}: define {main}(params) or export it, or say which one main is",
                self.file
            )
        })
    }

    /// Whether code is an ES module: a line or a statement begins like one's, and it doesn't compile as a script.
    fn is_module(&self, code: &[u8]) -> bool {
        let begins = |line: &[u8]| {
            let line = line.trim_ascii_start();
            let rest = line.strip_prefix(b"export").or_else(|| line.strip_prefix(b"import"));
            matches!(rest.and_then(<[u8]>::first), Some(b' ' | b'{' | b'*' | b'"' | b'\''))
        };
        if !code.split(|byte| matches!(byte, b'\n' | b';' | b'}')).any(begins) {
            return false;
        }
        let Ok(code) = std::str::from_utf8(code) else { return false };
        !self.hook("isScript").and_then(|is| is.call::<_, bool>((code,))).unwrap_or(true)
    }

    fn params(&self, body: Vec<u8>) -> Outcome<Value<'js>> {
        if body.is_empty() {
            return Object::new(self.ctx.clone()).map(Object::into_value).map_err(unexplained);
        }
        if is_deeper_than(DEPTH, &body) {
            return Err(format!("the params are nested more than {DEPTH} deep"));
        }
        let params = self.ctx.json_parse(body).map_err(|error| {
            let why = self.why(error);
            format!("the params are no JSON that can be read: {why}")
        })?;
        if params.is_object() {
            return Ok(params);
        }
        Err(format!("the params are a JSON {}: an object is what main takes", params.type_name()))
    }

    /// What a value is in the end: a promise's result, or itself.
    fn settled(&self, value: Value<'js>) -> Outcome<Value<'js>> {
        let promise = match value.as_promise() {
            Some(promise) => promise.clone(),
            None if self.is_thenable(&value) => {
                self.told(self.hook("promised").and_then(|hook| hook.call::<_, Promise<'js>>((value,))))?
            }
            None => return Ok(value),
        };
        while promise.state() == PromiseState::Pending {
            if self.ctx.execute_pending_job() {
                continue;
            }
            let wait: f64 = self.told(self.hook("turn").and_then(|turn| turn.call(())))?;
            if wait < 0.0 {
                return Err(format!(
                    "{}: main awaits what can never happen: no timer is left that would end it",
                    self.file
                ));
            }
            if wait > 0.0 {
                let wait = Duration::try_from_secs_f64(wait / 1e3).unwrap_or(LONGEST_SLEEP);
                std::thread::sleep(wait.min(LONGEST_SLEEP));
            }
        }
        self.told(promise.finish())
    }

    fn is_thenable(&self, value: &Value<'js>) -> bool {
        let then =
            value.as_object().map(|object| object.get::<_, Value<'js>>(rquickjs::atom::PredefinedAtom::Then));
        matches!(then, Some(Ok(then)) if then.is_function())
    }

    /// The function's own error as its caller is told, and the stack on stderr.
    fn told<T>(&self, result: rquickjs::Result<T>) -> Outcome<T> {
        result.map_err(|error| {
            let Error::Exception = error else { return format!("{}: {error}", self.file) };
            let thrown = self.ctx.catch();
            let told = self.hook("told").and_then(|told| told.call::<_, String>((thrown, self.file)));
            told.unwrap_or_else(|_| {
                // Its own message, or the lack of memory to say it in, was what went wrong.
                self.ctx.catch();
                format!("{}: an error was thrown that can't be told", self.file)
            })
        })
    }

    /// What an error of the interpreter's own says, in brief.
    fn why(&self, error: Error) -> String {
        let Error::Exception = error else { return error.to_string() };
        let thrown = self.ctx.catch();
        thrown.as_exception().and_then(rquickjs::Exception::message).unwrap_or_default()
    }
}
