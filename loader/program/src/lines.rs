//! The DWARF of a module that was text.

use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Encoding, Parser, Payload};

use crate::address::Shifted;
use crate::dwarf::{self, Moved};

/// The module with addresses that count from the beginning of the code section. Those that `wat` writes count from behind
/// the number of functions, and so each row has the address of the byte before its instruction: whoever looks for an
/// instruction of one byte finds the next.
///
/// A module whose DWARF is not as expected stays as it is.
pub(crate) fn corrected(wasm: Vec<u8>) -> Vec<u8> {
    with_moved_lines(&wasm).unwrap_or(wasm)
}

fn with_moved_lines(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut module = Module::new();
    let mut lines = Vec::new();
    let mut code = None;
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => return None,
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                lines.push((section.name(), section.data()));
            }
            _ => {
                match &payload {
                    Payload::CodeSectionStart { count, range, .. } => {
                        code = Some((*count, range.start));
                    }
                    Payload::CodeSectionEntry(body) => {
                        functions.push((body.range().start - code?.1) as u64);
                    }
                    _ => {}
                }
                if let Some((id, range)) = payload.as_section() {
                    module.section(&RawSection { id, data: wasm.get(range)? });
                }
            }
        }
    }
    let section = |name: &str| lines.iter().find(|found| found.0 == name).map(|found| found.1);
    section(".debug_line")?;
    let by = 1 + u64::from(code?.0.max(1).ilog2() / 7);
    let addresses = Shifted { by, functions };
    let moved = Moved { file: "", section: &section, addresses: &addresses, global: &Some };
    for CustomSection { name, data } in dwarf::convert(&[moved]).ok()? {
        module.section(&CustomSection { name, data });
    }
    Some(module.finish())
}
