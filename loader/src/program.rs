//! Programs: what a compiler emitted, read from a file, checked, and instantiated against the runtime.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use wasmtime::{Func, FuncType, Module, Trap, Val, WasmBacktrace};

use crate::doctor::origin::Origin;
use crate::engine;
use crate::error::{Error, InputError};
use crate::features;
use crate::imports;
use crate::instance::Instance;
use crate::locate;
use crate::report::{self, ModuleInfo};

mod lines;
mod outline;

use outline::Outline;

/// A program may export an immutable i32 global of this name, initialised by a constant: the version of the ABI that it
/// was compiled for. It is compared before any of the program's code runs.
pub const ABI_REQUIRED: &str = "gc_abi_required";

/// A reactor exports a function of this name, without parameters and results, to be called once before any other.
pub const INITIALIZE: &str = "_initialize";

/// Bytes that a file may have.
const MAX_FILE: u64 = 512 << 20;

/// A program that was read and is a core module, as far as can be seen without compiling it.
pub struct Program {
    name: String,
    wasm: Vec<u8>,
    abi_required: Option<u32>,
    /// Names of exported functions by number, the first of each.
    function_exports: BTreeMap<u32, String>,
}

impl Program {
    /// Reads a `.wasm` or `.wat` file; the contents decide which it is.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // A path may lead to something that has no end.
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        read.map_err(|error| InputError::new(&name, format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_FILE {
            let cause = format!("is larger than any program may be: {} MiB", MAX_FILE >> 20);
            return Err(InputError::new(&name, cause).into());
        }
        Self::from_bytes(name, &bytes)
    }

    /// The same, from the contents of a file; `name` is for messages.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<Self, Error> {
        let name = name.into();
        let wasm =
            if bytes.starts_with(b"\0asm") { bytes.to_vec() } else { assemble(&name, bytes)? };
        let outline = Outline::read(&wasm)
            .map_err(|cause| InputError::new(&name, locate::in_source(&wasm, cause)))?;
        if let Some(cause) = outline.objection() {
            return Err(InputError::new(name, cause).into());
        }
        Ok(Self {
            name,
            wasm,
            abi_required: outline.abi_required,
            function_exports: outline.function_exports,
        })
    }

    /// The file's name, as messages give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module. Where it was text, and not too long, it carries line numbers as DWARF.
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// The same program in other bytes, in which functions have kept their numbers.
    pub(crate) fn with_wasm(&self, wasm: Vec<u8>) -> Self {
        Self {
            name: self.name.clone(),
            wasm,
            abi_required: self.abi_required,
            function_exports: self.function_exports.clone(),
        }
    }

    /// The names of exported functions by number, the first of each.
    pub(crate) fn function_exports(&self) -> &BTreeMap<u32, String> {
        &self.function_exports
    }

    /// Whether the engine takes the module. Validating on its own gives an error that knows its place; compiling wraps it
    /// up.
    pub(crate) fn validate(&self, engine: &wasmtime::Engine) -> Result<(), Error> {
        Module::validate(engine, &self.wasm).map_err(|error| self.invalid(&error))
    }

    /// What the engine has against the module, in words.
    fn invalid(&self, error: &wasmtime::Error) -> Error {
        if let Some(cause) = features::objection(&self.wasm, features::ENGINE, "the engine") {
            return InputError::new(&self.name, cause).into();
        }
        let cause = match error.downcast_ref::<wasmparser::BinaryReaderError>() {
            Some(invalid) => locate::in_source(&self.wasm, Cause::from(invalid)),
            // It was valid: what comes now are limits of the engine.
            None => {
                format!("the engine cannot compile it: {}", report::shown(&format!("{error:#}")))
            }
        };
        InputError::new(&self.name, cause).into()
    }

    /// Refuses a program that says it was compiled for another version of the ABI.
    pub(crate) fn check_abi(&self) -> Result<(), Error> {
        match self.abi_required {
            Some(found) if found != runtime::ABI_VERSION => Err(Error::AbiVersion {
                what: format!("{} ({ABI_REQUIRED})", self.name),
                expected: runtime::ABI_VERSION,
                found,
            }),
            _ => Ok(()),
        }
    }

    /// This module, which is the program or was made of it, compiled by the deadline: compiling can take longer than
    /// anything that the module does. It cannot be stopped, so where it takes too long, a thread goes on until it is done.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Module, Error> {
        let failed = |error: wasmtime::Error| self.invalid(&error);
        let Some(deadline) = deadline else {
            return engine::compile(engine, wasm).map_err(failed);
        };
        let (sender, receiver) = mpsc::channel();
        let (engine, wasm) = (engine.clone(), wasm.to_vec());
        let started = thread::Builder::new().name("compiler".into()).spawn(move || {
            // Nobody listens any more where it has taken too long.
            let _ = sender.send(engine::compile(&engine, &wasm));
        });
        started.map_err(|error| Error::Engine {
            what: "the thread that compiles cannot be started".into(),
            cause: error.to_string(),
        })?;
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(compiled) => compiled.map_err(failed),
            Err(_) => {
                let cause = "it could not be compiled in the time that it may run";
                Err(InputError::new(&self.name, cause).into())
            }
        }
    }
}

fn assemble(name: &str, bytes: &[u8]) -> Result<Vec<u8>, InputError> {
    if bytes.is_empty() {
        return Err(InputError::new(name, "the file is empty"));
    }
    let is_text_file = Path::new(name).extension().is_some_and(|ext| ext == "wat" || ext == "wast");
    let Ok(text) = std::str::from_utf8(bytes) else {
        let cause =
            if is_text_file { "it is not UTF-8, as text is".to_owned() } else { neither(bytes) };
        return Err(InputError::new(name, cause));
    };
    // In text, the first thing is a parenthesis or a comment.
    if !is_text_file && !text.trim_start().starts_with(['(', ';']) {
        return Err(InputError::new(name, neither(bytes)));
    }
    /// Finding the lines of a text takes time in proportion to the square of its length: a second, of this one.
    const LINED: usize = 1 << 20;
    let mut parser = wat::Parser::new();
    let lined = text.len() <= LINED;
    if lined {
        parser.generate_dwarf(wat::GenerateDwarf::Lines);
    }
    let wasm = parser
        .parse_str(Some(Path::new(name)), text)
        .map_err(|error| InputError::new(name, error.to_string()))?;
    Ok(if lined { lines::corrected(wasm) } else { wasm })
}

fn neither(bytes: &[u8]) -> String {
    let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "neither a wasm module (which begins with the bytes 00 61 73 6d) nor wasm text: \
         it begins with {}",
        start.join(" ")
    )
}

/// What is wrong with a module, and where: a byte offset into it.
pub(crate) struct Cause {
    pub(crate) message: String,
    pub(crate) offset: Option<u64>,
}

impl Cause {
    fn new(message: impl Into<String>, offset: Option<u64>) -> Self {
        Self { message: message.into(), offset }
    }
}

impl From<&wasmparser::BinaryReaderError> for Cause {
    fn from(error: &wasmparser::BinaryReaderError) -> Self {
        Self::new(error.message(), Some(error.offset() as u64))
    }
}

/// Whether a limit was reached, which is nobody's bad input; the engine looks before it runs any of the program's code too.
fn ran_out(error: &wasmtime::Error) -> bool {
    let trap = error.downcast_ref::<Trap>();
    matches!(trap, Some(Trap::Interrupt | Trap::OutOfFuel | Trap::StackOverflow))
}

/// A program that was instantiated against a runtime.
#[derive(Clone)]
pub struct Linked {
    name: String,
    instance: wasmtime::Instance,
}

impl Instance {
    /// Instantiates a program against this runtime, and runs its start function and what it exports as [`INITIALIZE`].
    pub fn instantiate(&mut self, program: &Program) -> Result<Linked, Error> {
        if let Some(linked) = self.start_merged(program)? {
            return Ok(linked);
        }
        program.validate(self.store.engine())?;
        self.instantiate_as(program, &program.wasm, None)
    }

    /// The same, with an instrumented module in the place of a program that is valid.
    pub(crate) fn instantiate_as(
        &mut self,
        program: &Program,
        wasm: &[u8],
        origin: Option<Arc<Origin>>,
    ) -> Result<Linked, Error> {
        program.check_abi()?;
        let deadline = self.store.data().deadline;
        let module = program.compile(self.store.engine(), wasm, deadline)?;
        self.give_wasi(&module)?;
        imports::check(&module, &self.linker, &mut self.store, false)
            .map_err(|cause| InputError::new(&program.name, cause))?;
        self.store.data_mut().modules.push(ModuleInfo {
            module: module.clone(),
            name: program.name.as_str().into(),
            exports: program.function_exports.clone(),
            origin,
        });
        let begun = self.exports.begin(&mut self.store);
        match self.linker.instantiate(&mut self.store, &module) {
            Ok(instance) => {
                self.exports.ended(&mut self.store, begun)?;
                let linked = Linked::new(program, instance);
                linked.initialize(self)?;
                Ok(linked)
            }
            Err(error) if error.is::<WasmBacktrace>() || ran_out(&error) => {
                Err(self.exports.failed(&mut self.store, begun, error))
            }
            // None of its code was running: what it declares is not to be had.
            Err(error) => {
                self.exports.ended(&mut self.store, begun)?;
                let cause = report::cause(&error);
                let advice = match error.downcast_ref::<Trap>() {
                    Some(Trap::MemoryOutOfBounds) => {
                        ": a data segment lies outside memory, whose initial size is the runtime's; place data with \
                         a passive segment, from the start function, after gc_init"
                    }
                    Some(Trap::TableOutOfBounds) => ": an element segment lies outside its table",
                    _ => "",
                };
                Err(InputError::new(
                    &program.name,
                    format!("cannot be instantiated: {cause}{advice}"),
                )
                .into())
            }
        }
    }

    /// Lets programs that are instantiated later import what this one exports, from a module of this name.
    pub fn publish(&mut self, name: &str, linked: &Linked) -> Result<(), Error> {
        self.linker
            .instance(&mut self.store, name, linked.instance)
            .map(drop)
            .map_err(|error| InputError::new(name, format!("{error:#}")).into())
    }
}

impl Linked {
    pub(crate) fn new(program: &Program, instance: wasmtime::Instance) -> Self {
        Self { name: program.name.clone(), instance }
    }

    /// The file's name, as messages give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine's instance, for what this type does not offer.
    pub fn instance(&self) -> wasmtime::Instance {
        self.instance
    }

    /// Calls the function that a reactor exports to be called once, before any other. A function of another type that has
    /// its name is an ordinary export.
    pub(crate) fn initialize(&self, runtime: &mut Instance) -> Result<(), Error> {
        if !self.is_reactor(runtime) {
            return Ok(());
        }
        self.call(runtime, INITIALIZE, &[]).map(drop)
    }

    /// Whether [`INITIALIZE`] is called when the program is instantiated.
    pub(crate) fn is_reactor(&self, runtime: &mut Instance) -> bool {
        let found = self.instance.get_func(&mut runtime.store, INITIALIZE);
        let ty = found.map(|function| function.ty(&runtime.store));
        ty.is_some_and(|ty| ty.params().len() == 0 && ty.results().len() == 0)
    }

    /// The names of the exported functions, in the program's order. What `loader link` added for hosts is not among them.
    pub fn functions(&self, runtime: &mut Instance) -> Vec<String> {
        let all = self.instance.exports(&mut runtime.store);
        let functions = all.filter(|export| export.clone().into_func().is_some());
        let names = functions.map(|export| export.name().to_owned());
        let names: Vec<String> = names.collect();
        let hides =
            |name: &String| runtime.merged.as_ref().is_some_and(|merged| merged.hides(name));
        names.into_iter().filter(|name| !hides(name)).collect()
    }

    /// An exported function.
    pub fn function(&self, runtime: &mut Instance, name: &str) -> Result<Func, Error> {
        if let Some(function) = self.instance.get_func(&mut runtime.store, name) {
            return Ok(function);
        }
        let fault = match self.instance.get_export(&mut runtime.store, name) {
            Some(export) => {
                let ty = imports::describe(&export.ty(&runtime.store));
                format!("its export `{}` is {ty}, not a function", report::shown(name))
            }
            None => {
                let functions = self.functions(runtime);
                let choice = imports::choice(name, &functions);
                format!("it exports no function `{}`{choice}", report::shown(name))
            }
        };
        Err(InputError::new(&self.name, fault).into())
    }

    /// The type of an exported function.
    pub fn signature(&self, runtime: &mut Instance, name: &str) -> Result<FuncType, Error> {
        Ok(self.function(runtime, name)?.ty(&runtime.store))
    }

    /// Calls an exported function. After a call that failed `gc_sp` is what it was before.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] where there is no such function, or the arguments do not fit it; [`Error::Trap`] where the call
    /// trapped, or has overrun the shadow stack.
    pub fn call(
        &self,
        runtime: &mut Instance,
        name: &str,
        args: &[Val],
    ) -> Result<Vec<Val>, Error> {
        let function = self.function(runtime, name)?;
        let ty = function.ty(&runtime.store);
        let fits = ty.params().len() == args.len()
            && ty
                .params()
                .zip(args)
                .all(|(param, arg)| arg.matches_ty(&runtime.store, &param).unwrap_or(false));
        if !fits {
            let cause = format!(
                "`{name}` was called with {} arguments that do not fit its type {}",
                args.len(),
                imports::signature(&ty)
            );
            return Err(InputError::new(&self.name, cause).into());
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        let begun = runtime.exports.begin(&mut runtime.store);
        match function.call(&mut runtime.store, args, &mut results) {
            Ok(()) => runtime.exports.ended(&mut runtime.store, begun).map(|()| results),
            Err(error) => Err(runtime.exports.failed(&mut runtime.store, begun, error)),
        }
    }
}

#[cfg(test)]
mod tests;
