//! Builds kiln-init, the helper that is process 1 of Kiln's containers, for the machine that Kiln itself is built for.
//!
//! It is linked statically so that it runs in any image. Where it can't be built, for want of a static C library or of
//! Linux, an empty file stands for it: containers are then reached through the engine's `attach` alone.

use std::env::var_os;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "src/backend/docker/init";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SOURCE}");
    if var_os("CARGO_FEATURE_DOCKER").is_none() {
        return;
    }
    let Some(out) = var_os("OUT_DIR") else { return };
    let program = Path::new(&out).join("kiln-init");
    if let Err(why) = build(&program) {
        println!(
            "cargo:warning=kiln-init can't be built, so containers are only reached through `attach`: {why}"
        );
        if let Err(error) = std::fs::write(&program, b"") {
            println!("cargo:error=can't write {}: {error}", program.display());
        }
    }
}

fn build(program: &Path) -> Result<(), String> {
    if var_os("CARGO_CFG_TARGET_OS").is_none_or(|os| os != "linux") {
        return Err("it runs on Linux only".into());
    }
    if var_os("CARGO_CFG_TARGET_POINTER_WIDTH").is_none_or(|width| width != "64") {
        return Err("it runs on 64-bit machines only".into());
    }
    let (Some(rustc), Some(target)) = (var_os("RUSTC"), var_os("TARGET")) else {
        return Err("cargo doesn't say with what compiler, or for what".into());
    };
    let mut command = Command::new(rustc);
    command.arg("--target").arg(target).arg("-o").arg(program).arg(Path::new(SOURCE).join("main.rs"));
    command.args(["--crate-name", "kiln_init", "--crate-type", "bin", "--edition", "2024"]);
    for option in [
        "opt-level=s",
        "codegen-units=1",
        "lto=fat",
        "panic=abort",
        "target-feature=+crt-static",
        "strip=symbols",
    ] {
        command.args(["-C", option]);
    }
    if let Some(linker) = var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        command.arg("-C").arg(option);
    }
    let output = command.output().map_err(|error| format!("can't run the compiler: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let first = words.lines().find(|line| line.starts_with("error"));
    Err(first.unwrap_or("the compiler failed and doesn't say why").to_owned())
}
