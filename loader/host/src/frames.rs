//! Frames of a backtrace under the names that messages use, and the engine's reasons in words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rootstock_program::text;
use wasmtime::{FrameInfo, Module, Trap};

use crate::error::Frame;

/// What the engine calls a backtrace, as a link of an error's chain.
const BACKTRACE: &str = "error while executing at wasm backtrace";

/// The text of a link, up to where it turns out to be a backtrace: that one names functions in the words of C++, and a
/// name can be made that takes for ever to be put in those.
#[derive(Default)]
struct Link(String);

impl fmt::Write for Link {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.starts_with(BACKTRACE) { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The engine's reason in words, without the parts that a report gives apart.
pub(crate) fn cause(error: &wasmtime::Error) -> String {
    let mut links: Vec<String> = Vec::new();
    for link in error.chain() {
        let mut text = Link::default();
        let whole = fmt::write(&mut text, format_args!("{link}")).is_ok();
        if whole && links.last() != Some(&text.0) {
            links.push(text.0);
        }
    }
    match error.downcast_ref::<Trap>() {
        // The trap is the innermost link; what the engine adds to it are details.
        Some(&trap) => {
            links.pop();
            let details =
                if links.is_empty() { String::new() } else { format!(" ({})", links.join(": ")) };
            format!("{}{details}", reason(trap))
        }
        None => links.join(": "),
    }
}

fn reason(trap: Trap) -> String {
    match trap {
        Trap::Interrupt => "it ran for longer than it may".to_owned(),
        Trap::OutOfFuel => "it has used up its fuel".to_owned(),
        Trap::StackOverflow => "the native stack is exhausted".to_owned(),
        other => {
            let words = other.to_string();
            words.strip_prefix("wasm trap: ").map_or(words.clone(), str::to_owned)
        }
    }
}

/// The way back from a module that was made of a program to that program, as its author knows it.
pub trait SourceFrames: Send + Sync {
    /// The frame of the program for one of the module: the number of a function, and an offset in bytes into the module.
    fn source_frame(&self, function: u32, offset: Option<usize>) -> Frame;
}

/// What messages know of a module that the engine does not.
pub(crate) struct ModuleInfo {
    pub(crate) module: Module,
    pub(crate) name: Arc<str>,
    /// The names under which functions are exported, by number: for those that have no other.
    pub(crate) exports: BTreeMap<u32, String>,
    /// Where this is an instrumented module, the one that its author knows.
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
