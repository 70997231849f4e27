//! The component in node, where npm's `jco` is installed: `npm install --prefix target/tools @bytecodealliance/jco`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build;
use crate::common::left_out;

fn jco() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let installed = root.join("target/tools/node_modules/.bin/jco");
    installed.is_file().then_some(installed)
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn jco_runs_the_component_in_node() {
    let Some(jco) = jco() else {
        left_out("components in node, as jco is not installed in target/tools");
        return;
    };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/component");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-node");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let file = folder.join("words.component.wasm");
    fs::write(&file, &build::all()[0]).expect("the component can be written");
    fs::copy(sources.join("things.js"), folder.join("things.js")).expect("it can be copied");
    // what jco writes is a module of JavaScript, whatever its name says
    fs::write(folder.join("package.json"), r#"{ "type": "module" }"#).expect("it can be written");
    run(Command::new(&jco)
        .arg("transpile")
        .arg(&file)
        .args(["--name", "words", "--map", "demo:words/things=./things.js", "-o"])
        .arg(&folder));
    let printed = run(Command::new("node").arg(sources.join("host.mjs")).arg(&folder));
    assert_eq!(printed, "ok\n");
}
