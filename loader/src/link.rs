//! `rootstock link`: one module of a program and the runtime.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::HumanCount;
use rootstock_link::optimize::{LEVELS, Optimizer};
use rootstock_link::{Decref, Error, InputError, LinkOutput, Linker, Program, file};

use crate::{bad_input, finish, options};

/// Arguments of `rootstock link`.
#[derive(Args, Debug)]
pub(super) struct LinkArgs {
    /// The program: a .wasm or .wat file
    program: PathBuf,

    /// Where to write the linked module
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Link this program in too, and let later ones import its exports from module NAME (default: the file's stem)
    #[arg(long, value_name = "[NAME=]FILE")]
    with: Vec<String>,

    /// Export what the runtime exports; without it, what the program does not use is dropped
    #[arg(long)]
    export_runtime: bool,

    /// Put this before the names of the runtime's exports; implies --export-runtime
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// Have the runtime notify this function, which the program or a library exports, of dead handles; it gets kind and handle
    #[arg(long, value_name = "NAME")]
    decref: Option<String>,

    /// Import the host's function that is notified of dead handles under this name, not as host.host_decref_handle
    #[arg(long, value_name = "MODULE.NAME", value_parser = Decref::parse_import, conflicts_with = "decref")]
    decref_import: Option<Decref>,

    /// Leave out names and debug information
    #[arg(long)]
    strip: bool,

    /// Have Binaryen's wasm-opt optimise the result: 0 to 4 for speed, s or z for size
    #[arg(long, short = 'O', value_name = "LEVEL", num_args = 0..=1, require_equals = true,
          default_missing_value = "s", value_parser = LEVELS)]
    optimize: Option<String>,

    /// Use another build of the runtime
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn main(args: &LinkArgs) -> ExitCode {
    match run(args) {
        Ok(text) => finish(&text, true),
        Err(error) => bad_input(&error),
    }
}

fn run(args: &LinkArgs) -> Result<String, Error> {
    // Asked for first: nothing is written when it is not there.
    let optimizer = match &args.optimize {
        Some(level) => Some((Optimizer::find()?, level.as_str())),
        None => None,
    };
    let program = Program::open(&args.program)?;
    let libraries =
        args.with.iter().map(|with| options::library(with)).collect::<Result<Vec<_>, _>>()?;
    let runtime = args.runtime.as_ref().map(Program::open).transpose()?;
    check_output(args)?;
    let mut linker =
        Linker::new().strip(args.strip).decref(match (&args.decref, &args.decref_import) {
            (Some(name), _) => Decref::Export(name.clone()),
            (None, Some(import)) => import.clone(),
            (None, None) => Decref::Host,
        });
    if args.export_runtime || args.prefix.is_some() {
        linker = linker.export_runtime(args.prefix.clone().unwrap_or_default());
    }
    if let Some(runtime) = &runtime {
        linker = linker.runtime(runtime);
    }
    for (name, library) in &libraries {
        linker = linker.library(name, library);
    }
    let linked = linker.link(&program)?;
    warn(&linked, args);
    let mut text = format!(
        "{}: {} bytes; {} of the runtime's {} functions\n",
        args.output.display(),
        HumanCount(linked.wasm().len() as u64),
        linked.report().kept,
        linked.report().of
    );
    let wasm = match optimizer {
        None => linked.into_wasm(),
        Some((optimizer, level)) => {
            let optimised = optimizer.run(linked.wasm(), level, args.strip)?;
            text += &format!(
                "optimised by {} -O{level}: {} bytes\n",
                optimizer.path().display(),
                HumanCount(optimised.len() as u64)
            );
            optimised
        }
    };
    file::write(&args.output, &wasm)?;
    Ok(text)
}

/// A linked module may take the place of the module that it was made from, but not of a source or of a library.
fn check_output(args: &LinkArgs) -> Result<(), InputError> {
    let Ok(output) = fs::canonicalize(&args.output) else { return Ok(()) };
    let is = |path: &Path| fs::canonicalize(path).is_ok_and(|path| path == output);
    let of_with = |with: &String| is(options::library_path(with).1);
    let is_text = |path: &Path| fs::read(path).is_ok_and(|bytes| !bytes.starts_with(b"\0asm"));
    let lost = if args.with.iter().any(of_with) {
        "a program that is linked in"
    } else if args.runtime.as_deref().is_some_and(is) {
        "the runtime"
    } else if is(&args.program) && is_text(&args.program) {
        "the program's text"
    } else {
        return Ok(());
    };
    let cause = format!("the output would replace {lost}; choose another name");
    Err(InputError::new(args.output.display().to_string(), cause))
}

fn warn(linked: &LinkOutput, args: &LinkArgs) {
    let mut stderr = io::stderr().lock();
    // Where standard error is closed nobody wants to know.
    for warning in linked.warnings() {
        let _ = writeln!(stderr, "warning: {warning}");
    }
    if args.optimize.is_some() && !args.strip && linked.has_debug_info() {
        let _ = writeln!(
            stderr,
            "warning: debug information is dropped: the optimiser moves code; link without -O to keep it"
        );
    }
}
