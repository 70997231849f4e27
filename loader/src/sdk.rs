//! `rootstock sdk`: a folder with all that an object link needs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rootstock_link::sdk;

use crate::{bad_input, finish};

/// Arguments of `rootstock sdk`.
#[derive(Args, Debug)]
pub(super) struct SdkArgs {
    /// The folder, which is made if need be; files of an earlier version in it are replaced
    folder: PathBuf,
}

/// Runs the command.
pub(super) fn main(args: &SdkArgs) -> ExitCode {
    let written = match sdk::write(&args.folder) {
        Ok(written) => written,
        Err(error) => return bad_input(&error),
    };
    let lines: Vec<String> = written.iter().map(|path| format!("{}\n", path.display())).collect();
    finish(&lines.concat(), true)
}
