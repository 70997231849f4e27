//! The driver program `guest.wat`: loops inside wasm that call the runtime as a compiled program does.

use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{Module, TypedFunc, WasmParams, WasmResults};
use rootstock_host::{Error, Instance, Ptr};

use super::cx::Outcome;

/// The functions of the driver, linked with one instance of the runtime.
pub(super) struct Guest {
    burst: TypedFunc<(u32, u32), ()>,
    keep: TypedFunc<(u32, u32), ()>,
    garbage: TypedFunc<(u32, u32), ()>,
    list_build: TypedFunc<(u32, u32), ()>,
    list_check: TypedFunc<(u32, u32), i32>,
    tree_build: TypedFunc<(u32, u32), u32>,
    tree_check: TypedFunc<(u32, u32, u32), u32>,
    comb_build: TypedFunc<(u32, u32, u32), ()>,
    comb_check: TypedFunc<(u32, u32, u32), u32>,
    star_fill: TypedFunc<(u32, u32, u32), ()>,
    star_check: TypedFunc<(u32, u32, u32), u32>,
    push_leaves: TypedFunc<(u32, u32), ()>,
}

impl Guest {
    /// Links the driver with an instance.
    pub(super) fn new(vm: &mut Instance) -> Outcome<Self> {
        let failed = |error: &wasmtime::Error| Error::engine("the driver program guest.wat", error);
        let wasm = wat::parse_str(include_str!("guest.wat"))
            .map_err(|error| failed(&wasmtime::Error::new(error)))?;
        let module = Module::new(vm.store_mut().engine(), wasm).map_err(|error| failed(&error))?;
        let (linker, store) = vm.linker_and_store();
        let program = linker.instantiate(store, &module).map_err(|error| failed(&error))?;
        macro_rules! functions {
            ($($name:ident),*) => {
                Self {
                    $($name: program
                        .get_typed_func(vm.store_mut(), stringify!($name))
                        .map_err(|error| failed(&error))?,)*
                }
            };
        }
        Ok(functions!(
            burst,
            keep,
            garbage,
            list_build,
            list_check,
            tree_build,
            tree_check,
            comb_build,
            comb_check,
            star_fill,
            star_check,
            push_leaves
        ))
    }

    /// Makes `n` wrappers that die at once.
    pub(super) fn burst(&self, vm: &mut Instance, n: u32, kind: u32) -> Outcome<()> {
        call(vm, &self.burst, (n, kind))
    }

    /// Makes `n` wrappers and roots each in a slot of its own.
    pub(super) fn keep(&self, vm: &mut Instance, n: u32, kind: u32) -> Outcome<()> {
        call(vm, &self.keep, (n, kind))
    }

    /// Makes `n` objects that die at once.
    pub(super) fn garbage(&self, vm: &mut Instance, n: u32, size: u32) -> Outcome<()> {
        call(vm, &self.garbage, (n, size))
    }

    /// Puts the nodes `from..to` in front of the list that hangs from the topmost slot.
    pub(super) fn list_build(&self, vm: &mut Instance, from: u32, to: u32) -> Outcome<()> {
        call(vm, &self.list_build, (from, to))
    }

    /// The number of nodes in a list of `n`; -1 if anything is wrong with it.
    pub(super) fn list_check(&self, vm: &mut Instance, head: Ptr, n: u32) -> Outcome<i32> {
        call(vm, &self.list_check, (head.0, n))
    }

    /// Builds a full tree; its root is nowhere rooted.
    pub(super) fn tree_build(&self, vm: &mut Instance, depth: u32, path: u32) -> Outcome<Ptr> {
        call(vm, &self.tree_build, (depth, path)).map(Ptr)
    }

    /// The number of nodes of a full tree that are as they were built.
    pub(super) fn tree_check(
        &self,
        vm: &mut Instance,
        root: Ptr,
        depth: u32,
        path: u32,
    ) -> Outcome<u32> {
        call(vm, &self.tree_check, (root.0, depth, path))
    }

    /// Adds `from..to` to the spine that hangs from the topmost slot, each with a leaf and its seed.
    pub(super) fn comb_build(
        &self,
        vm: &mut Instance,
        from: u32,
        to: u32,
        side: u32,
    ) -> Outcome<()> {
        call(vm, &self.comb_build, (from, to, side))
    }

    /// The number of nodes of a spine, its leaves and their seeds that are as they were built: three for each of `n`.
    pub(super) fn comb_check(
        &self,
        vm: &mut Instance,
        top: Ptr,
        n: u32,
        side: u32,
    ) -> Outcome<u32> {
        call(vm, &self.comb_check, (top.0, n, side))
    }

    /// Fills the words `from..to` of an array with a leaf each.
    pub(super) fn star_fill(
        &self,
        vm: &mut Instance,
        array: Ptr,
        from: u32,
        to: u32,
    ) -> Outcome<()> {
        call(vm, &self.star_fill, (array.0, from, to))
    }

    /// The number of these leaves that are as they were made.
    pub(super) fn star_check(
        &self,
        vm: &mut Instance,
        array: Ptr,
        from: u32,
        to: u32,
    ) -> Outcome<u32> {
        call(vm, &self.star_check, (array.0, from, to))
    }

    /// Pushes a leaf for each of `from..to`.
    pub(super) fn push_leaves(&self, vm: &mut Instance, from: u32, to: u32) -> Outcome<()> {
        call(vm, &self.push_leaves, (from, to))
    }
}

fn call<P: WasmParams, R: WasmResults>(
    vm: &mut Instance,
    func: &TypedFunc<P, R>,
    params: P,
) -> Outcome<R> {
    Ok(vm.exports().call(vm.store_mut(), func, params)?)
}
