//! Frames of a backtrace under the names that messages use.

use std::collections::BTreeMap;
use std::sync::Arc;

use rootstock_program::text;
use wasmtime::{FrameInfo, Module};

use crate::error::Frame;

/// Innermost frames that a backtrace keeps. Those beyond the engine's default of 20 are what one looks for when a root
/// is missing.
pub(crate) const BACKTRACE_FRAMES: usize = 100;

/// The way back from a module that was made of a program to that program, as its author knows it.
pub trait SourceFrames: Send + Sync {
    /// The frame of the program for one of the module: the number of a function, and an offset in bytes into the module.
    fn source_frame(&self, function: u32, offset: Option<usize>) -> Frame;
}

/// The names of a module that messages use and the engine does not know.
pub(crate) struct ModuleInfo {
    pub(crate) module: Module,
    pub(crate) name: Arc<str>,
    /// The names under which functions are exported, by number: for those that have no other.
    pub(crate) exports: BTreeMap<u32, String>,
    /// The module that its author knows, if this is an instrumented one.
    pub(crate) origin: Option<Arc<dyn SourceFrames>>,
}

/// A frame of the engine's backtrace, under the names that messages use.
pub(crate) fn frame(found: &FrameInfo, modules: &[ModuleInfo]) -> Frame {
    let known = modules.iter().find(|info| Module::same(&info.module, found.module()));
    let module = match known {
        Some(info) => info.name.to_string(),
        None => text::shown(found.module().name().unwrap_or("unknown module")),
    };
    let index = found.func_index();
    if let Some(origin) = known.and_then(|info| info.origin.as_ref()) {
        return origin.source_frame(index, found.module_offset());
    }
    let function = match found.func_name() {
        Some(name) => Some(function_name(name)),
        None => known.and_then(|info| info.exports.get(&index).map(|name| text::shown(name))),
    };
    let source = found
        .symbols()
        .first()
        .and_then(|symbol| Some(text::place(symbol.file()?, symbol.line()?, symbol.column())));
    Frame { module, function, index, offset: found.module_offset(), source }
}

/// A function's name as messages show it.
pub fn function_name(name: &str) -> String {
    text::shown(&format!("{:#}", rustc_demangle::demangle(name)))
}
