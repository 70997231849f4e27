//! The examples, run, and what they print.

use std::process::Command;

/// The output of an example that cargo has built beside this test.
#[track_caller]
fn prints(name: &str) -> String {
    let test = std::env::current_exe().expect("this test is a file");
    let built = test.ancestors().nth(2).expect("it is in a folder of cargo's").join("examples");
    let path = built.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "cargo build -p rootstock-host --example {name} makes it");
    let done = Command::new(path).output().expect("it can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn a_program_is_run_and_fails_and_runs_again() {
    let text = prints("embed");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "list: I32(1), 100000 objects");
    assert!(lines[1].starts_with("huge: SIZE_TOO_LARGE: "), "{text}");
    assert_eq!(lines[2..], ["list: I32(1)"]);
}

#[test]
fn values_of_the_host_die_once_each() {
    let lines = "dead: b.txt\nalive: 1\ndead: a.txt\nclean: true\n";
    assert_eq!(prints("wrap_host_values"), lines);
}
