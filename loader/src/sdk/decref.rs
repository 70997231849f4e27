//! The static library, with a name for its import.
//!
//! Rust mangles the symbols of functions that it imports from a module with a name, so a program in C could never define
//! the function that the runtime notifies. In an object file an imported function has two names: that of the import, for
//! the host, and that of the symbol, for the linker. The second one becomes [`NAME`] here: the function stays an import
//! unless the program defines one of that name. No byte of the file moves to another section: the room that the shorter
//! name leaves is taken by a part of the linking section that linkers know nothing of, and pass over.

use wasmparser::{
    BinaryReaderError, KnownCustom, Linking, Parser, Payload, SymbolFlags, SymbolInfo,
};

use super::library;

/// The symbol that a program defines where it wants to be notified itself.
pub(super) const NAME: &str = "host_decref_handle";

/// The kind of a part of the linking section that no linker knows.
const FILLER: u8 = 0x7f;

/// The library, in which the imported function has its plain name.
pub(super) fn with_plain_name(mut library: Vec<u8>) -> Vec<u8> {
    let members: Vec<_> = library::members(&library).collect();
    for member in members {
        // An index of the symbols is no object file.
        if let Ok(Some(symbol)) = mangled(&library[member.clone()]) {
            symbol.rename(&mut library[member]);
        }
    }
    library
}

/// The imported function's symbol, by offsets into the object file.
#[derive(Debug, PartialEq, Eq)]
struct Mangled {
    /// Where the table of symbols begins, behind its kind and size.
    table: usize,
    /// Where it ends.
    end: usize,
    /// Where the name begins, behind its length.
    name: usize,
    length: usize,
}

/// Looks for the symbol of the import, if it has another name than the plain one.
fn mangled(object: &[u8]) -> Result<Option<Mangled>, BinaryReaderError> {
    for payload in Parser::new(0).parse_all(object) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Linking(parts) = section.as_known() else { continue };
        for part in parts {
            let Linking::SymbolTable(symbols) = part? else { continue };
            let table = symbols.range();
            let mut entries = symbols.into_iter_with_offsets().peekable();
            while let Some(entry) = entries.next() {
                let SymbolInfo::Func { flags, name: Some(name), .. } = entry?.1 else { continue };
                let is_ours = name != NAME && name.contains(NAME);
                if !is_ours || !flags.contains(SymbolFlags::UNDEFINED) {
                    continue;
                }
                let end = match entries.peek() {
                    Some(Ok((offset, _))) => *offset,
                    _ => table.end,
                };
                let (start, length) = (end - name.len(), name.len());
                return Ok(Some(Mangled {
                    table: table.start,
                    end: table.end,
                    name: start,
                    length,
                }));
            }
        }
    }
    Ok(None)
}

impl Mangled {
    /// Shortens the name, where the filler has room for its own two bytes, and sizes are single ones.
    fn rename(&self, object: &mut [u8]) {
        let Some(left) = self.length.checked_sub(NAME.len()) else { return };
        let (Ok(size), true) = (u8::try_from(left.saturating_sub(2)), left >= 2) else { return };
        if size >= 0x80 || self.length >= 0x80 {
            return;
        }
        let length = NAME.len();
        object[self.name - 1] = u8::try_from(length).expect("the name is short");
        object[self.name..self.name + length].copy_from_slice(NAME.as_bytes());
        object.copy_within(self.name + self.length..self.end, self.name + length);
        let filler = self.end - left;
        object[filler..self.end].fill(0);
        object[filler] = FILLER;
        object[filler + 1] = size;
        shorten(&mut object[..self.table], self.end - self.table - left);
    }
}

/// Writes another size over the one that these bytes end with, in as many bytes.
fn shorten(bytes: &mut [u8], mut size: usize) {
    let last = bytes.len() - 1;
    let mut first = last;
    // Only the last byte of a number has its highest bit clear.
    while bytes[first - 1] >= 0x80 {
        first -= 1;
    }
    for byte in &mut bytes[first..] {
        *byte = (size & 0x7f) as u8 | 0x80;
        size >>= 7;
    }
    bytes[last] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RUNTIME_LIBRARY;

    #[test]
    fn the_import_gets_its_plain_name_and_nothing_else_moves() {
        let plain = with_plain_name(RUNTIME_LIBRARY.to_vec());
        assert_eq!(plain.len(), RUNTIME_LIBRARY.len());
        assert_ne!(plain, RUNTIME_LIBRARY);
        let named = |library: &[u8]| -> Vec<(String, Vec<String>)> {
            let members = library::members(library).map(|member| &library[member]);
            members.filter_map(|object| symbols(object).ok()).collect()
        };
        let (before, after) = (named(RUNTIME_LIBRARY), named(&plain));
        let mut changed = 0;
        assert_eq!(before.len(), after.len());
        for ((bytes, old), (others, new)) in before.iter().zip(&after) {
            assert_eq!(bytes, others, "other sections stay as they are");
            assert_eq!(old.len(), new.len());
            for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                assert!(old.contains(NAME), "{old}");
                assert_eq!(new, NAME);
                changed += 1;
            }
        }
        assert!(changed >= 1);
        assert_eq!(with_plain_name(plain.clone()), plain, "once is enough");
    }

    /// A digest of the other sections, and the names of the symbols.
    fn symbols(object: &[u8]) -> Result<(String, Vec<String>), BinaryReaderError> {
        let (mut others, mut names) = (String::new(), Vec::new());
        for payload in Parser::new(0).parse_all(object) {
            let payload = payload?;
            let KnownCustom::Linking(parts) = (match &payload {
                Payload::CustomSection(section) => section.as_known(),
                _ => KnownCustom::Unknown,
            }) else {
                others += &format!("{payload:?}\n");
                continue;
            };
            for part in parts {
                let Linking::SymbolTable(symbols) = part? else { continue };
                for symbol in symbols {
                    let (SymbolInfo::Func { name, .. } | SymbolInfo::Global { name, .. }) = symbol?
                    else {
                        continue;
                    };
                    names.push(name.unwrap_or_default().to_owned());
                }
            }
        }
        Ok((others, names))
    }
}
