//! The command `rootstock` from outside, as pages of commands and what they print: `commands/*.md`.
//!
//! `common/console.rs` says how a page is written, and what holds of every command. `ROOTSTOCK_UPDATE=1 cargo test -p rootstock
//! --test commands` writes what the commands print now; what differs from run to run becomes `...` by hand.

mod common;
#[path = "common/console.rs"]
mod console;

use std::fs;
use std::path::Path;

use console::Session;

/// Runs a page in a folder of its own, which has the programs of tests/guests.
#[track_caller]
fn check(page: &str, at_least: usize) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands").join(page);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("guests")).expect("the folder for temporary files is writable");
    for guest in fs::read_dir(here.join("../tests/guests")).expect("the programs are there") {
        let guest = guest.expect("the folder can be read");
        fs::copy(guest.path(), folder.join("guests").join(guest.file_name()))
            .expect("it can be copied");
    }
    let session = Session { folder, path: "", has_codes: true };
    let commands = session.check(&here.join("tests/commands").join(page));
    assert!(commands >= at_least, "{page} has {commands} commands");
}

#[test]
fn files_that_are_refused() {
    check("refused-files.md", 23);
}

#[test]
fn command_lines_that_are_refused() {
    check("refused-lines.md", 18);
}

#[test]
fn programs_that_run() {
    check("running.md", 6);
}

#[test]
fn programs_that_fail() {
    check("failing.md", 3);
}

/// Whatever the parser of options takes for one.
#[test]
fn negative_numbers_in_any_spelling_are_arguments() {
    check("numbers.md", 19);
}
