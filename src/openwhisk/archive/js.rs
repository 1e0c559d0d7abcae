//! A Node.js package as one script: each file is a function of it, and `require` finds them as Node.js does.

use super::{Files, quoted, unfit};
use crate::openwhisk::refusal::Result;
use serde_json::Value;
use std::fmt::Write;

/// What is in front of the files: `$files` is all of them by their paths, those that are code as functions.
const HEAD: &str = "(function ($global, $outer) {\nconst $files = Object.create(null);\n";

/// What is behind them. A path that is asked for is looked for as it is, with an extension, and as a folder.
const TAIL: &str = r#"
const $modules = Object.create(null);
const $find = function (path) {
  for (const end of ['', '.js', '.cjs', '.json', '/index.js', '/index.json']) {
    if (path + end in $files) return path + end;
  }
  const about = path === '' ? 'package.json' : path + '/package.json';
  if (about in $files) {
    const main = JSON.parse($files[about]).main;
    if (main) return $find($join(path, main));
  }
};
const $join = function (folder, path) {
  const parts = folder === '' ? [] : folder.split('/');
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
};
const $resolve = function (folder, name) {
  if (/^\.{0,2}\//.test(name) || name === '.' || name === '..') return $find($join(folder, name));
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const found = $find($join(at, 'node_modules/' + name));
    if (found !== undefined || at === '') return found;
  }
};
const $load = function (path) {
  if (path in $modules) return $modules[path].exports;
  const file = $files[path];
  const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  const module = $modules[path] = { id: path, filename: '/' + path, loaded: false, exports: {} };
  const require = function (name) {
    const found = $resolve(folder, String(name));
    return found === undefined ? $outer(name) : $load(found);
  };
  try {
    if (typeof file === 'string') module.exports = JSON.parse(file);
    else file.call(module.exports, module.exports, require, module, '/' + path, '/' + folder);
  } catch (error) {
    delete $modules[path];
    throw error;
  }
  module.loaded = true;
  return module.exports;
};
"#;

/// The script of a package: `main` of its `package.json`, or `index.js`, is what exports the function.
pub(super) fn bundle(files: &Files) -> Result<String> {
    let about = files.get("package.json").map(|text| serde_json::from_slice::<Value>(text));
    let about =
        about.transpose().map_err(|error| unfit(format!("its package.json can't be read: {error}")))?;
    let field = |key: &str| about.as_ref().and_then(|about| about.get(key)).and_then(Value::as_str);
    let main = field("main").unwrap_or("index.js").trim_start_matches("./");
    let found = ["", ".js", ".cjs", "/index.js"].map(|end| format!("{main}{end}"));
    let Some(main) = found.into_iter().find(|path| files.contains_key(path)) else {
        return Err(unfit(format!(
            "there is no {main:?} in it: give a package.json whose \"main\" is the file that exports the function, or an \
             index.js"
        )));
    };
    if field("type") == Some("module") || main.ends_with(".mjs") {
        return Err(unfit(
            "its files are ES modules: give CommonJS ones, or one file, bundled with `esbuild --bundle --format=cjs`",
        ));
    }
    let mut text = String::from(HEAD);
    for (path, bytes) in files {
        let Ok(file) = std::str::from_utf8(bytes) else { continue };
        let key = quoted(path);
        let written = match path.rsplit('.').next() {
            Some("js" | "cjs") => {
                let file = file.strip_prefix('\u{feff}').unwrap_or(file);
                // As Node.js reads it; what is behind it keeps its line.
                let lead = if file.starts_with("#!") { "//" } else { "" };
                writeln!(
                    text,
                    "$files[{key}] = function (exports, require, module, __filename, __dirname) {{\n{lead}{file}\n}};"
                )
            }
            Some("json") => writeln!(text, "$files[{key}] = {};", quoted(file)),
            // Nobody can open it.
            _ => Ok(()),
        };
        written.map_err(|error| unfit(format!("it can't be written as a script: {error}")))?;
    }
    text.push_str(TAIL);
    let last = writeln!(
        text,
        "module.exports = $load({});\n}})(globalThis, typeof require === 'function' ? require : undefined);",
        quoted(&main)
    );
    last.map_err(|error| unfit(format!("it can't be written as a script: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<String> {
        bundle(&files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_packages_main_is_what_is_loaded() {
        let script = of(&[
            ("package.json", r#"{"main": "./lib/go"}"#),
            ("lib/go.js", "#!/usr/bin/env node\nexports.main = require('../data')"),
            ("data.json", "{\"a\": \"\u{2028}\"}"),
            ("logo.png", "x"),
        ]);
        let script = script.unwrap();
        assert!(script.contains("module.exports = $load(\"lib/go.js\");"), "{script}");
        assert!(script.contains("\n//#!/usr/bin/env node\n"), "{script}");
        assert!(script.contains(r"\u2028") && !script.contains("logo.png"), "{script}");
        assert!(of(&[("index.js", "")]).unwrap().contains("$load(\"index.js\")"));
    }

    #[test]
    fn what_cannot_be_a_script_is_refused() {
        for (files, said) in [
            (&[("package.json", "{")][..], "package.json can't be read"),
            (&[("package.json", r#"{"main": "x.js"}"#)], "no \"x.js\" in it"),
            (&[("package.json", r#"{"type": "module"}"#), ("index.js", "")], "ES modules"),
        ] {
            let refusal = of(files).unwrap_err();
            assert!(refusal.status == 400 && refusal.text.contains(said), "{}", refusal.text);
        }
    }
}
