//! The runtime's one import, through which the host is notified of dead handles: bound to a function of the link or renamed.

use rootstock_built::names::{DECREF, HOST};
use rootstock_program::{Decref, InputError, text};

use crate::module::Module;
use crate::resolve;
use crate::space::{Origin, Space};

/// The name under which the runtime's import stays an import, if it is this one.
pub(super) fn renamed<'n>(
    decref: &'n Decref,
    at: usize,
    (module, name): (&'n str, &'n str),
) -> (&'n str, &'n str) {
    match decref {
        Decref::Import(to_module, to_name) if at == 0 && is_decref((module, name)) => {
            (to_module, to_name)
        }
        _ => (module, name),
    }
}

/// Binds the import to the function that is named, in `origins`: the program's, or that of the first library that
/// has one.
pub(super) fn bind(
    decref: &Decref,
    modules: &[Module<'_>],
    origins: &mut [Vec<Origin>],
) -> Result<(), InputError> {
    let Decref::Export(name) = decref else { return Ok(()) };
    let wrong = |cause: String| InputError::new(format!("--decref {name}"), cause);
    let runtime = &modules[0];
    let import = runtime.imports.iter().position(|import| is_decref((import.module, import.name)));
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
        let choice = text::choice(name, &names);
        return Err(wrong(format!("neither program nor library exports such a function{choice}")));
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

fn is_decref(import: (&str, &str)) -> bool {
    import == (HOST, DECREF)
}
