//! The programs and commands on the pages for users: each is run, and must print what the page says.
//!
//! A block of code that is marked `file=NAME` is written to a file. A block marked `console` holds commands behind `$ `,
//! and behind each what it prints: `...` in a line stands for any text, and a line of `...` for any lines.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use common::left_out;
use rootstock_host::{Program, RUNTIME_WASM};

/// A fenced block of code.
struct Block<'a> {
    /// What stands behind the fence: the language, and attributes.
    info: &'a str,
    text: &'a str,
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
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut parts = page.split("```").skip(1);
    let mut blocks = Vec::new();
    while let Some(block) = parts.next() {
        let (info, text) = block.split_once('\n').expect("a fence stands on a line of its own");
        blocks.push(Block { info, text });
        parts.next();
    }
    blocks
}

/// The folder in which a page's commands run, with what they find there.
struct Folder(PathBuf);

impl Folder {
    fn new(page: &str) -> Self {
        let name = page.replace(['/', '.'], "-");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("src")).expect("the folder for temporary files is writable");
        let folder = Self(path);
        folder.write("runtime.wasm", RUNTIME_WASM);
        let js = root().join("js");
        for file in fs::read_dir(js.join("src")).expect("js/src is there") {
            let file = file.expect("js/src can be read").path();
            let name = file.file_name().expect("it has a name");
            fs::copy(&file, folder.0.join("src").join(name)).expect("it can be copied");
        }
        fs::copy(js.join("rootstock.js"), folder.0.join("rootstock.js")).expect("it is there");
        folder
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), contents).expect("the folder for temporary files is writable");
    }

    /// Writes a file of the page; wasm text also as the module that other tools would make of it.
    fn add(&self, block: &Block<'_>) {
        let Some(name) = block.file() else { return };
        self.write(name, block.text);
        if let Some(stem) = name.strip_suffix(".wat") {
            let program = Program::from_bytes(name, block.text.as_bytes());
            let program = program.unwrap_or_else(|error| panic!("{error}"));
            self.write(&format!("{stem}.wasm"), program.wasm());
        }
    }

    /// What a command prints, on both outputs.
    fn run(&self, command: &str) -> String {
        let command = command
            .strip_prefix("cargo run --release -p rootstock -- ")
            .map_or_else(|| command.to_owned(), |arguments| format!("rootstock {arguments}"));
        let mut words = command.split_whitespace();
        let program = match words.next() {
            Some("rootstock") => env!("CARGO_BIN_EXE_rootstock"),
            Some(other) => other,
            None => panic!("an empty command"),
        };
        let output = Command::new(program)
            .args(words)
            .current_dir(&self.0)
            .env("PATH", path_with_tools())
            .output()
            .unwrap_or_else(|error| panic!("`{command}` cannot be started: {error}"));
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        text
    }
}

/// Where commands are found: first of all the linker that comes with Rust, and the tools that npm installs for the tests.
fn path_with_tools() -> String {
    let print = |what: &str| {
        let output = Command::new("rustc").args(["--print", what]).output().expect("rustc runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let path = env::var("PATH").expect("there is a path");
    let (sysroot, host) = (print("sysroot"), print("host-tuple"));
    format!("{sysroot}/lib/rustlib/{host}/bin/gcc-ld:{}:{path}", tools().display())
}

/// The folder of what npm installs for the tests.
fn tools() -> PathBuf {
    root().join("target/tools/node_modules/.bin")
}

fn is_installed(tool: &str) -> bool {
    env::split_paths(&path_with_tools()).any(|folder| folder.join(tool).is_file())
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the command is a member of a workspace")
}

/// Whether lines are as expected, where `...` stands for anything.
fn agree(expected: &[&str], found: &[&str]) -> bool {
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

/// Runs all that a page has; how many commands there were.
fn check(page: &str) -> usize {
    let text =
        fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let folder = Folder::new(page);
    let mut commands = 0;
    for block in blocks(&text) {
        folder.add(&block);
        if block.language() != "console" {
            continue;
        }
        if let Some(tool) = block.needs().filter(|tool| !is_installed(tool)) {
            left_out(&format!("commands of {page} that need {tool}, which is not installed"));
            continue;
        }
        for session in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (command, expected) = session.split_once('\n').unwrap_or((session, ""));
            let printed = folder.run(command);
            let expected: Vec<&str> = expected.lines().collect();
            let found: Vec<&str> = printed.lines().collect();
            assert!(agree(&expected, &found), "{page}: `{command}` prints\n{printed}");
            commands += 1;
        }
    }
    commands
}

#[test]
fn the_readme() {
    assert!(check("README.md") >= 1);
}

#[test]
fn the_guide_for_compiler_authors() {
    assert!(check("docs/linking.md") >= 10);
}

#[test]
fn the_guide_to_merging() {
    assert!(check("docs/merging.md") >= 6);
}

#[test]
fn the_guide_to_object_files() {
    if Command::new("clang").arg("--version").output().is_err() {
        left_out("the commands of docs/object-linking.md, as clang is not installed");
        return;
    }
    assert!(check("docs/object-linking.md") >= 10);
}

/// A handle may look like an address, so examples make wrappers of objects that are not scanned.
#[test]
fn wrappers_are_made_with_alloc_atomic_in_every_example() {
    let mut examples = Vec::new();
    for page in [
        "README.md",
        "js/README.md",
        "docs/linking.md",
        "docs/merging.md",
        "docs/object-linking.md",
    ] {
        let text = fs::read_to_string(root().join(page)).expect("the page is there");
        examples.extend(blocks(&text).iter().map(|block| (page.to_owned(), block.text.to_owned())));
    }
    for folder in ["tests/guests", "tests/link"] {
        for file in fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = file.expect("it can be read").path();
            let text = fs::read_to_string(&path).expect("it is text");
            examples.push((path.display().to_string(), text));
        }
    }
    let wrapping: Vec<_> = examples
        .iter()
        .filter(|(_, text)| ["register_wrapper", ".wrap("].iter().any(|call| text.contains(call)))
        .collect();
    assert!(wrapping.len() >= 7, "{}", wrapping.len());
    for (place, text) in wrapping {
        let is_atomic = text.contains("alloc_atomic") || text.contains("allocAtomic");
        assert!(is_atomic, "{place}: a wrapper that is made with alloc");
    }
}

#[test]
fn the_page_on_false_retention() {
    assert!(check("docs/false-retention.md") >= 5);
}

#[test]
fn the_recipes() {
    assert!(check("docs/recipes.md") >= 8);
}

#[test]
fn the_guide_to_components() {
    check("docs/components.md");
}

#[test]
fn what_differs_is_seen() {
    assert!(agree(&["a", "b"], &["a", "b"]));
    assert!(agree(&["a...c", "...", "d"], &["a and c", "x", "y", "d"]));
    assert!(agree(&["..."], &[]));
    assert!(!agree(&["a"], &["a", "b"]));
    assert!(!agree(&["a", "b"], &["a"]));
    assert!(!agree(&["a...c"], &["a and d"]));
    assert!(!agree(&["a"], &["ab"]));
    assert!(!agree(&["...", "d"], &["d", "e"]));
}
