//! The part of WASI that a program is shown, on the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use rootstock_host::Wasi;

/// Options of `run` and `doctor` for programs that import WASI.
#[derive(Args, Debug)]
pub(super) struct WasiArgs {
    /// Give the program a variable of the environment; it has none by itself (WASI)
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// Let the program read and change a folder, under another name or its own; it sees none by itself (WASI)
    #[arg(long = "dir", value_name = "DIR[::NAME]", value_parser = folder)]
    folders: Vec<(PathBuf, String)>,

    /// Arguments for the program, after its own name (WASI)
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl WasiArgs {
    pub(super) fn wasi(&self, program: &Path) -> Wasi {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut wasi =
            Wasi::default().standard_input().arguments([name]).arguments(&self.arguments);
        for (name, value) in &self.variables {
            wasi = wasi.variable(name, value);
        }
        for (path, name) in &self.folders {
            wasi = wasi.folder(path, name);
        }
        wasi
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is given as NAME=VALUE".to_owned()),
    }
}

fn folder(text: &str) -> Result<(PathBuf, String), String> {
    let (path, name) = text.split_once("::").unwrap_or((text, text));
    if path.is_empty() || name.is_empty() {
        return Err("a folder is given as DIR, or as DIR::NAME".to_owned());
    }
    Ok((path.into(), name.to_owned()))
}
