//! What of a declaration can't be, said where it is declared.

use super::{BackendKind, DEFAULT_NAMESPACE, Format, Function};
use crate::error::{Error, Result};

impl Function {
    /// Says what of it can't be, and what would be right.
    pub fn validate(&self) -> Result<()> {
        valid_name("function", &self.name)?;
        if self.namespace != DEFAULT_NAMESPACE {
            valid_name("namespace", &self.namespace)?;
        }
        match self.backend() {
            _ if self.code.source.is_some() && !self.loads_itself() => self.validate_source()?,
            None => {
                return Err(Error::invalid("it has no code: give it `wasm`, `image`, or both, or `source`"));
            }
            Some(BackendKind::Wasm) if self.code.wasm.is_none() => {
                return Err(Error::invalid("`backend = \"wasm\"` needs a module: give it `wasm`"));
            }
            Some(BackendKind::Docker) if self.code.image.is_none() => {
                return Err(Error::invalid("`backend = \"docker\"` needs an image: give it `image`"));
            }
            Some(_) => {}
        }
        if self.format.is_served() && self.backend() == Some(BackendKind::Wasm) {
            return Err(Error::invalid(format!(
                "format `{}` is spoken to a server, which modules have none of: give `image`, or another format",
                self.format
            )));
        }
        self.validate_server()?;
        self.validate_network()?;
        if self.format == Format::WasiHttp && self.backend() == Some(BackendKind::Docker) {
            return Err(Error::invalid(
                "format `wasi-http` is spoken to a component, which images have none of: give `wasm`, or another format",
            ));
        }
        if !self.outbound.is_empty() && self.backend() == Some(BackendKind::Docker) {
            return Err(Error::invalid(
                "`outbound` is for components that import `wasi:http/outgoing-handler`: take it out, or give `wasm`",
            ));
        }
        let limits = &self.limits;
        // E6: a maximum of 0 would wait forever.
        for (key, value) in [
            ("max_sandboxes", u64::from(limits.max_sandboxes)),
            ("concurrency", u64::from(limits.concurrency)),
            ("max_uses", u64::from(limits.max_uses.unwrap_or(1))),
            ("memory", limits.memory.unwrap_or(1)),
            ("max_reply", limits.max_reply),
        ] {
            if value == 0 {
                return Err(Error::invalid(format!(
                    "`{key}` is 0, so nothing could ever run: give at least 1"
                )));
            }
        }
        for (key, value) in [("timeout", limits.timeout), ("start_timeout", limits.start_timeout)] {
            if value.is_zero() {
                return Err(Error::invalid(format!(
                    "`{key}` is 0, so nothing could ever finish: give at least 1ms"
                )));
            }
        }
        // What a component is spoken to in is seen when it is looked at.
        let is_seen_later = self.format == Format::Default && self.code.wasm.is_some();
        if limits.concurrency > 1 && !self.format.shares() && !is_seen_later {
            return Err(Error::invalid(format!(
                "`concurrency` is {}, but format `{}` carries one request at a time: give 1 and raise `max_sandboxes`",
                limits.concurrency, self.format
            )));
        }
        if self.prewarm > limits.max_sandboxes {
            return Err(Error::invalid(format!(
                "`prewarm` is {}, but `max_sandboxes` is {}: give at most that",
                self.prewarm, limits.max_sandboxes
            )));
        }
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Error::invalid(format!(
                    "`env` has the name {name:?}: give one without `=` and NUL"
                )));
            }
        }
        let texts = self.env.values().chain(&self.args);
        if let Some(text) = texts.into_iter().find(|text| text.contains('\0')) {
            return Err(Error::invalid(format!(
                "`env` or `args` has the value {text:?}: give one without NUL"
            )));
        }
        Ok(())
    }

    /// What only a server can be told.
    fn validate_server(&self) -> Result<()> {
        for (key, given) in [("port", self.port.is_some()), ("ready_path", self.ready_path.is_some())] {
            if given && self.format != Format::Server {
                return Err(Error::invalid(format!(
                    "`{key}` goes with format `server` only, and this is `{}`: leave it out",
                    self.format
                )));
            }
        }
        if self.port == Some(0) {
            return Err(Error::invalid("`port` is 0, where nothing listens: give 1 to 65535"));
        }
        match &self.ready_path {
            Some(path) if !path.starts_with('/') || path.contains(|c: char| !c.is_ascii_graphic()) => {
                Err(Error::invalid(format!(
                    "`ready_path` is {path:?}: give a path that begins with `/`, percent-encoded, as \"/healthz\""
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is an image that is given its code once it runs.
    pub(crate) fn loads_itself(&self) -> bool {
        let unnamed = self.code.source.as_ref().is_some_and(|source| source.runtime.is_empty());
        unnamed && self.code.image.is_some() && self.code.wasm.is_none() && self.format.initialises()
    }

    /// A container may be let into a network, but into nobody else's own.
    fn validate_network(&self) -> Result<()> {
        let Some(network) = &self.network else { return Ok(()) };
        if self.backend() == Some(BackendKind::Wasm) {
            return Err(Error::invalid("`network` is for images, and modules have none: leave it out"));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_name = network.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if network == "host" || !is_name || !network.bytes().all(fits) {
            return Err(Error::invalid(format!(
                "`network` is {network:?}: give the name of one of the engine's networks, as \"bridge\", that is nobody's own"
            )));
        }
        Ok(())
    }

    /// A stem cell is started before its function is known: nothing that a process is started with can be the function's.
    fn validate_source(&self) -> Result<()> {
        let Some(source) = &self.code.source else { return Ok(()) };
        let begun = "a runtime's sandbox is started before it is known which function it will be";
        for (key, given, instead) in [
            ("wasm", self.code.wasm.is_some(), "its runtime has the module"),
            ("image", self.code.image.is_some(), "its runtime has the image"),
            ("args", !self.args.is_empty(), begun),
            ("dirs", !self.dirs.is_empty(), begun),
            ("network", self.network.is_some(), begun),
            ("user", self.user.is_some(), begun),
            ("outbound", !self.outbound.is_empty(), begun),
        ] {
            if given {
                return Err(Error::invalid(format!(
                    "`{key}` can't go with `source`, since {instead}: leave one of them out"
                )));
            }
        }
        if self.format != Format::Default && !self.format.carries_source() {
            return Err(Error::invalid(format!(
                "`format` is `{}`, which can't carry source: leave it out, its runtime has one",
                self.format
            )));
        }
        if source.runtime.is_empty() {
            return Err(Error::invalid(
                "`runtime` is empty: give the name of the runtime that loads `source`",
            ));
        }
        for (key, text) in [("main", &source.main), ("file", &source.file)] {
            if text.contains(['\0', '\n']) {
                return Err(Error::invalid(format!(
                    "`{key}` is {text:?}: give one without NUL and line breaks"
                )));
            }
        }
        if source.main.is_empty() {
            return Err(Error::invalid(
                "`main` is empty: give the name of the function to call, as \"main\"",
            ));
        }
        Ok(())
    }
}

pub(crate) fn valid_name(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !starts || name.len() > 63 || !name.bytes().all(fits) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} can't be: give 1 to 63 letters, digits, `-`, `_` and `.`, a letter or digit first"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Function {
        Function::wasm("echo", "echo.wasm")
    }

    #[test]
    fn an_image_may_be_given_code_where_its_format_has_a_word_for_it() {
        let mut function = Function::image("x", "x:1").format(Format::Openwhisk);
        function.code.source =
            Some(super::super::Source::new("", super::super::Module::Bytes("code".into())));
        function.validate().unwrap();
        function.args.push("-v".into());
        function.validate().unwrap();
        function.format = Format::Json;
        assert!(function.validate().unwrap_err().message().contains("can't go with `source`"));
    }

    /// SEEDS.md E6: a maximum of 0 is refused when it is declared.
    #[test]
    fn e6_a_maximum_of_zero_is_refused() {
        let mut function = echo();
        function.limits.max_sandboxes = 0;
        let error = function.validate().unwrap_err();
        assert!(error.message().contains("`max_sandboxes` is 0"), "{error}");
    }

    #[test]
    fn names_that_would_break_a_path_are_refused() {
        for name in ["", "a/b", "../x", "-a", "é", "a b", &"x".repeat(64)] {
            assert!(Function::wasm(name, "x.wasm").validate().is_err(), "{name:?}");
        }
        assert!(Function::wasm("thumb-nail_2.0", "x.wasm").validate().is_ok());
    }

    #[test]
    fn the_backend_follows_the_code_unless_said() {
        let mut both = echo();
        both.code.image = Function::image("x", "echo:1").code.image;
        assert_eq!(both.backend(), Some(BackendKind::Wasm));
        both.backend = Some(BackendKind::Docker);
        assert_eq!(both.backend(), Some(BackendKind::Docker));
        assert!(both.validate().is_ok());
        both.code.image = None;
        assert!(both.validate().is_err());
    }

    #[test]
    fn what_a_server_is_told_is_told_to_no_other() {
        let server = || Function::image("app", "app:1").format(Format::Server);
        server().validate().unwrap();
        let refused = |mut function: Function, change: fn(&mut Function)| {
            change(&mut function);
            function.validate().unwrap_err().message().to_owned()
        };
        for message in [
            refused(server(), |it| it.port = Some(0)),
            refused(server().format(Format::Openwhisk), |it| it.port = Some(80)),
        ] {
            assert!(message.starts_with("`port`"), "{message}");
        }
        for path in ["healthz", "", "/a b", "/a\r\nX: y", "/caf\u{e9}"] {
            let mut function = server();
            function.ready_path = Some(path.into());
            assert!(function.validate().unwrap_err().message().starts_with("`ready_path`"), "{path:?}");
        }
        let message = refused(echo(), |it| it.format = Format::Server);
        assert!(message.contains("give `image`"), "{message}");
    }

    #[test]
    fn a_network_is_the_engines_and_nobodys_own() {
        let on = |network: &str| {
            let mut function = Function::image("app", "app:1");
            function.network = Some(network.into());
            function.validate()
        };
        on("bridge").unwrap();
        for network in ["", "host", "container:other", "a b", "-a"] {
            assert!(on(network).unwrap_err().message().starts_with("`network`"), "{network:?}");
        }
        let mut module = echo();
        module.network = Some("bridge".into());
        assert!(module.validate().unwrap_err().message().starts_with("`network`"));
    }

    #[test]
    fn a_formats_own_start_timeout_gives_way_to_one_that_was_given() {
        let function = || Function::image("f", "f:1");
        assert_eq!(function().format(Format::HttpStream).limits.start_timeout.as_secs(), 5);
        let back = function().format(Format::HttpStream).format(Format::Server);
        assert_eq!(back.limits.start_timeout.as_secs(), 60);
        let mut given = function();
        given.limits.start_timeout = std::time::Duration::from_secs(7);
        assert_eq!(given.format(Format::HttpStream).limits.start_timeout.as_secs(), 7);
    }

    #[test]
    fn source_goes_with_nothing_that_a_process_is_started_with() {
        let hello = || Function::source("hello", "js", "function main() { return {} }");
        hello().validate().unwrap();
        let refused = |change: fn(&mut Function)| {
            let mut function = hello();
            change(&mut function);
            function.validate().unwrap_err().message().to_owned()
        };
        for (word, message) in [
            ("`wasm`", refused(|it| it.code.wasm = echo().code.wasm)),
            ("`image`", refused(|it| it.code.image = Function::image("x", "x:1").code.image)),
            ("`args`", refused(|it| it.args.push("-v".into()))),
            ("`user`", refused(|it| it.user = Some("1000".into()))),
            (
                "`dirs`",
                refused(|it| {
                    it.dirs.push(crate::function::Dir {
                        host: "/a".into(),
                        guest: "/a".into(),
                        writable: false,
                    });
                }),
            ),
            ("`format`", refused(|it| it.format = Format::Json)),
            ("`main`", refused(|it| it.code.source.as_mut().unwrap().main.clear())),
            ("`runtime`", refused(|it| it.code.source.as_mut().unwrap().runtime.clear())),
        ] {
            assert!(message.starts_with(word), "{message}");
        }
    }
}
