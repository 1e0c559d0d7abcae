//! Compiled modules on disk: used when sound, mended when not.

use crate::support::*;
use kiln::Function;
use std::path::{Path, PathBuf};

struct CacheDir(tempfile::TempDir);

impl CacheDir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("kiln").join("wasm")
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    }

    /// Runs a module in a new backend: how many were compiled, how many loaded.
    async fn run(&self, text: String) -> (u64, u64) {
        self.run_function(streaming(text)).await
    }

    async fn run_function(&self, function: Function) -> (u64, u64) {
        let wasm = with(|config| config.cache_dir = Some(self.path()));
        assert_eq!(live(&wasm, function).await.call("x").await, b"x");
        let figures = wasm.figures();
        (figures.compiled, figures.loaded)
    }
}

const COMPILED: (u64, u64) = (1, 0);

const LOADED: (u64, u64) = (0, 1);

#[tokio::test]
async fn a_module_is_compiled_once_for_all_processes() {
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    assert_eq!(cache.run(echo()).await, LOADED);
    assert_eq!(cache.run(format!("{} ;; another", echo())).await, COMPILED);
    assert_eq!(cache.files("new"), Vec::<PathBuf>::new());
    assert_eq!(cache.files("mine"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_unsound_cache_entry_is_compiled_again_and_mended() {
    type Spoil = fn(&Path, &Path);
    let cases: [(&str, Spoil); 7] = [
        ("a changed byte", |code, _| {
            let mut bytes = std::fs::read(code).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(code, bytes).unwrap();
        }),
        ("cut short", |code, _| {
            let bytes = std::fs::read(code).unwrap();
            std::fs::write(code, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("empty", |code, _| std::fs::write(code, "").unwrap()),
        ("foreign", |code, _| std::fs::write(code, "#!/bin/sh").unwrap()),
        ("gone", |code, _| std::fs::remove_file(code).unwrap()),
        ("a key that is none", |_, key| std::fs::write(key, "../../../etc/passwd").unwrap()),
        ("a key cut short", |_, key| std::fs::write(key, "ab").unwrap()),
    ];
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    for (name, spoil) in cases {
        let (codes, keys) = (cache.files("cwasm"), cache.files("key"));
        assert_eq!((codes.len(), keys.len()), (1, 1));
        spoil(&codes[0], &keys[0]);
        assert_eq!(cache.run(echo()).await, COMPILED, "{name}");
        assert_eq!(cache.run(echo()).await, LOADED, "{name}: not mended");
    }
}

/// Longer than a file has to be left alone before it is taken for unchanged by its times.
const SETTLED: std::time::Duration = std::time::Duration::from_millis(2100);

/// Changes a byte in the middle and leaves size and time of modification as they were.
fn change_quietly(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    change(&mut bytes);
    assert_eq!(bytes.len(), length);
    std::fs::write(path, bytes).unwrap();
    std::fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[tokio::test]
async fn what_was_read_before_is_read_again_once_it_has_changed() {
    let cache = CacheDir::new();
    let file = cache.0.path().join("echo.wat");
    std::fs::write(&file, format!("{} ;; 1", echo())).unwrap();
    let function = || {
        let mut function = streaming("");
        function.code.wasm = Some(kiln::function::Module::File(file.clone()));
        function
    };
    assert_eq!(cache.run_function(function()).await, COMPILED);
    std::thread::sleep(SETTLED);
    assert_eq!(cache.run_function(function()).await, LOADED);
    // Now both were read whole and are known by their stamps alone: size, times, inode.
    assert_eq!(cache.files("source").len(), 1);
    let remembered = std::fs::read_to_string(&cache.files("key")[0]).unwrap();
    assert_eq!(remembered.split(' ').count(), 3, "{remembered}");
    assert_eq!(cache.run_function(function()).await, LOADED);
    change_quietly(&cache.files("cwasm")[0], |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    assert_eq!(cache.run_function(function()).await, COMPILED, "damaged code was run");
    assert_eq!(cache.run_function(function()).await, LOADED);
    change_quietly(&file, |bytes| *bytes.last_mut().unwrap() = b'2');
    assert_eq!(cache.run_function(function()).await, COMPILED, "a module's old code was run");
    // What a record says is checked, too.
    std::fs::write(&cache.files("source")[0], "zz").unwrap();
    assert_eq!(cache.run_function(function()).await, LOADED);
}

#[tokio::test]
async fn sound_bytes_that_are_not_compiled_code_are_not_run() {
    // An attacker with the same user's rights could do worse; a bug of ours shall not.
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    let junk = b"not an object file";
    let name: String =
        <sha2::Sha256 as sha2::Digest>::digest(junk).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(cache.path().join(format!("{name}.cwasm")), junk).unwrap();
    let entry = format!("{name} {:08x}", crc32fast::hash(junk));
    std::fs::write(&cache.files("key")[0], entry).unwrap();
    assert_eq!(cache.run(echo()).await, COMPILED);
    assert_eq!(cache.run(echo()).await, LOADED);
}

#[cfg(unix)]
#[tokio::test]
async fn what_others_can_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let cache = CacheDir::new();
    assert_eq!(cache.run(echo()).await, COMPILED);
    let mode = std::fs::metadata(cache.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(cache.run(echo()).await, COMPILED);
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(cache.run(echo()).await, LOADED);
    for ending in ["key", "cwasm"] {
        let file = &cache.files(ending)[0];
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(cache.run(echo()).await, COMPILED, "{ending}");
        assert_eq!(cache.run(echo()).await, LOADED, "{ending}");
    }
    let link = CacheDir::new();
    std::fs::create_dir(link.0.path().join("kiln")).unwrap();
    std::os::unix::fs::symlink(cache.path(), link.path()).unwrap();
    assert_eq!(link.run(echo()).await, COMPILED);
}
