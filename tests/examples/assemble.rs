//! Assembles wasm text for hosts that cannot: `assemble OUT_DIR FILE.wat...` writes each as `OUT_DIR/FILE.wasm`.
//!
//! The tests in `js/` run the programs of `tests/guests/` this way.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use loader::Program;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = args.next() else {
        eprintln!("usage: assemble OUT_DIR FILE.wat...");
        return ExitCode::from(2);
    };
    for file in args {
        if let Err(cause) = assemble(&file, &out) {
            eprintln!("error: {cause}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn assemble(file: &Path, out: &Path) -> Result<(), String> {
    let program = Program::open(file).map_err(|error| error.to_string())?;
    let stem = file.file_stem().ok_or_else(|| format!("{}: not a file's name", file.display()))?;
    let target = out.join(stem).with_extension("wasm");
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&target, program.wasm()))
        .map_err(|error| format!("{}: cannot be written: {error}", target.display()))
}
