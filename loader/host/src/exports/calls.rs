//! The calls that every host makes of the exports.

use runtime::error::{ErrorCode, error_info};
use runtime::options::{GcOption, OPTIONS};
use runtime::stats::Stat;
use wasmtime::{AsContext, Val};

use crate::error::Error;
use crate::exports::{Context, Exports, Ptr};

impl Exports {
    pub(crate) fn alloc(&self, cx: impl Context, size: u32) -> Result<Ptr, Error> {
        self.call(cx, &self.alloc, size).map(Ptr)
    }

    pub(crate) fn alloc_atomic(&self, cx: impl Context, size: u32) -> Result<Ptr, Error> {
        self.call(cx, &self.alloc_atomic, size).map(Ptr)
    }

    pub(crate) fn try_alloc(&self, cx: impl Context, size: u32) -> Result<Option<Ptr>, Error> {
        let address = self.call(cx, &self.try_alloc, size)?;
        Ok((address != 0).then_some(Ptr(address)))
    }

    pub(crate) fn try_alloc_atomic(
        &self,
        cx: impl Context,
        size: u32,
    ) -> Result<Option<Ptr>, Error> {
        let address = self.call(cx, &self.try_alloc_atomic, size)?;
        Ok((address != 0).then_some(Ptr(address)))
    }

    /// Kind and handle of an object's entry in the wrap-table.
    pub(crate) fn wrapper(&self, mut cx: impl Context, p: Ptr) -> Option<(u32, u32)> {
        let entry = self.look(&mut cx, &self.gc_wrapper, p.0).ok().filter(|&entry| entry != 0)?;
        let mut pair = [0; 8];
        self.read(cx, entry, &mut pair).ok()?;
        let word =
            |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        Some((word(0), word(4)))
    }

    pub(crate) fn notify(&self, cx: impl Context, max: u32) -> Result<u32, Error> {
        self.call(cx, &self.gc_notify, max)
    }

    pub(crate) fn register_wrapper(
        &self,
        cx: impl Context,
        p: Ptr,
        kind: u32,
        handle: u32,
    ) -> Result<(), Error> {
        self.call(cx, &self.register_wrapper, (p.0, kind, handle))
    }

    pub(crate) fn release_wrapper(&self, cx: impl Context, p: Ptr) -> Result<bool, Error> {
        self.call(cx, &self.release_wrapper, p.0).map(|done| done != 0)
    }

    pub(crate) fn configure(
        &self,
        cx: impl Context,
        option: GcOption,
        value: u32,
    ) -> Result<u32, Error> {
        let old = self.look(cx, &self.gc_configure, (option as u32, value))?;
        u32::try_from(old).map_err(|_| {
            let row = &OPTIONS[option as usize];
            Error::OptionRefused {
                option: row.name,
                value,
                allowed: format!("{} to {} are allowed", row.min, row.max),
            }
        })
    }

    /// A statistic; -1 if the runtime does not know it.
    pub fn stat(&self, cx: impl Context, stat: Stat) -> i64 {
        self.look(cx, &self.gc_stat, stat as u32).unwrap_or(-1)
    }

    pub(crate) fn base(&self, cx: impl Context, address: u32) -> Option<Ptr> {
        match self.look(cx, &self.gc_base, address) {
            Ok(0) | Err(_) => None,
            Ok(base) => Some(Ptr(base)),
        }
    }

    pub(crate) fn size(&self, mut cx: impl Context, address: u32) -> Option<u32> {
        self.base(&mut cx, address)?;
        self.look(cx, &self.gc_size, address).ok()
    }

    pub(crate) fn verify(&self, cx: impl Context) -> Result<u32, Error> {
        self.look(cx, &self.gc_verify, ())
    }

    /// The last error that the runtime stored, and its argument.
    pub fn last_error(&self, mut cx: impl Context) -> Option<(ErrorCode, u32)> {
        let code = self.look(&mut cx, &self.gc_last_error, ()).ok()?;
        let arg = self.look(cx, &self.gc_last_error_arg, ()).ok()?;
        match error_info(code)?.code {
            ErrorCode::None => None,
            code => Some((code, arg)),
        }
    }

    /// One past the last slot of the current stack. Where that cannot be asked there is only the first.
    pub fn stack_end(&self, cx: impl Context) -> u32 {
        self.look(cx, &self.gc_stack_end, ()).unwrap_or(self.gc_stack_limit)
    }

    /// The value of `gc_sp`: the next free slot of the shadow stack.
    pub fn sp(&self, mut cx: impl Context) -> u32 {
        match self.gc_sp.get(&mut cx) {
            Val::I32(value) => value.cast_unsigned(),
            // `Exports::new` checked the type.
            _ => 0,
        }
    }

    /// Sets `gc_sp`. Nothing is checked before the next collection.
    pub fn set_sp(&self, cx: impl Context, sp: u32) {
        let set = self.gc_sp.set(cx, Val::I32(sp.cast_signed()));
        debug_assert!(set.is_ok(), "gc_sp is a mutable i32: Exports::new checked it");
    }

    pub(crate) fn push_root(&self, mut cx: impl Context, p: Ptr) -> Result<(), Error> {
        let sp = self.sp(&mut cx);
        // Other stacks lie above the first.
        if sp >= self.gc_stack_limit {
            let limit = self.stack_end(&mut cx);
            if sp >= limit {
                return Err(Error::ShadowStackFull { limit });
            }
        }
        self.write(&mut cx, sp, &p.0.to_le_bytes())?;
        self.set_sp(cx, sp + 4);
        Ok(())
    }

    /// Copies memory out.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn read(&self, cx: impl AsContext, address: u32, into: &mut [u8]) -> Result<(), Error> {
        let memory = self.memory.data(&cx);
        let start = address as usize;
        match start.checked_add(into.len()).and_then(|end| memory.get(start..end)) {
            Some(bytes) => {
                into.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::OutOfBounds { address, length: into.len(), memory: memory.len() }),
        }
    }

    /// Copies into memory.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn write(&self, mut cx: impl Context, address: u32, from: &[u8]) -> Result<(), Error> {
        let memory = self.memory.data_mut(&mut cx);
        let size = memory.len();
        let start = address as usize;
        match start.checked_add(from.len()).and_then(|end| memory.get_mut(start..end)) {
            Some(bytes) => {
                bytes.copy_from_slice(from);
                Ok(())
            }
            None => Err(Error::OutOfBounds { address, length: from.len(), memory: size }),
        }
    }
}
