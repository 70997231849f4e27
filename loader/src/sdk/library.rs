//! The static library, with a panic handler that gives way.
//!
//! Rust has no stable way to make a symbol weak, and each program has one panic handler. That of the runtime, which is
//! a program to rustc, would clash with that of the standard library, or of a program without. One bit in the object
//! file says that a symbol is weak: it is there if nobody else has it.

use std::ops::Range;

use wasmparser::{BinaryReaderError, KnownCustom, Linking, Parser, Payload, SymbolInfo};

/// What the name of the panic handler ends with: the rest is mangled.
const PANIC_HANDLER: &str = "rust_begin_unwind";

/// The flag of a weak symbol; flags follow the kind of the symbol, which is one byte.
const WEAK: u8 = 1;

/// The library with a weak panic handler.
pub(super) fn with_weak_panic_handler(library: &[u8]) -> Vec<u8> {
    let mut weakened = library.to_vec();
    for member in members(library) {
        // An index of the symbols is no object file.
        let Ok(places) = handlers(&library[member.clone()]) else { continue };
        for flags in places {
            weakened[member.start + flags] |= WEAK;
        }
    }
    weakened
}

/// The files in an archive: behind a magic word, each behind a header of 60 bytes, on even offsets.
pub(super) fn members(archive: &[u8]) -> impl Iterator<Item = Range<usize>> {
    const MAGIC: usize = 8;
    const HEADER: usize = 60;
    const SIZE: Range<usize> = 48..58;
    let mut at = MAGIC;
    std::iter::from_fn(move || {
        let header = archive.get(at..at + HEADER)?;
        let size: usize = str::from_utf8(&header[SIZE]).ok()?.trim().parse().ok()?;
        let member = at + HEADER..at + HEADER + size;
        at = member.end.next_multiple_of(2);
        (member.end <= archive.len()).then_some(member)
    })
}

/// Where in an object file the flags of a defined panic handler are.
fn handlers(object: &[u8]) -> Result<Vec<usize>, BinaryReaderError> {
    let mut places = Vec::new();
    for payload in Parser::new(0).parse_all(object) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Linking(subsections) = section.as_known() else { continue };
        for subsection in subsections {
            let Linking::SymbolTable(symbols) = subsection? else { continue };
            for symbol in symbols.into_iter_with_offsets() {
                let (offset, symbol) = symbol?;
                if let SymbolInfo::Func { flags, name: Some(name), .. } = symbol
                    && name.ends_with(PANIC_HANDLER)
                    && !flags.contains(wasmparser::SymbolFlags::UNDEFINED)
                {
                    places.push(offset + 1);
                }
            }
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RUNTIME_LIBRARY;

    #[test]
    fn the_library_has_one_panic_handler_and_one_bit_of_it_changes() {
        let weakened = with_weak_panic_handler(RUNTIME_LIBRARY);
        assert_eq!(weakened.len(), RUNTIME_LIBRARY.len());
        let changed: Vec<(u8, u8)> = RUNTIME_LIBRARY
            .iter()
            .zip(&weakened)
            .filter(|(old, new)| old != new)
            .map(|(old, new)| (*old, *new))
            .collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].0 ^ changed[0].1, WEAK);
        assert_eq!(with_weak_panic_handler(&weakened), weakened);
    }

    #[test]
    fn what_is_no_archive_stays_as_it_is() {
        for bytes in [&b""[..], b"!<arch>\n", b"!<arch>\nshort", &RUNTIME_LIBRARY[..1000]] {
            assert_eq!(with_weak_panic_handler(bytes), bytes);
        }
    }
}
