//! The linker as its users see it: what it is told, and what comes out.

use rootstock_program::{Decref, Program};

/// Links programs with the runtime.
///
/// ```
/// use rootstock_link::{Linker, Program};
///
/// let list = br#"(module
///     (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
///     (func (export "cell") (result i32) (call $alloc (i32.const 8))))"#;
/// let main = br#"(module
///     (import "list" "cell" (func $cell (result i32)))
///     (func (export "main") (result i32) (call $cell)))"#;
/// let list = Program::from_bytes("list.wat", list)?;
/// let main = Program::from_bytes("main.wat", main)?;
/// let linked = Linker::new().library("list", &list).export_runtime("gc.").link(&main)?;
/// assert!(linked.wasm().starts_with(b"\0asm") && linked.warnings().is_empty());
/// # Ok::<(), rootstock_link::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Linker<'a> {
    /// The prefix of the names of the runtime's exports, if they are exported.
    pub(crate) prefix: Option<String>,
    pub(crate) strip: bool,
    pub(crate) libraries: Vec<(String, &'a Program)>,
    pub(crate) runtime: Option<&'a Program>,
    pub(crate) decref: Decref,
}

impl<'a> Linker<'a> {
    /// A linker that keeps what the program uses of the runtime, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Exports what the runtime exports too, with `prefix` before each name. Otherwise what the program does not use is
    /// dropped.
    #[must_use]
    pub fn export_runtime(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Links a library in before the program. Later libraries, and the program, import its exports from the module `name`.
    #[must_use]
    pub fn library(mut self, name: impl Into<String>, library: &'a Program) -> Self {
        self.libraries.push((name.into(), library));
        self
    }

    /// Leaves names and debug information out, or not.
    #[must_use]
    pub fn strip(mut self, strip: bool) -> Self {
        self.strip = strip;
        self
    }

    /// Takes another build of the runtime than the one that is built in.
    #[must_use]
    pub fn runtime(mut self, runtime: &'a Program) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Says where the runtime notifies of dead handles.
    #[must_use]
    pub fn decref(mut self, decref: Decref) -> Self {
        self.decref = decref;
        self
    }
}

/// A linked program.
#[derive(Clone, Debug)]
pub struct LinkOutput {
    pub(crate) wasm: Vec<u8>,
    pub(crate) warnings: Vec<String>,
    pub(crate) report: LinkReport,
    pub(crate) has_debug_info: bool,
}

impl LinkOutput {
    /// The module. It is valid.
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// The module, to keep.
    pub fn into_wasm(self) -> Vec<u8> {
        self.wasm
    }

    /// The warnings of this link, in words, of parts that were lost or look wrong; each names its file.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The parts of the runtime that were kept.
    pub fn report(&self) -> LinkReport {
        self.report
    }

    /// Tells whether the module carries debug information.
    pub fn has_debug_info(&self) -> bool {
        self.has_debug_info
    }
}

/// The parts of the runtime that were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkReport {
    /// Functions of the runtime that are in the output.
    pub kept: usize,
    /// Functions that it has.
    pub of: usize,
}
