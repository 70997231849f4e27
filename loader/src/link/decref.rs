//! Where the runtime notifies of dead handles: its one import, bound to a function of the link or renamed.

use serde::{Deserialize, Serialize};

use super::module::Module;
use super::resolve;
use super::space::{Origin, Space};
use crate::error::InputError;
use crate::{host, imports};

/// What becomes of the runtime's import `host.host_decref_handle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decref {
    /// It stays as it is, for the host.
    #[default]
    Host,
    /// It is bound to the function of this name that the program or a library exports, and so is no import any more.
    Export(String),
    /// It is imported from this module, under this name.
    Import(String, String),
}

impl Decref {
    /// An import as the command line gives it: `MODULE.NAME`, where the name has no dot.
    ///
    /// # Errors
    ///
    /// If there is no dot, or nothing on one side of it.
    pub fn parse_import(text: &str) -> Result<Self, String> {
        match text.rsplit_once('.') {
            Some((module, name)) if !module.is_empty() && !name.is_empty() => {
                Ok(Self::Import(module.to_owned(), name.to_owned()))
            }
            _ => Err("an import is given as MODULE.NAME".to_owned()),
        }
    }

    pub(crate) fn is_host(&self) -> bool {
        *self == Self::Host
    }

    /// The name under which the runtime's import stays an import, if it is this one.
    pub(super) fn renamed<'n>(
        &'n self,
        at: usize,
        (module, name): (&'n str, &'n str),
    ) -> (&'n str, &'n str) {
        match self {
            Self::Import(to_module, to_name) if at == 0 && is_decref((module, name)) => {
                (to_module, to_name)
            }
            _ => (module, name),
        }
    }

    /// Binds the import to the function that is named, in `origins`: the program's, or that of the first library that
    /// has one.
    pub(super) fn bind(
        &self,
        modules: &[Module<'_>],
        origins: &mut [Vec<Origin>],
    ) -> Result<(), InputError> {
        let Self::Export(name) = self else { return Ok(()) };
        let wrong = |cause: String| InputError::new(format!("--decref {name}"), cause);
        let runtime = &modules[0];
        let import =
            runtime.imports.iter().position(|import| is_decref((import.module, import.name)));
        let Some(import) = import else {
            return Err(wrong(format!("{} does not notify anybody", runtime.file)));
        };
        let last = modules.len() - 1;
        let order = std::iter::once(last).chain(1..last);
        let found = order
            .filter_map(|at| Some((at, modules[at].export(name)?)))
            .find(|(_, export)| Space::of_export(export.kind) == Space::Function);
        let Some((at, export)) = found else {
            let mut names: Vec<String> = modules[1..]
                .iter()
                .flat_map(|module| &module.exports)
                .filter(|export| Space::of_export(export.kind) == Space::Function)
                .map(|export| export.name.to_owned())
                .collect();
            names.sort();
            let choice = imports::choice(name, &names);
            return Err(wrong(format!(
                "neither program nor library exports such a function{choice}"
            )));
        };
        resolve::check((&modules[at], export), (runtime, &runtime.imports[import])).map_err(
            |(offered, wanted)| {
                let file = &modules[at].file;
                wrong(format!("{file} exports it as {offered}, but the runtime calls {wanted}"))
            },
        )?;
        origins[0][import] = Origin::Linked(at, export.index);
        Ok(())
    }
}

fn is_decref(import: (&str, &str)) -> bool {
    import == (host::MODULE, host::DECREF)
}
