//! Programs in an instance: instantiated beside the runtime, and called.

use std::sync::Arc;

use rootstock_built::names::INITIALIZE;
use rootstock_program::{InputError, Program, text};
use wasmtime::{Func, FuncType, Trap, Val, WasmBacktrace};

use crate::cause::cause;
use crate::compile;
use crate::error::Error;
use crate::frames::{ModuleInfo, SourceFrames};
use crate::imports;
use crate::instance::Instance;

/// Tells whether a limit was reached, which is nobody's bad input; the engine looks before it runs any of the program's code too.
fn ran_out(error: &wasmtime::Error) -> bool {
    let trap = error.downcast_ref::<Trap>();
    matches!(trap, Some(Trap::Interrupt | Trap::OutOfFuel | Trap::StackOverflow))
}

/// A program that was instantiated against a runtime.
///
/// ```
/// use rootstock_host::wasmtime::Val;
/// use rootstock_host::{Config, Instance, Program};
///
/// let text = br#"(module (func (export "half") (param i32) (result i32)
///     (i32.div_u (local.get 0) (i32.const 2))))"#;
/// let mut instance = Instance::new(&Config::default())?;
/// let half = instance.instantiate(&Program::from_bytes("half.wat", text)?)?;
/// assert_eq!(half.functions(&mut instance), ["half"]);
/// let results = half.call(&mut instance, "half", &[Val::I32(6)])?;
/// assert_eq!(results[0].i32(), Some(3));
/// assert!(half.call(&mut instance, "half", &[]).is_err());
/// # Ok::<(), rootstock_host::Error>(())
/// ```
#[derive(Clone)]
pub struct Linked {
    name: String,
    instance: wasmtime::Instance,
}

impl Instance {
    /// Instantiates a program against this runtime, and runs its start function and what it exports as [`INITIALIZE`].
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if the program is not valid, or imports what there is not; [`Error::AbiVersion`] if it is of another version of
    /// the ABI; [`Error::Trap`] if its start function traps.
    pub fn instantiate(&mut self, program: &Program) -> Result<Linked, Error> {
        if let Some(linked) = self.start_merged(program)? {
            return Ok(linked);
        }
        self.validate(program)?;
        self.instantiate_as(program, program.wasm(), None)
    }

    /// Instantiates `wasm` in the place of a program that is valid, of which it was made; with `origin`, messages speak of the
    /// program's own functions and lines.
    ///
    /// # Errors
    ///
    /// As [`instantiate`](Self::instantiate).
    pub fn instantiate_as(
        &mut self,
        program: &Program,
        wasm: &[u8],
        origin: Option<Arc<dyn SourceFrames>>,
    ) -> Result<Linked, Error> {
        program.check_abi()?;
        let deadline = self.store.data().deadline;
        let module = compile::by_deadline(program, self.store.engine(), wasm, deadline)?;
        self.give_wasi(&module)?;
        imports::check(&module, &self.linker, &mut self.store, false)
            .map_err(|cause| InputError::new(program.name(), cause))?;
        self.store.data_mut().modules.push(ModuleInfo {
            module: module.clone(),
            name: program.name().into(),
            exports: program.function_exports().clone(),
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
            // None of its code was running: its declarations cannot be satisfied.
            Err(error) => {
                self.exports.ended(&mut self.store, begun)?;
                let reason = cause(&error);
                let advice = match error.downcast_ref::<Trap>() {
                    Some(Trap::MemoryOutOfBounds) => {
                        ": a data segment lies outside memory, whose initial size is the runtime's; place data with \
                         a passive segment, from the start function, after gc_init"
                    }
                    Some(Trap::TableOutOfBounds) => ": an element segment lies outside its table",
                    _ => "",
                };
                Err(InputError::new(
                    program.name(),
                    format!("cannot be instantiated: {reason}{advice}"),
                )
                .into())
            }
        }
    }

    /// Refuses a program that the engine does not take. Validating on its own gives an error that knows its place; compiling
    /// wraps it up.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if it does not, with the place in the module or its source.
    pub fn validate(&self, program: &Program) -> Result<(), Error> {
        compile::validate(program, self.store.engine())
    }

    /// Lets programs that are instantiated later import what this one exports, from a module of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if there is such a module already.
    pub fn publish(&mut self, name: &str, linked: &Linked) -> Result<(), Error> {
        self.linker
            .instance(&mut self.store, name, linked.instance)
            .map(drop)
            .map_err(|error| InputError::new(name, format!("{error:#}")).into())
    }
}

impl Linked {
    pub(crate) fn new(program: &Program, instance: wasmtime::Instance) -> Self {
        Self { name: program.name().to_owned(), instance }
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

    /// Tells whether [`INITIALIZE`] is called when the program is instantiated.
    pub fn is_reactor(&self, runtime: &mut Instance) -> bool {
        let found = self.instance.get_func(&mut runtime.store, INITIALIZE);
        let ty = found.map(|function| function.ty(&runtime.store));
        ty.is_some_and(|ty| ty.params().len() == 0 && ty.results().len() == 0)
    }

    /// The names of the exported functions, in the program's order. What `rootstock link` added for hosts is not among them.
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
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if there is none of this name.
    pub fn function(&self, runtime: &mut Instance, name: &str) -> Result<Func, Error> {
        if let Some(function) = self.instance.get_func(&mut runtime.store, name) {
            return Ok(function);
        }
        let fault = match self.instance.get_export(&mut runtime.store, name) {
            Some(export) => {
                let ty = imports::describe(&export.ty(&runtime.store));
                format!("its export `{}` is {ty}, not a function", text::shown(name))
            }
            None => {
                let functions = self.functions(runtime);
                let choice = text::choice(name, &functions);
                format!("it exports no function `{}`{choice}", text::shown(name))
            }
        };
        Err(InputError::new(&self.name, fault).into())
    }

    /// The type of an exported function.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] if there is none of this name.
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
