//! The phases that a linked program can lack, as functions that a linker can find.
//!
//! Each is exported under a name that begins with `__`, which is no part of the ABI, and has the type
//! `(runtime, argument) -> result`. The custom section [`PHASES`] says which exports of the ABI need it. A linker whose
//! program uses none of them replaces the function by one that returns 0; all that only the phase calls is then gone,
//! the import of the host among it.

use rootstock_core::addr::Addr;
use rootstock_core::host;
use rootstock_core::phases::Phase;
use rootstock_core::runtime::Runtime;

use crate::wasm::WasmMemory;
use crate::{INSTANCE, Import};

type Core = Runtime<WasmMemory>;

/// The runtime at its address, which is a constant for the compiler. With an address from a parameter all of the core
/// would be larger, and marking slower.
#[inline(always)]
fn at_its_address(runtime: &mut Core) -> &mut Core {
    let _ = core::ptr::from_mut(runtime).expose_provenance();
    // SAFETY: the module has one runtime, so this is the address of `runtime`, whose provenance was exposed; `runtime`
    // itself is given up for as long as the result lives.
    unsafe { &mut *core::ptr::with_exposed_provenance_mut(INSTANCE.0.get().addr()) }
}

macro_rules! phases {
    ($($($phase:ident = $name:ident)+, $others:literal: $exports:literal;)*) => {
        $($(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $name(runtime: &mut Core, argument: u32) -> u32 {
                at_its_address(runtime).run_phase(Phase::$phase, argument)
            }
        )+)*

        /// Runs a phase of the core.
        #[inline(always)]
        pub(crate) fn run(runtime: &mut Core, phase: Phase, argument: u32) -> u32 {
            match phase {
                $($(Phase::$phase => $name(runtime, argument),)+)*
            }
        }

        /// A line for each group of phases: their functions, a colon, the exports of the ABI that need them.
        const TEXT: &str = concat!($($(stringify!($name), " ",)+ $others, ": ", $exports, "\n",)*);
    };
}

phases! {
    Wrappers = __phase_wrappers Nested = __phase_nested, "__phase_notify":
        "register_wrapper register_wrapper_sized try_register_wrapper";
    Pins = __phase_pins, "": "gc_pin";
    Ranges = __phase_ranges, "": "gc_add_roots";
    Stacks = __phase_stacks, "": "gc_stack_new";
    Statistics = __phase_statistics, "": "gc_stat";
    Eager = __phase_eager Poison = __phase_poison Verify = __phase_verify Stray = __phase_stray
        Clean = __phase_clean, "":
        "gc_configure";
}

/// The section `rootstock.phases`. As nothing refers to it, it is no part of the module's data.
#[allow(dead_code, reason = "linkers read it")]
#[unsafe(link_section = "rootstock.phases")]
static PHASES: [u8; TEXT.len()] = {
    let mut bytes = [0; TEXT.len()];
    bytes.copy_from_slice(TEXT.as_bytes());
    bytes
};

/// A phase that does nothing, for object links: `rootstock sdk` has the others give way to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __phase_none(_: *mut Core, _: u32) -> u32 {
    0
}

/// Notifies the host of the dead that a collection in this call left; `object` is kept alive meanwhile.
#[inline(always)]
pub(crate) fn notify(object: Addr) {
    __phase_notify(core::ptr::null_mut(), object.get());
}

/// The runtime is borrowed step by step, so this phase takes none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __phase_notify(_: *mut Core, object: u32) -> u32 {
    host::notify_pending(&Import, Addr::new(object));
    0
}
