//! The built runtime as a machine of the oracle.

use std::borrow::Cow;

use rootstock_host::HostState;
use rootstock_host::exports::Exports;
use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{StoreContextMut, Trap, TypedFunc, WasmParams, WasmResults};
use rootstock_oracle::{Answer, Machine, Step, Stop, fault};
use runtime::error::{ErrorCode, Failure, error_info};

/// The result of the host's callback for the engine when it traps.
#[derive(Debug, thiserror::Error)]
#[error("the host traps in its callback")]
struct HostTrap;

/// Its result when it has found a difference, which is noted elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Found(String);

/// A stop of the callback, as the engine takes it.
pub(super) fn stopped(stop: Stop) -> wasmtime::Error {
    match stop {
        Stop::HostTrap => HostTrap.into(),
        Stop::Fault(message) => Found(message).into(),
    }
}

/// An instance of the built runtime.
pub(super) struct WasmMachine<'a> {
    exports: &'a Exports,
    store: StoreContextMut<'a, HostState>,
}

impl<'a> WasmMachine<'a> {
    pub(super) fn new(exports: &'a Exports, store: StoreContextMut<'a, HostState>) -> Self {
        Self { exports, store }
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Step<Answer<R>> {
        let error = match function.call(&mut self.store, params) {
            Ok(result) => return Ok(Ok(result)),
            Err(error) => error,
        };
        if error.is::<HostTrap>() {
            return Err(Stop::HostTrap);
        }
        if let Some(found) = error.downcast_ref::<Found>() {
            return fault(&found.0);
        }
        match (error.downcast_ref::<Trap>(), self.last_error()?) {
            (Some(Trap::UnreachableCodeReached), Some(failure)) => Ok(Err(failure)),
            (Some(Trap::UnreachableCodeReached), None) => fault("a bare trap: no error is stored"),
            _ => fault(format!("the call does not end as it should: {:#}", error.root_cause())),
        }
    }

    /// Calls what never traps.
    fn look<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Step<R> {
        function
            .call(&mut self.store, params)
            .map_err(|error| Stop::Fault(format!("it only looks, and trapped: {error:#}")))
    }

    fn memory(&self) -> &[u8] {
        self.exports.memory.data(&self.store)
    }
}

impl Machine for WasmMachine<'_> {
    fn refuel(&mut self) {
        // Fails only where no fuel is counted.
        let _ = self.store.set_fuel(super::FUEL);
    }

    fn alloc(&mut self, size: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.alloc, size)
    }

    fn alloc_atomic(&mut self, size: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.alloc_atomic, size)
    }

    fn try_alloc(&mut self, size: u32, atomic: bool) -> Step<Answer<u32>> {
        let exports = self.exports;
        let export = if atomic { &exports.try_alloc_atomic } else { &exports.try_alloc };
        match self.call(export, size)? {
            Ok(0) => match self.last_error()? {
                Some(failure) => Ok(Err(failure)),
                None => fault("try_alloc returned 0, and no error is stored"),
            },
            Ok(object) => Ok(Ok(object)),
            Err(failure) => fault(format!("try_alloc trapped: {failure:?}")),
        }
    }

    fn run(&mut self, size: u32, atomic: bool) -> Step<u32> {
        self.look(&self.exports.gc_run, (size, u32::from(atomic)))
    }

    fn register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>> {
        self.call(&self.exports.register_wrapper, (ptr, kind, handle))
    }

    fn register_sized(
        &mut self,
        ptr: u32,
        kind: u32,
        handle: u32,
        external: u32,
    ) -> Step<Answer<()>> {
        self.call(&self.exports.register_wrapper_sized, (ptr, kind, handle, external))
    }

    fn try_register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>> {
        match self.call(&self.exports.try_register_wrapper, (ptr, kind, handle))? {
            Ok(0) => Ok(Ok(())),
            Ok(code) => match self.last_error()? {
                Some(failure) if failure.code as u32 == code => Ok(Err(failure)),
                other => {
                    fault(format!("try_register_wrapper returned {code}, and stored {other:?}"))
                }
            },
            Err(failure) => fault(format!("try_register_wrapper trapped: {failure:?}")),
        }
    }

    fn wrapper(&mut self, ptr: u32) -> Step<Option<(u32, u32)>> {
        let entry = self.look(&self.exports.gc_wrapper, ptr)?;
        if entry == 0 {
            return Ok(None);
        }
        let bytes = self.bytes(entry, 8)?;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        Ok(Some((word(0), word(4))))
    }

    fn release(&mut self, ptr: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.release_wrapper, ptr)
    }

    fn collect(&mut self) -> Step<Answer<()>> {
        self.call(&self.exports.gc_collect, ())
    }

    fn notify(&mut self, most: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.gc_notify, most)
    }

    fn shutdown(&mut self) -> Step<Answer<()>> {
        self.call(&self.exports.gc_shutdown, ())
    }

    fn init(&mut self, static_end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_init, static_end)
    }

    fn add_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_add_roots, (start, end))
    }

    fn remove_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_remove_roots, (start, end))
    }

    fn pin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_pin, ptr)
    }

    fn unpin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_unpin, ptr)
    }

    fn configure(&mut self, option: u32, value: u32) -> Step<i32> {
        self.look(&self.exports.gc_configure, (option, value))
    }

    fn raw_stat(&mut self, number: u32) -> Step<i64> {
        self.look(&self.exports.gc_stat, number)
    }

    fn base(&mut self, at: u32) -> Step<u32> {
        self.look(&self.exports.gc_base, at)
    }

    fn size(&mut self, at: u32) -> Step<u32> {
        self.look(&self.exports.gc_size, at)
    }

    fn verify(&mut self) -> Step<u32> {
        self.look(&self.exports.gc_verify, ())
    }

    fn last_error(&mut self) -> Step<Option<Failure>> {
        let code = self.look(&self.exports.gc_last_error, ())?;
        let arg = self.look(&self.exports.gc_last_error_arg, ())?;
        match error_info(code) {
            Some(row) if row.code == ErrorCode::None => Ok(None),
            Some(row) => Ok(Some(Failure::new(row.code, arg))),
            None => fault(format!("gc_last_error is {code}, which is no code")),
        }
    }

    fn pages(&self) -> u32 {
        u32::try_from(self.exports.memory.size(&self.store)).unwrap_or(u32::MAX)
    }

    fn bytes(&self, at: u32, length: u32) -> Step<Cow<'_, [u8]>> {
        let (start, memory) = (at as usize, self.memory());
        match start.checked_add(length as usize).and_then(|end| memory.get(start..end)) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => fault(format!("{length} bytes at {at:#x} are not in memory")),
        }
    }

    fn write(&mut self, at: u32, word: u32) -> Step<()> {
        let bytes = word.to_le_bytes();
        self.exports
            .write(&mut self.store, at, &bytes)
            .map_err(|error| Stop::Fault(error.to_string()))
    }

    fn fill(&mut self, at: u32, length: u32, byte: u8) -> Step<()> {
        self.bytes(at, length)?;
        let memory = self.exports.memory.data_mut(&mut self.store);
        memory[at as usize..][..length as usize].fill(byte);
        Ok(())
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = self.exports.memory.grow(&mut self.store, u64::from(pages)).ok()?;
        u32::try_from(old).ok()
    }

    fn limit(&mut self, pages: u32) {
        self.store.data_mut().set_max_memory(Some((pages as usize) << 16));
    }

    fn sp(&mut self) -> u32 {
        self.exports.sp(&mut self.store)
    }

    fn set_sp(&mut self, sp: u32) {
        self.exports.set_sp(&mut self.store, sp);
    }

    fn stack_base(&self) -> u32 {
        self.exports.gc_stack_base
    }

    fn stack_limit(&self) -> u32 {
        self.exports.gc_stack_limit
    }

    fn program_base(&self) -> u32 {
        self.exports.gc_program_base
    }
}
