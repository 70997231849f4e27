//! Pages that hold commands and what they print: each command is run, and must print what its page says.
//!
//! A block of code that is marked `file=NAME` is written to a file; one in the language `hex` holds the bytes of the file. A
//! block marked `console` holds commands behind `$ `, and behind each what it prints, standard output first: `...` in a line
//! stands for any text, and a line of `...` for any lines. A line `? 2` at the end is the exit code, where it is not 0.
//!
//! `ROOTSTOCK_UPDATE=1` writes to the page what is printed now, where the two do not agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::common::left_out;

/// A fenced block of code.
pub(crate) struct Block<'a> {
    /// The text behind the fence: the language, and attributes.
    pub(crate) info: &'a str,
    /// Its lines.
    pub(crate) lines: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn language(&self) -> &'a str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    fn file(&self) -> Option<&'a str> {
        self.attribute("file=")
    }

    /// The tool that its commands need beside those that every test needs.
    fn needs(&self) -> Option<&'a str> {
        self.attribute("needs=")
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix(name))
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The content of the file of this block.
    fn contents(&self) -> Vec<u8> {
        if self.language() != "hex" {
            return self.text().into_bytes();
        }
        let bytes = self.lines.iter().flat_map(|line| line.split_whitespace());
        bytes.map(|byte| u8::from_str_radix(byte, 16).expect("a byte in hexadecimal")).collect()
    }
}

/// A page in parts.
pub(crate) enum Part<'a> {
    /// A line of prose.
    Line(&'a str),
    /// A block of code, without its fences.
    Code(Block<'a>),
}

pub(crate) fn parts(page: &str) -> Vec<Part<'_>> {
    let mut lines = page.lines();
    let mut parts = Vec::new();
    while let Some(line) = lines.next() {
        parts.push(match line.strip_prefix("```") {
            Some(info) => {
                let lines = lines.by_ref().take_while(|line| *line != "```").collect();
                Part::Code(Block { info, lines })
            }
            None => Part::Line(line),
        });
    }
    parts
}

/// How the commands of a page are run.
pub(crate) struct Session<'a> {
    /// The folder in which they run.
    pub(crate) folder: PathBuf,
    /// Where commands are found.
    pub(crate) path: &'a str,
    /// True if each exit code but 0 has to stand in the page.
    pub(crate) has_codes: bool,
}

impl Session<'_> {
    /// Runs all that a page has; how many commands there were.
    pub(crate) fn check(&self, page: &Path) -> usize {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a page has a name");
        let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{name}: {error}"));
        let update = std::env::var_os("ROOTSTOCK_UPDATE").is_some_and(|value| value == "1");
        let (mut fresh, mut commands) = (String::new(), 0);
        for part in parts(&text) {
            let block = match part {
                Part::Line(line) => {
                    fresh.push_str(&format!("{line}\n"));
                    continue;
                }
                Part::Code(block) => block,
            };
            fresh.push_str(&format!("```{}\n", block.info));
            if let Some(file) = block.file() {
                self.add(file, &block.contents());
            }
            if block.language() == "console" && self.has(block.needs(), name) {
                let (head, sessions) = sessions(&block.lines);
                fresh.extend(head.iter().map(|line| format!("{line}\n")));
                for (command, expected) in sessions {
                    let printed = self.run(command);
                    let found: Vec<&str> = printed.lines().collect();
                    let agreed = agree(expected, &found);
                    assert!(agreed || update, "{name}: `{command}` prints\n{printed}");
                    let shown = if agreed { expected } else { &found };
                    fresh.push_str(&format!("$ {command}\n"));
                    fresh.extend(shown.iter().map(|line| format!("{line}\n")));
                    commands += 1;
                }
            } else {
                fresh.push_str(&block.text());
            }
            fresh.push_str("```\n");
        }
        if update && fresh != text {
            fs::write(page, fresh).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        commands
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::write(path, contents).expect("the folder for temporary files is writable");
    }

    /// Writes a file of the page; wasm text of a guide also as the module that other tools would make of it.
    fn add(&self, name: &str, contents: &[u8]) {
        self.write(name, contents);
        if let (Some(stem), false) = (name.strip_suffix(".wat"), self.has_codes) {
            let program = rootstock_host::Program::from_bytes(name, contents);
            let program = program.unwrap_or_else(|error| panic!("{error}"));
            self.write(&format!("{stem}.wasm"), program.wasm());
        }
    }

    fn has(&self, tool: Option<&str>, page: &str) -> bool {
        let Some(tool) = tool else { return true };
        let found = std::env::split_paths(self.path).any(|folder| folder.join(tool).is_file());
        if !found {
            left_out(&format!("commands of {page} that need {tool}, which is not installed"));
        }
        found
    }

    /// What a command prints, on both outputs, and its exit code.
    fn run(&self, command: &str) -> String {
        let plain = command.strip_prefix("cargo run --release -p rootstock -- ");
        let plain = plain.map_or_else(|| command.to_owned(), |rest| format!("rootstock {rest}"));
        let mut words = plain.split_whitespace();
        let program = words.next().expect("a command has a name");
        let is_ours = program == "rootstock";
        let program = if is_ours { env!("CARGO_BIN_EXE_rootstock") } else { program };
        let mut start = Command::new(program);
        start.args(words).current_dir(&self.folder).env("PATH", self.path);
        if is_ours {
            // a panic would print one, and that must be seen here
            start.env("RUST_BACKTRACE", "1");
        }
        let output = start.output();
        let output =
            output.unwrap_or_else(|error| panic!("`{command}` cannot be started: {error}"));
        if is_ours {
            well_behaved(command, &output);
        }
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => {}
            code if self.has_codes => {
                text.push_str(&format!(
                    "? {}\n",
                    code.map_or("none".to_owned(), |code| code.to_string())
                ));
            }
            _ => {}
        }
        text
    }
}

/// A command neither panics nor prints a backtrace of its own; bad input gives one error, and nothing else.
fn well_behaved(command: &str, output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    for wrong in ["panicked", "stack backtrace:", "RUST_BACKTRACE", "core::", "/rustc/"] {
        assert!(!errors.contains(wrong), "`{command}` says {wrong}:\n{errors}");
    }
    if output.status.code() == Some(2) {
        assert!(errors.starts_with("error: "), "`{command}` says:\n{errors}");
        assert_eq!(errors.matches("error: ").count(), 1, "`{command}` says twice:\n{errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "`{command}` prints");
    }
}

/// The lines before the first command, and the commands, each with what it should print.
fn sessions<'a>(lines: &'a [&'a str]) -> (&'a [&'a str], Vec<(&'a str, &'a [&'a str])>) {
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("$ ")).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let sessions = starts.iter().zip(ends);
    let sessions = sessions.map(|(&start, end)| (&lines[start][2..], &lines[start + 1..end]));
    (&lines[..starts.first().copied().unwrap_or(lines.len())], sessions.collect())
}

/// Tells whether lines are as expected, where `...` stands for anything.
pub(crate) fn agree(expected: &[&str], found: &[&str]) -> bool {
    match (expected, found) {
        ([], []) => true,
        (["...", rest @ ..], _) => (0..=found.len()).any(|skipped| agree(rest, &found[skipped..])),
        ([line, expected @ ..], [other, found @ ..]) => {
            line_agrees(line, other) && agree(expected, found)
        }
        _ => false,
    }
}

fn line_agrees(expected: &str, found: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|first| found.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}
