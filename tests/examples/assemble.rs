//! Assembles wasm text for hosts that cannot: `assemble OUT_DIR FILE.wat...` writes each as `OUT_DIR/FILE.wasm`, and merged
//! with the runtime, whose exports begin with `gc.`, as `OUT_DIR/FILE_merged.wasm`.
//!
//! The tests in `js/` run the programs of `tests/guests/` this way.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use rootstock_host::Program;
use rootstock_link::Linker;

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
    let merged =
        Linker::new().export_runtime("gc.").link(&program).map_err(|error| error.to_string())?;
    let stem = stem.to_string_lossy();
    for (name, wasm) in
        [(format!("{stem}.wasm"), program.wasm()), (format!("{stem}_merged.wasm"), merged.wasm())]
    {
        let target = out.join(name);
        fs::create_dir_all(out)
            .and_then(|()| fs::write(&target, wasm))
            .map_err(|error| format!("{}: cannot be written: {error}", target.display()))?;
    }
    Ok(())
}
