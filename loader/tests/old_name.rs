//! The command under its old name: it says what it is called now, and does nothing else.

use std::fs;
use std::process::{Command, Output};

fn loader(folder: &std::path::Path, arguments: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_loader");
    Command::new(command).args(arguments).current_dir(folder).output().expect("it can be started")
}

#[test]
fn the_old_name_says_the_new_one_and_does_nothing() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    fs::write(folder.path().join("p.wat"), "(module)").expect("it is writable");
    for (arguments, now) in [
        (&[][..], "rootstock"),
        (&["--help"], "rootstock --help"),
        (&["link", "p.wat", "-o", "out.wasm"], "rootstock link p.wat -o out.wasm"),
        (&["run", "my p.wat", "--invoke", ""], "rootstock run \"my p.wat\" --invoke \"\""),
    ] {
        let done = loader(folder.path(), arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(done.stdout.is_empty(), "{arguments:?}");
        let expected = format!(
            "error: the command `loader` is called `rootstock` now, and nothing was done: {now}\n"
        );
        assert_eq!(String::from_utf8_lossy(&done.stderr), expected);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("it is there").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
