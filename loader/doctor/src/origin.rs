//! The way back from an instrumented module to the one that its author knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use rootstock_host::Frame;
use rootstock_host::{Program, SourceFrames, function_name};
use rootstock_program::locate;
use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::access;
use crate::instrument::Instrumented;
use crate::place::{Body, CodePlace};

/// A program as it was before it was instrumented.
pub(crate) struct Origin {
    name: Arc<str>,
    wasm: Vec<u8>,
    /// Names of functions, by number: from the name section, else from exports.
    names: BTreeMap<u32, String>,
    bodies: Vec<Body>,
    imported: (u32, u32),
}

impl Origin {
    pub(super) fn new(program: &Program, made: &mut Instrumented) -> Self {
        let mut names = program.function_exports().clone();
        for (function, name) in name_section(program.wasm()) {
            names.insert(function, name);
        }
        let mut bodies = std::mem::take(&mut made.bodies);
        for (body, start) in bodies.iter_mut().zip(body_starts(&made.wasm)) {
            body.start = start;
        }
        Self {
            name: program.name().into(),
            wasm: program.wasm().to_vec(),
            names,
            bodies,
            imported: made.imported,
        }
    }

    /// The old place of an instruction of the instrumented module: the number of its function, and its offset.
    fn place(&self, function: u32, offset: Option<usize>) -> (u32, Option<usize>) {
        let (imported, added) = self.imported;
        if function < imported + added {
            return (function, offset);
        }
        let function = function - added;
        let body = self.bodies.get((function - imported) as usize);
        let old = body.and_then(|body| {
            let offset = u32::try_from(offset?).ok()?.checked_sub(body.start)?;
            let at = body.moves.partition_point(|&(now, _)| now <= offset).checked_sub(1)?;
            Some(body.moves[at].1 as usize)
        });
        (function, old)
    }

    /// A frame, with the names and the line that the program has for it.
    pub(crate) fn frame(&self, function: u32, offset: Option<usize>) -> Frame {
        Frame {
            module: self.name.to_string(),
            function: self.names.get(&function).map(|name| function_name(name)),
            index: function,
            offset,
            source: offset.and_then(|offset| locate::line(&self.wasm, offset as u64)),
        }
    }

    /// The frame of an instruction by where it was in the program.
    pub(super) fn frame_at(&self, place: CodePlace) -> Frame {
        self.frame(place.function, Some(place.offset as usize))
    }

    /// The name of the instruction at a place.
    pub(super) fn instruction(&self, place: CodePlace) -> Option<String> {
        let offset = place.offset as usize;
        let reader = wasmparser::BinaryReader::new(self.wasm.get(offset..)?, offset);
        Some(access::text(&wasmparser::OperatorsReader::new(reader).read().ok()?))
    }
}

impl SourceFrames for Origin {
    fn source_frame(&self, function: u32, offset: Option<usize>) -> Frame {
        let (function, offset) = self.place(function, offset);
        self.frame(function, offset)
    }
}

/// Names of functions that a module carries. What cannot be read is left out: names are a help, not a promise.
fn name_section(wasm: &[u8]) -> Vec<(u32, String)> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(Payload::CustomSection(section)) = payload else { continue };
        let KnownCustom::Name(section) = section.as_known() else { continue };
        for subsection in section {
            let Ok(Name::Function(functions)) = subsection else { continue };
            for naming in functions.into_iter().map_while(Result::ok) {
                names.push((naming.index, naming.name.to_owned()));
            }
        }
    }
    names
}

/// The starts of the bodies of functions.
fn body_starts(wasm: &[u8]) -> Vec<u32> {
    let payloads = Parser::new(0).parse_all(wasm).map_while(Result::ok);
    payloads
        .filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body.range().start as u32),
            _ => None,
        })
        .collect()
}
