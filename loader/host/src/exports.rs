//! The runtime's exports: the one place that knows them by name, and the calls every host makes of them.
//!
//! The calls work on any store context, so that [`Instance`](crate::Instance) and the host callback
//! ([`CallbackCx`](crate::CallbackCx)) share them.

use std::fmt;

use rootstock_program::Marker;
use runtime::error::{ErrorCode, error_info};
use runtime::options::{GcOption, OPTIONS};
use runtime::stats::Stat;
use wasmtime::{
    AsContext, AsContextMut, FuncType, Global, Instance, Memory, Module, StoreContextMut,
    TypedFunc, Val, WasmParams, WasmResults,
};

use crate::error::Error;
use crate::merged::{RuntimeCode, Signature};
use crate::state::HostState;

/// An address in linear memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ptr(pub u32);

impl Ptr {
    /// The address that is nobody's object.
    pub const NULL: Self = Self(0);

    /// Whether this is [`NULL`](Self::NULL).
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on.
    #[must_use]
    pub const fn offset(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl From<Ptr> for u32 {
    fn from(p: Ptr) -> Self {
        p.0
    }
}

impl fmt::Display for Ptr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

type Func<P, R> = TypedFunc<P, R>;

macro_rules! exports {
    ($($name:ident: $params:ty => $results:ty;)*) => {
        /// Handles to what the runtime exports, checked against the ABI.
        #[non_exhaustive]
        pub struct Exports {
            pub(crate) code: RuntimeCode,
            /// The memory.
            pub memory: Memory,
            /// The next free slot of the shadow stack.
            pub gc_sp: Global,
            /// Where the first shadow stack begins.
            pub gc_stack_base: u32,
            /// Where the first shadow stack ends; 0 where a linked program does not say.
            pub gc_stack_limit: u32,
            /// Where a program's static data begin.
            pub gc_program_base: u32,
            $(
                #[doc = concat!("The function `", stringify!($name), "` of the ABI.")]
                pub $name: Func<$params, $results>,
            )*
        }

        impl Exports {
            /// Finds the exports in an instance of the runtime.
            pub fn new(
                cx: impl AsContextMut<Data = HostState>,
                module: &Module,
                instance: &Instance,
                name: &str,
            ) -> Result<Self, Error> {
                Self::find(cx, RuntimeCode::Module(module.clone()), instance, name, None)
            }

            /// Finds them in a module that was linked with the runtime, under the names that its marker says.
            pub(crate) fn find(
                mut cx: impl AsContextMut<Data = HostState>,
                code: RuntimeCode,
                instance: &Instance,
                name: &str,
                marker: Option<&Marker>,
            ) -> Result<Self, Error> {
                let mut find = Find { cx: cx.as_context_mut(), instance, name, marker };
                Ok(Self {
                    code,
                    memory: find.memory("memory")?,
                    gc_sp: find.sp()?,
                    gc_stack_base: find.constant("gc_stack_base")?,
                    gc_stack_limit: find.constant("gc_stack_limit")?,
                    gc_program_base: find.constant("gc_program_base")?,
                    $($name: find.func(stringify!($name))?,)*
                })
            }
        }
    };
}

exports! {
    gc_init: u32 => ();
    alloc: u32 => u32;
    alloc_atomic: u32 => u32;
    try_alloc: u32 => u32;
    try_alloc_atomic: u32 => u32;
    gc_run: (u32, u32) => u32;
    register_wrapper: (u32, u32, u32) => ();
    register_wrapper_sized: (u32, u32, u32, u32) => ();
    try_register_wrapper: (u32, u32, u32) => u32;
    release_wrapper: u32 => u32;
    gc_wrapper: u32 => u32;
    gc_notify: u32 => u32;
    gc_collect: () => ();
    gc_shutdown: () => ();
    gc_add_roots: (u32, u32) => ();
    gc_remove_roots: (u32, u32) => ();
    gc_pin: u32 => ();
    gc_unpin: u32 => ();
    gc_stack_new: u32 => u32;
    gc_stack_switch: u32 => u32;
    gc_stack_free: u32 => ();
    gc_stack_end: () => u32;
    gc_configure: (u32, u32) => i32;
    gc_stat: u32 => i64;
    gc_base: u32 => u32;
    gc_size: u32 => u32;
    gc_verify: () => u32;
    gc_last_error: () => u32;
    gc_last_error_arg: () => u32;
}

/// An export was called that a linked module does not have.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not exported: link with --export-runtime")]
pub(crate) struct LeftOut(&'static str);

struct Find<'a> {
    cx: StoreContextMut<'a, HostState>,
    instance: &'a Instance,
    name: &'a str,
    /// Of a linked module.
    marker: Option<&'a Marker>,
}

impl Find<'_> {
    fn wrong(&self, export: &'static str, cause: impl Into<String>) -> Error {
        Error::Export { module: self.name.to_owned(), export, cause: cause.into() }
    }

    /// The name that an export has in this module.
    fn named(&self, export: &str) -> String {
        match self.marker {
            Some(marker) => format!("{}{export}", marker.prefix),
            None => export.to_owned(),
        }
    }

    /// Whether the runtime's exports were left out, and this one with them.
    fn is_left_out(&mut self, export: &str) -> bool {
        let name = self.named(export);
        self.marker.is_some_and(|marker| !marker.complete)
            && self.instance.get_export(&mut self.cx, &name).is_none()
    }

    fn func<P: WasmParams + Signature, R: WasmResults + Signature>(
        &mut self,
        export: &'static str,
    ) -> Result<Func<P, R>, Error> {
        let found = if self.is_left_out(export) {
            let ty = FuncType::new(self.cx.engine(), P::types(), R::types());
            wasmtime::Func::new(&mut self.cx, ty, move |_, _, _| Err(LeftOut(export).into()))
        } else {
            let name = self.named(export);
            self.instance
                .get_func(&mut self.cx, &name)
                .ok_or_else(|| self.wrong(export, "no function of that name is exported"))?
        };
        found
            .typed(&self.cx)
            .map_err(|_| self.wrong(export, format!("it has the type {}", found.ty(&self.cx))))
    }

    fn memory(&mut self, export: &'static str) -> Result<Memory, Error> {
        self.instance
            .get_memory(&mut self.cx, export)
            .ok_or_else(|| self.wrong(export, "no memory of that name is exported"))
    }

    fn global(&mut self, export: &'static str, mutable: bool) -> Result<(Global, u32), Error> {
        let name = self.named(export);
        let Some(global) = self.instance.get_global(&mut self.cx, &name) else {
            return Err(self.wrong(export, "no global of that name is exported"));
        };
        let is_mutable = global.ty(&self.cx).mutability().is_var();
        match global.get(&mut self.cx) {
            Val::I32(value) if is_mutable == mutable => Ok((global, value.cast_unsigned())),
            Val::I32(_) if mutable => Err(self.wrong(export, "it is not mutable")),
            Val::I32(_) => Err(self.wrong(export, "it is mutable")),
            _ => Err(self.wrong(export, "it is not an i32")),
        }
    }

    fn sp(&mut self) -> Result<Global, Error> {
        self.global("gc_sp", true).map(|(global, _)| global)
    }

    fn constant(&mut self, export: &'static str) -> Result<u32, Error> {
        if self.is_left_out(export) {
            return Ok(0);
        }
        self.global(export, false).map(|(_, value)| value)
    }
}

/// A store context that belongs to a host of ours.
pub trait Context: AsContextMut<Data = HostState> {}

impl<C: AsContextMut<Data = HostState>> Context for C {}

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
