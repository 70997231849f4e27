//! The programs and commands on the pages for users: each is run, and must print what the page says. `common/console.rs` says
//! how a page is written.

mod common;
#[path = "common/console.rs"]
mod console;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use common::left_out;
use console::{Part, Session, agree, parts};
use rootstock_host::RUNTIME_WASM;

/// Runs all that a page has, in a folder with the runtime and the JavaScript module; how many commands there were.
fn check(page: &str) -> usize {
    let name = page.replace(['/', '.'], "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).expect("the folder for temporary files is writable");
    let js = root().join("js");
    for file in fs::read_dir(js.join("src")).expect("js/src is there") {
        let file = file.expect("js/src can be read").path();
        let name = file.file_name().expect("it has a name");
        fs::copy(&file, folder.join("src").join(name)).expect("it can be copied");
    }
    fs::copy(js.join("rootstock.js"), folder.join("rootstock.js")).expect("it is there");
    let session = Session { folder, path: &path_with_tools(), has_codes: false };
    session.write("runtime.wasm", RUNTIME_WASM);
    session.check(&root().join(page))
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

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the command is a member of a workspace")
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
        examples.extend(parts(&text).iter().filter_map(|part| match part {
            Part::Code(block) => Some((page.to_owned(), block.text())),
            Part::Line(_) => None,
        }));
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

/// Links between pages, and to files: each leads to something.
#[test]
fn links_lead_to_what_is_there() {
    let mut pages = Vec::new();
    for folder in [
        ".",
        "docs",
        "js",
        "bench/results",
        "tests",
        "tests/clients/vera",
        "tests/clients/assemblyscript",
    ] {
        for file in fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = file.expect("it can be read").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let (mut links, mut broken) = (0, Vec::new());
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page is text");
        let blocks = parts(&text);
        let lines = blocks.iter().filter_map(|part| match part {
            Part::Line(line) => Some(*line),
            Part::Code(_) => None,
        });
        let prose = lines.collect::<Vec<_>>().join("\n");
        for (_, rest) in prose.match_indices("](").map(|(at, sign)| prose.split_at(at + sign.len()))
        {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                links += 1;
                if !page.parent().expect("it is in a folder").join(target).exists() {
                    broken.push(format!("{}: {target}", page.display()));
                }
            }
        }
    }
    assert!(broken.is_empty() && links > 50, "{links} links, of which broken: {broken:#?}");
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
