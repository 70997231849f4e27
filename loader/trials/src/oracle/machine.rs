//! The runtime as the oracle drives it: each export, from outside and from inside the host's callback alike, with a
//! trap of the runtime as a result and any other trap as a fault.

use rootstock_host::HostState;
use rootstock_host::exports::Exports;
use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{StoreContextMut, Trap, TypedFunc, WasmParams, WasmResults};
use runtime::error::{ErrorCode, Failure, error_info};
use runtime::stats::Stat;

/// Why a step does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The host trapped in its callback, which unwinds everything up to whoever catches it.
    HostTrap,
    /// The runtime and the model differ.
    Fault(String),
}

pub(super) type Step<T> = Result<T, Stop>;

/// A difference between the runtime and the model.
pub(super) fn fault<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Fault(message.into()))
}

/// A fault unless both are equal.
pub(super) fn equal<T: PartialEq + std::fmt::Debug>(
    what: impl std::fmt::Display,
    found: T,
    expected: T,
) -> Step<()> {
    if found == expected {
        return Ok(());
    }
    fault(format!("{what}: the runtime has {found:?}, the model {expected:?}"))
}

/// What the host's callback returns to the engine when it traps.
#[derive(Debug, thiserror::Error)]
#[error("the host traps in its callback")]
pub(super) struct HostTrap;

/// What it returns when it has found a difference, which is noted elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Found(pub(super) String);

impl From<Stop> for wasmtime::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::HostTrap => HostTrap.into(),
            Stop::Fault(message) => Found(message).into(),
        }
    }
}

/// A result, or why the runtime trapped on purpose.
pub(super) type Answer<T> = Result<T, Failure>;

pub(super) struct Machine<'a> {
    exports: &'a Exports,
    store: StoreContextMut<'a, HostState>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(exports: &'a Exports, store: StoreContextMut<'a, HostState>) -> Self {
        Self { exports, store }
    }

    /// Lets the next operation take as many instructions as any.
    pub(super) fn refuel(&mut self) {
        // Fails only where no fuel is counted.
        let _ = self.store.set_fuel(super::FUEL);
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

    pub(super) fn alloc(&mut self, size: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.alloc, size)
    }

    pub(super) fn alloc_atomic(&mut self, size: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.alloc_atomic, size)
    }

    pub(super) fn try_alloc(&mut self, size: u32) -> Step<Answer<u32>> {
        match self.call(&self.exports.try_alloc, size)? {
            Ok(0) => match self.last_error()? {
                Some(failure) => Ok(Err(failure)),
                None => fault("try_alloc returned 0, and no error is stored"),
            },
            Ok(object) => Ok(Ok(object)),
            Err(failure) => fault(format!("try_alloc trapped: {failure:?}")),
        }
    }

    /// Where the run is noted that serves a size.
    pub(super) fn run(&mut self, size: u32, atomic: bool) -> Step<u32> {
        self.look(&self.exports.gc_run, (size, u32::from(atomic)))
    }

    pub(super) fn register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>> {
        self.call(&self.exports.register_wrapper, (ptr, kind, handle))
    }

    pub(super) fn register_sized(
        &mut self,
        ptr: u32,
        kind: u32,
        handle: u32,
        external: u32,
    ) -> Step<Answer<()>> {
        self.call(&self.exports.register_wrapper_sized, (ptr, kind, handle, external))
    }

    pub(super) fn release(&mut self, ptr: u32) -> Step<Answer<u32>> {
        self.call(&self.exports.release_wrapper, ptr)
    }

    pub(super) fn collect(&mut self) -> Step<Answer<()>> {
        self.call(&self.exports.gc_collect, ())
    }

    pub(super) fn shutdown(&mut self) -> Step<Answer<()>> {
        self.call(&self.exports.gc_shutdown, ())
    }

    pub(super) fn init(&mut self, static_end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_init, static_end)
    }

    pub(super) fn add_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_add_roots, (start, end))
    }

    pub(super) fn remove_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_remove_roots, (start, end))
    }

    pub(super) fn pin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_pin, ptr)
    }

    pub(super) fn unpin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(&self.exports.gc_unpin, ptr)
    }

    pub(super) fn configure(&mut self, option: u32, value: u32) -> Step<i32> {
        self.look(&self.exports.gc_configure, (option, value))
    }

    pub(super) fn stat(&mut self, stat: Stat) -> Step<u64> {
        let value = self.raw_stat(stat as u32)?;
        u64::try_from(value).map_err(|_| Stop::Fault(format!("{stat:?} is {value}")))
    }

    pub(super) fn raw_stat(&mut self, number: u32) -> Step<i64> {
        self.look(&self.exports.gc_stat, number)
    }

    pub(super) fn base(&mut self, at: u32) -> Step<u32> {
        self.look(&self.exports.gc_base, at)
    }

    pub(super) fn size(&mut self, at: u32) -> Step<u32> {
        self.look(&self.exports.gc_size, at)
    }

    pub(super) fn verify(&mut self) -> Step<u32> {
        self.look(&self.exports.gc_verify, ())
    }

    pub(super) fn last_error(&mut self) -> Step<Option<Failure>> {
        let code = self.look(&self.exports.gc_last_error, ())?;
        let arg = self.look(&self.exports.gc_last_error_arg, ())?;
        match error_info(code) {
            Some(row) if row.code == ErrorCode::None => Ok(None),
            Some(row) => Ok(Some(Failure::new(row.code, arg))),
            None => fault(format!("gc_last_error is {code}, which is no code")),
        }
    }

    // Memory and the shadow stack.

    pub(super) fn memory(&self) -> &[u8] {
        self.exports.memory.data(&self.store)
    }

    pub(super) fn pages(&self) -> u32 {
        u32::try_from(self.exports.memory.size(&self.store)).unwrap_or(u32::MAX)
    }

    /// So many bytes from an address on; a fault if they are not in memory.
    pub(super) fn bytes(&self, at: u32, length: u32) -> Step<&[u8]> {
        let (start, memory) = (at as usize, self.memory());
        match start.checked_add(length as usize).and_then(|end| memory.get(start..end)) {
            Some(bytes) => Ok(bytes),
            None => fault(format!("{length} bytes at {at:#x} are not in memory")),
        }
    }

    pub(super) fn word(&self, at: u32) -> Step<u32> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("4 bytes")))
    }

    pub(super) fn write(&mut self, at: u32, word: u32) -> Step<()> {
        let bytes = word.to_le_bytes();
        self.exports
            .write(&mut self.store, at, &bytes)
            .map_err(|error| Stop::Fault(error.to_string()))
    }

    pub(super) fn fill(&mut self, at: u32, length: u32, byte: u8) -> Step<()> {
        self.bytes(at, length)?;
        let memory = self.exports.memory.data_mut(&mut self.store);
        memory[at as usize..][..length as usize].fill(byte);
        Ok(())
    }

    /// Grows memory as somebody else does: the first new page, or nothing.
    pub(super) fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = self.exports.memory.grow(&mut self.store, u64::from(pages)).ok()?;
        u32::try_from(old).ok()
    }

    /// From now on the host lets memory grow to so many pages.
    pub(super) fn limit(&mut self, pages: u32) {
        self.store.data_mut().set_max_memory(Some((pages as usize) << 16));
    }

    pub(super) fn sp(&mut self) -> u32 {
        self.exports.sp(&mut self.store)
    }

    pub(super) fn set_sp(&mut self, sp: u32) {
        self.exports.set_sp(&mut self.store, sp);
    }

    pub(super) fn stack_base(&self) -> u32 {
        self.exports.gc_stack_base
    }

    pub(super) fn stack_limit(&self) -> u32 {
        self.exports.gc_stack_limit
    }

    pub(super) fn program_base(&self) -> u32 {
        self.exports.gc_program_base
    }
}
