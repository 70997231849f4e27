//! `rootstock man`: the manual pages, one for the command and one for each subcommand.

use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::{Cli, bad_input, finish};

/// Arguments of `rootstock man`.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The folder, which is made if need be; pages of an earlier version in it are replaced
    folder: PathBuf,
}

/// Runs the command.
pub(super) fn main(args: &ManArgs) -> ExitCode {
    match write(&args.folder) {
        Ok(lines) => finish(&lines, true),
        Err(error) => bad_input(&format_args!("{}: {error}", args.folder.display())),
    }
}

/// Writes the pages, and returns a line for each with its path.
///
/// # Errors
///
/// The folder cannot be made, or a page cannot be written.
fn write(folder: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command();
    command.build();
    let mut lines = String::new();
    for page in iter::once(&command).chain(command.get_subcommands()) {
        let mut text = Vec::new();
        Man::new(page.clone()).render(&mut text)?;
        // `rootstock-link` for the subcommand `link`
        let name = page.get_display_name().unwrap_or(page.get_name());
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, text)?;
        lines += &format!("{}\n", path.display());
    }
    Ok(lines)
}
