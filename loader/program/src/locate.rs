//! From a place in a module to a line of its source, by the module's DWARF.
//!
//! A `.wat` file gets DWARF when it is assembled, so an error that validation finds in it can name a line, and not only
//! an offset into bytes that the author has never seen.

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian};
use wasmparser::{Parser, Payload};

use crate::text;

/// A fault of a module, and its place: a byte offset into the module.
pub struct Cause {
    /// The fault in words.
    pub message: String,
    /// The byte offset into the module.
    pub offset: Option<u64>,
}

impl Cause {
    /// A cause in words, at an offset if that is known.
    pub fn new(message: impl Into<String>, offset: Option<u64>) -> Self {
        Self { message: message.into(), offset }
    }
}

impl From<&wasmparser::BinaryReaderError> for Cause {
    fn from(error: &wasmparser::BinaryReaderError) -> Self {
        Self::new(error.message(), Some(error.offset() as u64))
    }
}

/// The cause, with the line of the source where that is known, else with the offset.
pub fn in_source(wasm: &[u8], cause: Cause) -> String {
    let Cause { message, offset } = cause;
    // It may hold names out of the module.
    let message = text::shown(&message);
    let Some(offset) = offset else { return format!("not a valid module: {message}") };
    match line(wasm, offset) {
        Some(place) => format!("not a valid module: {message} (at {place})"),
        None => format!("not a valid module: {message} (at offset {offset:#x})"),
    }
}

/// The file, line and column of the source for an offset into the module, if its DWARF says so.
pub fn line(wasm: &[u8], offset: u64) -> Option<String> {
    let mut code = None;
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::CodeSectionStart { range, .. } => code = Some(range.start as u64),
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                sections.push((section.name(), section.data()));
            }
            _ => {}
        }
    }
    let load = |id: addr2line::gimli::SectionId| -> Result<_, addr2line::gimli::Error> {
        let data =
            sections.iter().find(|(name, _)| *name == id.name()).map_or(&[][..], |(_, data)| data);
        Ok(EndianSlice::new(data, LittleEndian))
    };
    let dwarf = Dwarf::load(load).ok()?;
    let context = addr2line::Context::from_dwarf(dwarf).ok()?;
    // Addresses of DWARF in wasm count from the beginning of the code section.
    let place = context.find_location(offset.checked_sub(code?)?).ok()??;
    Some(text::place(place.file?, place.line?, place.column))
}
