//! The symbol table of an object file, and changes of it.
//!
//! A linker's knowledge of functions by name stands in a custom section of the object file; code refers to a symbol by its
//! number there. So a symbol can be renamed, made weak, or given a second name without a look at the code.
//! (Format: the tool conventions' "WebAssembly Object File Linking".)

use std::ops::Range;

use wasm_encoder::Encode;
use wasmparser::{BinaryReader, BinaryReaderError};

/// The flags of a symbol that this crate knows.
const WEAK: u32 = 1;
const UNDEFINED: u32 = 0x10;
const EXPLICIT_NAME: u32 = 0x40;

/// A symbol: its place in the table is its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    flags: u32,
    /// Empty if the file leaves the name to an import.
    pub(super) name: String,
    target: Target,
}

/// The thing that a symbol stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A function, a global, a tag or a table: the kind, and its number among those.
    Item(u8, u32),
    /// Data: segment, offset and size, if they are in this file.
    Data(Option<[u32; 3]>),
    /// A section of the file.
    Section(u32),
}

const FUNCTION: u8 = 0;
const DATA: u8 = 1;
const SECTION: u8 = 3;

impl Symbol {
    /// Tells whether it is a function with code in this file.
    pub(super) fn is_defined_function(&self) -> bool {
        matches!(self.target, Target::Item(FUNCTION, _)) && self.flags & UNDEFINED == 0
    }

    /// Makes a definition give way to another file's; a reference then brings no file along.
    pub(super) fn weaken(&mut self) {
        self.flags |= WEAK;
    }

    /// Makes a reference bring the file along that has the definition.
    pub(super) fn strengthen(&mut self) {
        self.flags &= !WEAK;
    }

    /// The other symbol stands for the same function from now on as this one.
    pub(super) fn points_to(&mut self, other: &Self) {
        self.target = other.target.clone();
    }

    fn read(reader: &mut BinaryReader<'_>) -> Result<Self, BinaryReaderError> {
        let kind = reader.read_u8()?;
        let flags = reader.read_var_u32()?;
        let mut name = String::new();
        let target = match kind {
            DATA => {
                name = reader.read_string()?.to_owned();
                let mut number = || reader.read_var_u32();
                let defined = flags & UNDEFINED == 0;
                Target::Data(if defined { Some([number()?, number()?, number()?]) } else { None })
            }
            SECTION => Target::Section(reader.read_var_u32()?),
            _ => {
                let index = reader.read_var_u32()?;
                if flags & UNDEFINED == 0 || flags & EXPLICIT_NAME != 0 {
                    name = reader.read_string()?.to_owned();
                }
                Target::Item(kind, index)
            }
        };
        Ok(Self { flags, name, target })
    }

    fn write(&self, sink: &mut Vec<u8>) {
        let kind = match self.target {
            Target::Item(kind, _) => kind,
            Target::Data(_) => DATA,
            Target::Section(_) => SECTION,
        };
        sink.push(kind);
        self.flags.encode(sink);
        match &self.target {
            Target::Item(_, index) => {
                index.encode(sink);
                if self.flags & UNDEFINED == 0 || self.flags & EXPLICIT_NAME != 0 {
                    self.name.as_str().encode(sink);
                }
            }
            Target::Data(place) => {
                self.name.as_str().encode(sink);
                place.iter().flatten().for_each(|number| number.encode(sink));
            }
            Target::Section(section) => section.encode(sink),
        }
    }
}

/// The object file with other symbols, or `None` if `change` changes none. Symbols may be added at the end.
pub(super) fn edit(
    object: &[u8],
    change: impl FnOnce(&mut Vec<Symbol>),
) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    let Some(place) = find(object)? else { return Ok(None) };
    let old = read(&object[place.table.clone()])?;
    let mut symbols = old.clone();
    change(&mut symbols);
    if symbols == old {
        return Ok(None);
    }
    let mut table = Vec::new();
    (symbols.len() as u32).encode(&mut table);
    symbols.iter().for_each(|symbol| symbol.write(&mut table));

    let mut contents = object[place.contents.start..place.subsection].to_vec();
    contents.push(SYMBOL_TABLE);
    table.encode(&mut contents);
    contents.extend(&object[place.table.end..place.contents.end]);

    let mut edited = object[..place.section].to_vec();
    edited.push(CUSTOM);
    contents.encode(&mut edited);
    edited.extend(&object[place.contents.end..]);
    Ok(Some(edited))
}

/// The object file with nothing in the custom section of this name; the section stays, as others go by number.
pub(super) fn empty_section(object: &[u8], name: &str) -> Result<Vec<u8>, BinaryReaderError> {
    let mut emptied = object.get(..MAGIC.len()).unwrap_or_default().to_vec();
    let mut file = BinaryReader::new(object, 0);
    file.read_bytes(MAGIC.len())?;
    while !file.eof() {
        let start = file.original_position();
        let id = file.read_u8()?;
        let size = file.read_var_u32()? as usize;
        let mut inside = BinaryReader::new(file.read_bytes(size)?, 0);
        if id == CUSTOM && inside.read_string()? == name {
            emptied.push(CUSTOM);
            let mut contents = Vec::new();
            name.encode(&mut contents);
            contents.encode(&mut emptied);
        } else {
            emptied.extend(&object[start..file.original_position()]);
        }
    }
    Ok(emptied)
}

/// The symbols of an object file; none if it is another kind of file.
#[cfg(test)]
pub(super) fn of(object: &[u8]) -> Result<Vec<Symbol>, BinaryReaderError> {
    find(object)?.map_or(Ok(Vec::new()), |place| read(&object[place.table]))
}

fn read(table: &[u8]) -> Result<Vec<Symbol>, BinaryReaderError> {
    let mut reader = BinaryReader::new(table, 0);
    let count = reader.read_var_u32()?;
    (0..count).map(|_| Symbol::read(&mut reader)).collect()
}

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;
const SYMBOL_TABLE: u8 = 8;

/// The location of the symbol table of an object file.
struct TableLocation {
    /// Its section, from the header on.
    section: usize,
    /// The contents of the section.
    contents: Range<usize>,
    /// Its part of them, from the header on.
    subsection: usize,
    table: Range<usize>,
}

fn find(object: &[u8]) -> Result<Option<TableLocation>, BinaryReaderError> {
    if !object.starts_with(MAGIC) {
        return Ok(None);
    }
    let mut file = BinaryReader::new(object, 0);
    file.read_bytes(MAGIC.len())?;
    while !file.eof() {
        let section = file.original_position();
        let id = file.read_u8()?;
        let size = file.read_var_u32()? as usize;
        let contents = file.original_position()..file.original_position() + size;
        let mut inside = BinaryReader::new(file.read_bytes(size)?, contents.start);
        if id != CUSTOM || inside.read_string()? != "linking" {
            continue;
        }
        let _version = inside.read_var_u32()?;
        while !inside.eof() {
            let subsection = inside.original_position();
            let kind = inside.read_u8()?;
            let size = inside.read_var_u32()? as usize;
            let start = inside.original_position();
            inside.read_bytes(size)?;
            if kind == SYMBOL_TABLE {
                let table = start..start + size;
                return Ok(Some(TableLocation { section, contents, subsection, table }));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{LinkingSection, Module, SymbolTable};

    use super::*;

    fn object() -> Vec<u8> {
        let mut table = SymbolTable::new();
        table.function(0, 3, Some("first"));
        table.function(UNDEFINED | WEAK, 0, None);
        table.function(UNDEFINED | EXPLICIT_NAME, 1, Some("named"));
        table.data(
            0,
            "data",
            Some(wasm_encoder::DataSymbolDefinition { index: 1, offset: 200, size: 300 }),
        );
        table.data(UNDEFINED, "elsewhere", None);
        table.global(0, 2, Some("global"));
        let mut linking = LinkingSection::new();
        linking.symbol_table(&table);
        let mut module = Module::new();
        module.section(&linking);
        module
            .section(&wasm_encoder::CustomSection { name: "after".into(), data: b"it"[..].into() });
        module.finish()
    }

    #[test]
    fn a_table_is_written_as_it_was_read() {
        let object = object();
        let symbols = of(&object).unwrap();
        let names: Vec<_> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
        assert_eq!(names, ["first", "", "named", "data", "elsewhere", "global"]);
        let defined: Vec<_> = symbols.iter().map(Symbol::is_defined_function).collect();
        assert_eq!(defined, [true, false, false, false, false, false]);
        // There and back again.
        let longer = edit(&object, |symbols| symbols.push(symbols[0].clone())).unwrap().unwrap();
        assert_eq!(of(&longer).unwrap().len(), 7);
        let back = edit(&longer, |symbols| symbols.truncate(6)).unwrap().unwrap();
        assert_eq!(back, object);
        assert_eq!(edit(&object, |_| {}).unwrap(), None);
    }

    #[test]
    fn symbols_are_renamed_weakened_and_doubled() {
        let edited = edit(&object(), |symbols| {
            let mut alias = symbols[0].clone();
            alias.name = "a longer name".into();
            alias.weaken();
            symbols[0].name = "x".into();
            symbols[1].strengthen();
            symbols.push(alias);
        });
        let symbols = of(&edited.unwrap().unwrap()).unwrap();
        let target = Target::Item(FUNCTION, 3);
        assert_eq!(symbols[0], Symbol { flags: 0, name: "x".into(), target: target.clone() });
        assert_eq!(symbols[1].flags, UNDEFINED);
        assert_eq!(symbols[6], Symbol { flags: WEAK, name: "a longer name".into(), target });
    }

    #[test]
    fn what_is_no_object_file_is_left_alone() {
        for bytes in [&b""[..], b"\0asm", b"BC\xc0\xde", b"\0asm\x01\0\0\0"] {
            assert_eq!(edit(bytes, Vec::clear).unwrap(), None);
            assert_eq!(of(bytes).unwrap(), []);
        }
        let object = object();
        let cut = &object[..object.len() - 12];
        assert!(of(cut).is_err());
    }
}
