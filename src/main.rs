//! The `kiln` binary: all of it is in `kiln::cli`.

fn main() -> std::process::ExitCode {
    kiln::cli::main()
}
