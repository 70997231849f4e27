//! The runtime's exports: the one place that knows them by name, and the calls every host makes of them.
//!
//! The calls work on any store context, so that [`Instance`](crate::Instance) and the host callback
//! ([`CallbackCx`](crate::CallbackCx)) share them.

mod calls;

use std::fmt;

use rootstock_program::Marker;
use wasmtime::{
    AsContextMut, FuncType, Global, Instance, Memory, Module, StoreContextMut, TypedFunc, Val,
    WasmParams, WasmResults,
};

use crate::code::{RuntimeCode, Signature};
use crate::error::Error;
use crate::state::HostState;

/// An address in linear memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ptr(pub u32);

impl Ptr {
    /// The address that is nobody's object.
    pub const NULL: Self = Self(0);

    /// Tells whether this is [`NULL`](Self::NULL).
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
            /// The start of the first shadow stack.
            pub gc_stack_base: u32,
            /// The end of the first shadow stack; 0 where a linked program does not say.
            pub gc_stack_limit: u32,
            /// The start of a program's static data.
            pub gc_program_base: u32,
            $(
                #[doc = concat!("The function `", stringify!($name), "` of the ABI.")]
                pub $name: Func<$params, $results>,
            )*
        }

        impl Exports {
            /// Finds the exports in an instance of the runtime.
            ///
            /// # Errors
            ///
            /// If one of them is missing, or has another type.
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

    /// Tells whether the runtime's exports were left out, and this one with them.
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
