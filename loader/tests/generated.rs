//! The files that the command makes of its own description: completions and manual pages.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn rootstock(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rootstock")).args(args).output().expect("the command runs")
}

/// The subcommands that the help names.
fn subcommands() -> Vec<String> {
    let help = String::from_utf8(rootstock(&["--help"]).stdout).expect("text");
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty());
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn each_shell_gets_a_script_with_all_subcommands() {
    let subcommands = subcommands();
    assert!(subcommands.len() > 8, "{subcommands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = rootstock(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).expect("text");
        for name in &subcommands {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let output = rootstock(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn each_subcommand_has_a_page() {
    let folder = TempDir::new().expect("a folder");
    let pages = folder.path().join("man");
    let output = rootstock(&["man", pages.to_str().expect("text")]);
    assert!(output.status.success());
    let listed = String::from_utf8(output.stdout).expect("text");
    let names = subcommands().into_iter().map(|name| format!("rootstock-{name}"));
    for name in names.chain(["rootstock".to_owned()]) {
        let path = pages.join(format!("{name}.1"));
        assert!(listed.lines().any(|line| line == path.to_str().expect("text")), "{name}");
        let text = fs::read_to_string(&path).expect("a page");
        assert!(text.contains(&format!(".TH {name} 1")), "{name}");
    }
    // A folder that cannot be made is bad input.
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let output = rootstock(&["man", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("file"));
}
