//! Custom sections: which are kept, merged, rewritten or dropped.

use std::collections::{BTreeMap, HashSet};

use wasm_encoder::{CustomSection, Encode, ProducersField, ProducersSection};
use wasmparser::{BinaryReader, ProducersSectionReader};

use crate::module::Module;

/// The treatment of a custom section of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It says nothing of places or numbers in the module.
    Kept,
    /// Merged or rewritten by the part of the linker that knows it.
    Known,
    /// It would be wrong: what is lost, for a warning.
    Dropped(&'static str),
}

/// Decides by the name.
pub(super) fn fate(name: &str) -> Fate {
    match name {
        "name" | "producers" | "target_features" => Fate::Known,
        "sourceMappingURL" => Fate::Dropped("the source map is for the program's own code offsets"),
        "external_debug_info" => {
            Fate::Dropped("the debug file is for the program's own code offsets")
        }
        "linking" => Fate::Dropped("its symbols are for the program's own numbers"),
        _ if name.starts_with("reloc.") => {
            Fate::Dropped("its relocations are for the program's own offsets")
        }
        _ if name.starts_with(".debug_") => Fate::Known,
        _ if name.starts_with("metadata.code.") => {
            Fate::Dropped("its hints are for the program's own code offsets")
        }
        _ => Fate::Kept,
    }
}

/// The programs' other sections, in order. What is dropped is said in `warnings`.
pub(super) fn kept<'m>(
    modules: &'m [Module<'_>],
    warnings: &mut Vec<String>,
) -> Vec<CustomSection<'m>> {
    let mut sections = Vec::new();
    for module in &modules[1..] {
        for custom in &module.customs {
            match fate(custom.name) {
                Fate::Kept => sections
                    .push(CustomSection { name: custom.name.into(), data: custom.data.into() }),
                Fate::Known => {}
                Fate::Dropped(why) => warnings.push(format!(
                    "{}: the section `{}` is dropped: {why}",
                    module.file, custom.name
                )),
            }
        }
    }
    sections
}

/// For each field of `producers`, the names that it has, and these names with their versions in order.
type Fields = BTreeMap<String, (HashSet<String>, Vec<(String, String)>)>;

/// The tools behind all modules: the program's first, each once.
pub(super) fn producers(modules: &[Module<'_>]) -> ProducersSection {
    let mut fields = Fields::new();
    for module in modules.iter().rev() {
        if let Some(custom) = module.custom("producers") {
            // What is said of tools is never worth an error: whatever can be read of it is taken.
            let _ = read_producers(BinaryReader::new(custom.data, custom.offset), &mut fields);
        }
    }
    let own = ("rootstock".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    fields.entry("processed-by".to_owned()).or_default().1.push(own);
    let mut section = ProducersSection::new();
    for (name, (_, values)) in &fields {
        let mut field = ProducersField::new();
        for (value, version) in values {
            field.value(value, version);
        }
        section.field(name, &field);
    }
    section
}

fn read_producers(reader: BinaryReader<'_>, fields: &mut Fields) -> wasmparser::Result<()> {
    for field in ProducersSectionReader::new(reader)? {
        let field = field?;
        let values = fields.entry(field.name.to_owned()).or_default();
        for value in field.values {
            let value = value?;
            if values.0.insert(value.name.to_owned()) {
                values.1.push((value.name.to_owned(), value.version.to_owned()));
            }
        }
    }
    Ok(())
}

/// The features that any of the modules uses. Where one does not say, the whole does not: half of a list is taken for all
/// of it.
pub(super) fn target_features(modules: &[Module<'_>]) -> Option<CustomSection<'static>> {
    const USED: u8 = b'+';
    let mut features: BTreeMap<String, u8> = BTreeMap::new();
    for module in modules {
        let custom = module.custom("target_features")?;
        let mut reader = BinaryReader::new(custom.data, custom.offset);
        for _ in 0..reader.read_var_u32().ok()? {
            let prefix = reader.read_u8().ok()?;
            let name = reader.read_string().ok()?.to_owned();
            let known = features.entry(name).or_insert(prefix);
            if prefix == USED {
                *known = USED;
            }
        }
    }
    let mut data = Vec::new();
    u32::try_from(features.len()).ok()?.encode(&mut data);
    for (name, prefix) in &features {
        data.push(*prefix);
        name.as_str().encode(&mut data);
    }
    Some(CustomSection { name: "target_features".into(), data: data.into() })
}
