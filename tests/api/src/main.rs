//! Compares the public interface of crates with snapshots: `api-snapshots JSON SNAPSHOT [JSON SNAPSHOT]...`
//!
//! JSON is what rustdoc writes of a crate. `ROOTSTOCK_UPDATE=1` writes the snapshots. The last line is 'N passed, M failed'.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs};

use public_api::Builder;

/// The interface, one item a line. What every type has by itself, or by a derive, is left out.
fn interface(json: &str) -> Result<String, String> {
    let api = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| format!("{json}: {error}"))?;
    Ok(api.to_string())
}

/// What is gone, and what is new.
fn difference(old: &str, new: &str) -> Vec<String> {
    let [old, new] = [old, new].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    gone.chain(new.difference(&old).map(|line| format!("+ {line}"))).collect()
}

/// Tells whether the interface is as the snapshot has it.
fn holds(json: &str, snapshot: &str, update: bool) -> Result<bool, String> {
    let found = interface(json)?;
    if update {
        fs::write(snapshot, found).map_err(|error| format!("{snapshot}: {error}"))?;
        return Ok(true);
    }
    let written = fs::read_to_string(snapshot).map_err(|error| format!("{snapshot}: {error}"))?;
    if found == written {
        return Ok(true);
    }
    println!("{snapshot} differs:");
    for line in difference(&written, &found) {
        println!("  {line}");
    }
    Ok(false)
}

fn main() -> ExitCode {
    let update = env::var_os("ROOTSTOCK_UPDATE").is_some_and(|value| value == "1");
    let paths: Vec<String> = env::args().skip(1).collect();
    let (mut passed, mut failed) = (0, 0);
    for pair in paths.chunks(2) {
        let held = match pair {
            [json, snapshot] => holds(json, snapshot, update),
            _ => Err("each JSON has a snapshot".to_owned()),
        };
        match held {
            Ok(true) => passed += 1,
            Ok(false) => failed += 1,
            Err(error) => {
                println!("{error}");
                failed += 1;
            }
        }
    }
    if failed > 0 {
        println!("if the change is meant: ROOTSTOCK_UPDATE=1 tests/api/run");
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
