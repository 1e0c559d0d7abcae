//! Each kind of mistake, with its exact text.

use super::*;
use crate::error::ErrorKind;
use crate::function::{BackendKind, Dir, Format, MIB, PullPolicy, Source};
use crate::pool::Policy;
use crate::runtime::Prewarm;
use std::time::Duration;

/// What is wrong with a text, without the file's name.
fn faults(text: &str) -> Vec<String> {
    let error = Manifest::parse("kiln.toml", text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.message().lines().map(|line| line.strip_prefix("kiln.toml:").unwrap().to_owned()).collect()
}

fn only(text: &str) -> String {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

#[test]
fn a_whole_manifest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thumbnail.wasm"), "").unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let text = r#"
        [host]
        memory = "2GiB"
        listen = "127.0.0.1:9090"
        patience = "0s"
        policy = "lru"
        max_waiting = 5
        max_wait = "3s"
        max_body = "1MiB"
        cache_dir = "cache"
        docker_host = "unix:///run/docker.sock"
        docker_transport = "attach"
        kept_networks = 0
        id = "edge-1"
        prewarm.outside_budget = true

        [function.thumbnail]
        wasm = "thumbnail.wasm"
        image = "thumbnail:1"
        backend = "docker"
        pull = "never"
        format = "frame"
        memory = "64MiB"
        timeout = "10s"
        start_timeout = "20s"
        concurrency = 1
        max_sandboxes = 8
        max_uses = 1_000
        max_reply = "2MiB"
        max_logs = "4KiB"
        prewarm = 2
        idle_timeout = "10m"
        pause_after = "1s"
        env = { LEVEL = "info" }
        args = ["--fast"]
        dirs = ["data:/data:rw", { host = "data", guest = "/again" }]
        user = "1000:1000"

        [function.another]
        image = "another:1"
    "#;
    let file = folder.path().join("kiln.toml");
    let manifest = Manifest::parse(&file, text).unwrap();
    let host = &manifest.host;
    assert_eq!(host.memory, Some(2048 * MIB));
    assert_eq!(host.listen, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!((host.patience, host.max_wait), (Some(Duration::ZERO), Some(Duration::from_secs(3))));
    assert_eq!((host.policy, host.max_waiting), (Some(Policy::Lru), Some(5)));
    assert_eq!((host.max_body, host.prewarm_outside_budget), (Some(MIB), Some(true)));
    assert_eq!(host.cache_dir, Some(folder.path().join("cache")));
    assert_eq!(host.docker_host.as_deref(), Some("unix:///run/docker.sock"));
    assert_eq!(host.docker_transport, Some(super::DockerTransport::Attach));
    assert_eq!(host.kept_networks, Some(0));
    assert_eq!(host.id.as_deref(), Some("edge-1"));

    let [another, thumbnail] = manifest.functions.as_slice() else { panic!("{:?}", manifest.functions) };
    assert_eq!(*another, Function::image("another", "another:1"));
    assert_eq!(thumbnail.code.wasm, Some(Module::File(folder.path().join("thumbnail.wasm"))));
    assert_eq!(thumbnail.code.image.as_ref().unwrap().pull, PullPolicy::Never);
    assert_eq!((thumbnail.backend, thumbnail.format), (Some(BackendKind::Docker), Format::Frame));
    let limits = &thumbnail.limits;
    assert_eq!((limits.memory, limits.max_reply, limits.max_logs), (Some(64 * MIB), 2 * MIB, 4096));
    assert_eq!((limits.timeout, limits.start_timeout), (Duration::from_secs(10), Duration::from_secs(20)));
    assert_eq!((limits.concurrency, limits.max_sandboxes, limits.max_uses), (1, 8, Some(1000)));
    assert_eq!(thumbnail.prewarm, 2);
    assert_eq!(thumbnail.idle_timeout, Some(Duration::from_secs(600)));
    assert_eq!(thumbnail.pause_after, Some(Duration::from_secs(1)));
    assert_eq!(thumbnail.env.get("LEVEL").map(String::as_str), Some("info"));
    assert_eq!(
        (thumbnail.args.as_slice(), thumbnail.user.as_deref()),
        (["--fast".into()].as_slice(), Some("1000:1000"))
    );
    let data = folder.path().join("data");
    let dirs = [
        Dir { host: data.clone(), guest: "/data".into(), writable: true },
        Dir { host: data, guest: "/again".into(), writable: false },
    ];
    assert_eq!(thumbnail.dirs, dirs);
    assert_eq!(manifest.files(), [file, folder.path().join("thumbnail.wasm")]);
}

#[test]
fn an_empty_manifest_is_a_host_without_functions() {
    let manifest = Manifest::parse("kiln.toml", "").unwrap();
    assert_eq!((manifest.host, manifest.functions), (HostSettings::default(), Vec::new()));
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    assert_eq!(
        only("[host]\nmemroy = \"1GiB\""),
        "2:1: unknown key `memroy` in [host]: did you mean `memory`?"
    );
    assert_eq!(
        only("[function.echo]\nimage = \"echo:1\"\nfromat = \"http\""),
        "3:1: unknown key `fromat` in [function.echo]: did you mean `format`?"
    );
    assert_eq!(
        only("[functions.echo]\nimage = \"echo:1\""),
        "1:2: unknown key `functions` in the manifest: did you mean `function`?"
    );
    assert_eq!(
        only("[host.prewarm]\ncolour = 1"),
        "2:1: unknown key `colour` in [host.prewarm]: give `outside_budget`"
    );
}

#[test]
fn a_size_without_a_unit_or_with_none_that_is_known() {
    assert_eq!(
        only("[host]\nmemory = \"64\""),
        "2:10: `memory` is \"64\", without a unit: give one, as \"64MiB\""
    );
    assert_eq!(
        only("[host]\nmemory = 64"),
        "2:10: `memory` is the integer 64: give a size with its unit, as \"64MiB\""
    );
    assert_eq!(
        only("[host]\nmemory = \"64 mebs\""),
        "2:10: `memory` is \"64 mebs\", which is no size: give one such as \"64MiB\" or \"2GiB\""
    );
}

#[test]
fn a_duration_without_a_unit_or_with_none_that_is_known() {
    assert_eq!(
        only("[host]\nmax_wait = \"30\""),
        "2:12: `max_wait` is \"30\", without a unit: give one, as \"30s\""
    );
    assert_eq!(
        only("[host]\nmax_wait = 1.5"),
        "2:12: `max_wait` is the float 1.5: give a duration with its unit, as \"10s\""
    );
    assert_eq!(
        only("[host]\nmax_wait = \"soon\""),
        "2:12: `max_wait` is \"soon\", which is no duration: give one such as \"250ms\", \"10s\" or \"5m\""
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    for (line, fault) in [
        ("max_waiting = -1", "`max_waiting` is the integer -1: give a whole number from 0 to 4294967295"),
        ("policy = \"fifo\"", "`policy` is \"fifo\": give \"cost\" or \"lru\""),
        ("listen = \"8080\"", "`listen` is \"8080\": give an address with its port, as \"127.0.0.1:8080\""),
        ("id = \"a b\"", "`id` is \"a b\": give 1 to 63 letters, digits, `-`, `_` and `.`"),
        ("cache_dir = \"\"", "`cache_dir` is \"\": give a folder's path"),
        ("prewarm = 1", "`prewarm` is the integer 1: give a table, as [host.prewarm]"),
        ("prewarm.outside_budget = \"yes\"", "`outside_budget` is \"yes\": give true or false"),
    ] {
        let found = only(&format!("[host]\n{line}"));
        assert_eq!(found.split_once(": ").unwrap().1, fault);
        assert!(found.starts_with("2:"), "{found}");
    }
    for (line, fault) in [
        (
            "format = \"jsn\"",
            "`format` is \"jsn\": give \"default\", \"http\", \"json\", \"frame\", \"openwhisk\", \"server\", \"http-stream\" or \"wasi-http\"",
        ),
        ("backend = \"podman\"", "`backend` is \"podman\": give \"wasm\" or \"docker\""),
        ("pull = true", "`pull` is true: give \"never\", \"if-missing\" or \"always\""),
        ("args = \"-v\"", "`args` is \"-v\": give a list of strings, as [\"a\", \"b\"]"),
        ("env = []", "`env` is an empty list: give a table of strings, as { NAME = \"value\" }"),
        ("env = { N = 1 }", "`env.N` is the integer 1: give a string, as \"1\""),
        (
            "dirs = [\"data\"]",
            "`dirs` has \"data\", which is no directory: give \"host:guest\" or \"host:guest:rw\"",
        ),
        (
            "outbound = [\"example.com\"]",
            "`outbound` has \"example.com\", which has no port: give a host and its port, as \"api.example.com:443\"",
        ),
        ("outbound = [443]", "`outbound` has the integer 443: give \"host:port\""),
        ("user = 0", "`user` is the integer 0: give a user, as \"1000:1000\""),
    ] {
        let found = only(&format!("[function.echo]\nimage = \"echo:1\"\n{line}"));
        assert_eq!(found.split_once(": ").unwrap().1, fault);
        assert!(found.starts_with("3:"), "{found}");
    }
    assert_eq!(
        only("function.echo = 1"),
        "1:17: function `echo` is the integer 1: give a table, as [function.echo]"
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    let text = "[function.echo]\nwasm = \"no.wasm\"\ndirs = [\"no:/data\"]";
    let error = Manifest::parse(&file, text).unwrap_err();
    let folder = folder.path().display();
    assert_eq!(
        error.message(),
        format!(
            "{folder}/kiln.toml:2:8: `wasm` is \"no.wasm\", but there is no file {folder}/no.wasm: \
             give the path of a .wasm or .wat file, relative to the manifest's folder\n\
             {folder}/kiln.toml:3:9: `dirs` has {folder}/no, but there is no such folder: make it or name another"
        )
    );
}

#[test]
fn a_missing_manifest_is_named() {
    let error = Manifest::read("/no/such/kiln.toml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(
        error.message().starts_with("can't read the manifest /no/such/kiln.toml: No such file"),
        "{error}"
    );
}

/// What the function itself finds stands at the function's line.
#[test]
fn what_a_function_cannot_be_is_placed_at_it() {
    assert_eq!(
        only("[host]\n\n[function.echo]\nformat = \"http\""),
        "3:11: function `echo`: it has no code: give it `wasm`, `image`, or both, or `source`"
    );
    assert_eq!(
        only("[function.echo]\nimage = \"echo:1\"\nmax_sandboxes = 0"),
        "1:11: function `echo`: `max_sandboxes` is 0, so nothing could ever run: give at least 1"
    );
    assert!(
        only("[function.\"a/b\"]\nimage = \"echo:1\"").starts_with("1:11: function `a/b`: function name")
    );
}

#[test]
fn text_that_is_no_toml_is_placed() {
    let found = only("[host]\nmemory = \"1GiB");
    assert!(found.starts_with("2:"), "{found}");
    let twice = only("[host]\nid = \"a\"\nid = \"b\"");
    assert!(twice.starts_with("3:1: duplicate key"), "{twice}");
}

#[test]
fn all_mistakes_are_shown_in_the_files_order() {
    let text =
        "[host]\nmemory = 1\npolcy = \"lru\"\n[function.b]\n[function.a]\nimage = \"a:1\"\ntimeout = \"5\"";
    let places: Vec<_> =
        faults(text).iter().map(|fault| fault.split_once(' ').unwrap().0.to_owned()).collect();
    assert_eq!(places, ["2:10:", "3:1:", "4:11:", "7:11:"]);
}

/// A folder with a module and two sources, and what a manifest in it comes to.
fn in_folder(text: &str) -> (tempfile::TempDir, Result<Manifest, String>) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["js.wasm", "hello.js", "hello"] {
        std::fs::write(folder.path().join(file), "x").unwrap();
    }
    let parsed = Manifest::parse(folder.path().join("kiln.toml"), text);
    let shown = folder.path().join("kiln.toml:").display().to_string();
    (folder, parsed.map_err(|error| error.message().replace(&shown, "")))
}

#[test]
fn runtimes_and_source_functions_are_read() {
    let (folder, manifest) = in_folder(
        r#"
        [runtime.js]
        wasm = "js.wasm"
        image = "kiln-js:1"
        kinds = ["nodejs:default"]
        memory = "64MiB"
        prewarm = [{ count = 2 }, { backend = "docker", memory = "128MiB", count = 1 }]

        [runtime.python]
        image = "kiln-python:1"
        prewarm = 3

        [function.hello]
        source = "hello.js"
        backend = "docker"
        env = { A = "1" }

        [function.other]
        source = "hello"
        runtime = "nodejs:default"
        main = "run"
    "#,
    );
    let manifest = manifest.unwrap();
    let [js, python] = manifest.runtimes.as_slice() else { panic!("{:?}", manifest.runtimes) };
    let file = |name: &str| folder.path().join(name);
    assert_eq!((js.name.as_str(), js.kinds.as_slice()), ("js", ["nodejs:default".to_owned()].as_slice()));
    assert_eq!((js.wasm.clone(), js.memory), (Some(Module::File(file("js.wasm"))), Some(64 * MIB)));
    let prewarm = |backend, memory, count| Prewarm { backend, memory, count };
    assert_eq!(
        js.prewarm,
        [prewarm(BackendKind::Wasm, None, 2), prewarm(BackendKind::Docker, Some(128 * MIB), 1)]
    );
    assert_eq!(python.prewarm, [prewarm(BackendKind::Docker, None, 3)]);
    let [hello, other] = manifest.functions.as_slice() else { panic!("{:?}", manifest.functions) };
    assert_eq!(hello.code.source, Some(Source::new("js", Module::File(file("hello.js")))));
    assert_eq!((hello.backend, hello.format), (Some(BackendKind::Docker), Format::Default));
    let other = other.code.source.as_ref().unwrap();
    assert_eq!((other.runtime.as_str(), other.main.as_str()), ("nodejs:default", "run"));
    assert_eq!(manifest.files(), ["kiln.toml", "js.wasm", "hello.js", "hello"].map(file));
}

#[test]
fn what_a_runtime_or_a_source_can_not_be_is_placed() {
    let js = "[runtime.js]\nwasm = \"js.wasm\"\n";
    let hello = "[function.f]\nsource = \"hello.js\"\n";
    for (text, fault) in [
        ("[runtime.js]\n".to_owned(), "1:10: runtime `js`: it has no code"),
        (format!("{js}format = \"json\""), "1:10: runtime `js`: `format` is `json`"),
        (format!("{js}prewarm = \"2\""), "3:11: `prewarm` is \"2\": give a whole number, or a list"),
        (format!("{js}prewarm = [2]"), "3:12: `prewarm` has the integer 2: give"),
        (format!("{js}prewarm = [{{}}]"), "3:12: `prewarm` has a table without a good `count`"),
        (
            format!("{js}prewarm = [{{ count = 1, backend = \"docker\" }}]"),
            "1:10: runtime `js`: `prewarm` asks for sandboxes on docker, but it has no `image`",
        ),
        (format!("{js}kind = [\"a\"]"), "3:1: unknown key `kind` in [runtime.js]: did you mean `kinds`?"),
        ("runtime.js = 1".to_owned(), "1:14: runtime `js` is the integer 1: give a table, as [runtime.js]"),
        ("[function.f]\nsource = \"no.js\"".to_owned(), "2:10: `source` is \"no.js\", but there is no file"),
        ("[function.f]\nsource = 1".to_owned(), "2:10: `source` is the integer 1: give the path of a file"),
        ("[function.f]\nsource = \"hello\"".to_owned(), "2:10: `source` is"),
        (format!("{hello}runtime = 1"), "3:11: `runtime` is the integer 1: give a runtime's name or kind"),
        (
            format!("{hello}format = \"http\""),
            "1:11: function `f`: `format` is `http`, which can't carry source",
        ),
        (format!("{hello}args = [\"a\"]"), "1:11: function `f`: `args` can't go with `source`"),
        ("[function.f]\nimage = \"f:1\"\nmain = \"x\"".to_owned(), "3:8: `main` is for source functions"),
    ] {
        let (_folder, parsed) = in_folder(&text);
        let error = parsed.unwrap_err();
        assert!(error.starts_with(fault) && !error.contains('\n'), "{text}\n{error}\n{fault}");
    }
}
