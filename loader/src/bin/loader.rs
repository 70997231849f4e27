//! The old name of the command: it says the new one, and does nothing else.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// As for any argument that cannot be used.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Where standard error is closed there is only the exit code left to say it.
    let _ = io::stderr().write_all(answer(&line).as_bytes());
    ExitCode::from(BAD_INPUT)
}

/// The command line as it is now. Its words are quoted as Rust writes them where they are more than names and numbers.
fn answer(line: &[OsString]) -> String {
    let mut now = "rootstock".to_owned();
    for word in line {
        let shown = word.to_string_lossy();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:@%+".contains(c);
        if !shown.is_empty() && shown.chars().all(is_plain) {
            now += &format!(" {shown}");
        } else {
            now += &format!(" {shown:?}");
        }
    }
    format!("error: the command `loader` is called `rootstock` now, and nothing was done: {now}\n")
}
