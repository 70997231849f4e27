//! The modules of a workload for a rival.

use rootstock_link::Linker;
use rootstock_link::Program;
use thiserror::Error;

use crate::rival::{Form, Host, Rival, Source};
use crate::template::{self, Discipline, TemplateError, Variant};
use crate::tools::{ToolError, Tools};
use crate::workload::{Needs, Workload};

/// What is to be instantiated.
#[derive(Clone, Debug)]
pub struct Code {
    /// Module `runtime`, unless it is part of the guest.
    pub allocator: Option<Vec<u8>>,
    /// The guest.
    pub guest: Vec<u8>,
}

/// Why there is nothing to instantiate.
#[derive(Debug, Error)]
pub enum CodeError {
    /// A fault of a guest's template.
    #[error("the guest {0}: {1}")]
    Template(&'static str, TemplateError),
    /// A fault of a guest's text.
    #[error("{0}: {1}")]
    Text(String, wat::Error),
    /// A fault of the linker's input.
    #[error("cannot be linked: {0}")]
    Link(#[from] rootstock_link::Error),
    /// Something it is made with is not there, or does not do its work.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// The code of `workload` for `rival`; `timed` has each allocation timed by the host.
pub fn code(
    rival: &Rival,
    workload: &Workload,
    tools: &Tools,
    timed: bool,
) -> Result<Code, CodeError> {
    if let Source::Whole(name) = rival.source {
        return Ok(Code { allocator: None, guest: tools.built(name)? });
    }
    let guest = guest(workload, rival, timed)?;
    let Some(allocator) = allocator(rival, tools)? else {
        return Ok(Code { allocator: None, guest });
    };
    match rival.form {
        Form::Across => Ok(Code { allocator: Some(allocator), guest }),
        Form::Merged => {
            Ok(Code { allocator: None, guest: merge(rival, &allocator, &guest, tools)? })
        }
        Form::Inlined => {
            let merged = merge(rival, &allocator, &guest, tools)?;
            Ok(Code { allocator: None, guest: tools.optimise(&merged)? })
        }
    }
}

/// One module: ours by our linker, others by Binaryen.
fn merge(
    rival: &Rival,
    allocator: &[u8],
    guest: &[u8],
    tools: &Tools,
) -> Result<Vec<u8>, CodeError> {
    if !rival.is_ours() {
        return Ok(tools.merge(allocator, guest)?);
    }
    let runtime =
        Program::from_bytes("runtime.wasm", allocator).map_err(rootstock_link::Error::from)?;
    let program = Program::from_bytes("guest.wasm", guest).map_err(rootstock_link::Error::from)?;
    Ok(Linker::new().strip(true).runtime(&runtime).link(&program)?.into_wasm())
}

/// The module that allocates, if it is one by itself.
pub fn allocator(rival: &Rival, tools: &Tools) -> Result<Option<Vec<u8>>, CodeError> {
    Ok(Some(match &rival.source {
        Source::Engine(_) | Source::Whole(_) => return Ok(None),
        Source::Embedded => rootstock_built::RUNTIME_WASM.to_vec(),
        Source::Text(text) => {
            wat::parse_str(text).map_err(|error| CodeError::Text(rival.id.clone(), error))?
        }
        Source::Built(name) => tools.built(name)?,
        Source::File(path) => tools.file(path)?,
    }))
}

fn guest(workload: &Workload, rival: &Rival, timed: bool) -> Result<Vec<u8>, CodeError> {
    let engine = rival.discipline == Discipline::Engine;
    let template = if engine { workload.gc_guest } else { workload.guest };
    let variant = Variant {
        discipline: rival.discipline,
        zeroed: rival.zeroes,
        timed,
        inline: rival.inline,
        constants: workload.constants,
    };
    let text = template::expand(template, &variant)
        .map_err(|error| CodeError::Template(workload.id, error))?;
    wat::parse_str(&text).map_err(|error| CodeError::Text(workload.id.to_owned(), error))
}

/// Tells whether a rival is asked to run a workload at all.
pub fn takes_part(rival: &Rival, workload: &Workload) -> bool {
    let in_v8 = rival.host == Host::Node && rival.discipline == Discipline::Engine;
    // V8 sees that these objects are not used and makes none; and it never says when a value of the host is dropped.
    let removed = in_v8 && (workload.v8_removes || workload.needs == Needs::Telling);
    // Where no size is known beforehand the guest would be the same as with calls only.
    let the_same = rival.inline && !template::knows_sizes(workload.guest);
    rival.can(workload.needs) && !removed && !the_same
}
