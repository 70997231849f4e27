//! The example, run as its page says.

use std::fs;
use std::path::Path;
use std::process::Command;

use wasmparser::{Parser, Payload, Validator};

/// An example that cargo has built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this test is a file");
    let built = test.ancestors().nth(2).expect("it is in a folder of cargo's").join("examples");
    let path = built.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "cargo build -p rootstock-link --example {name} makes it");
    Command::new(path)
}

#[test]
fn the_example_links_the_program_of_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/merging.md");
    let page = fs::read_to_string(page).expect("the page can be read");
    assert!(page.contains(include_str!("../examples/pair.wat")), "pair.wat is another there");

    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pair.wasm");
    let done = example("link").arg(&output).output().expect("it can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("pair.wasm: ") && said.contains(" of the runtime's "), "{said}");

    let wasm = fs::read(output).expect("it was written");
    Validator::new().validate_all(&wasm).expect("it is valid");
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&wasm) {
        match payload.expect("it can be read") {
            Payload::ImportSection(section) => {
                let all = section.into_imports().map(|import| import.expect("it can be read"));
                imports.extend(all.map(|import| format!("{}.{}", import.module, import.name)));
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|it| it.expect("it can be read").name));
            }
            _ => {}
        }
    }
    assert_eq!(imports, ["host.host_decref_handle"]);
    for name in ["main", "memory", "gc.alloc", "gc.gc_sp"] {
        assert!(exports.contains(&name), "{name} is missing: {exports:?}");
    }
}
