//! A host over a native memory, with the calls that a test reads well with.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use rootstock_core::addr::{Addr, PAGE_SIZE};
use rootstock_core::error::{ErrorCode, Failed, Failure};
use rootstock_core::host::{self, Host};
use rootstock_core::memory::{Memory, Regions};
use rootstock_core::options::GcOption;
use rootstock_core::runtime::Runtime;
use rootstock_core::stats::Stat;

use crate::memory::{TestMemory, Trap};

/// Pages that memory may have unless a test says otherwise: 64 MiB, or 8 MiB where all is slow.
pub(crate) const PAGES: u32 = if cfg!(miri) { 128 } else { 1024 };

type Callback = Rc<dyn Fn(&TestHost, u32, u32)>;

/// The one host of a runtime. What its callback does is up to the test.
pub(crate) struct TestHost {
    runtime: RefCell<Runtime<TestMemory>>,
    callback: RefCell<Option<Callback>>,
    told: RefCell<Vec<(u32, u32)>>,
}

impl Host for TestHost {
    type Memory = TestMemory;

    fn with<R>(&self, f: impl FnOnce(&mut Runtime<TestMemory>) -> R) -> R {
        f(&mut self.runtime.borrow_mut())
    }

    fn decref(&self, kind: u32, handle: u32) {
        self.told.borrow_mut().push((kind, handle));
        let callback = self.callback.borrow().clone();
        if let Some(callback) = callback {
            callback(self, kind, handle);
        }
    }
}

/// Why a call failed, as the ABI shows it; `Err` in the results below.
pub(crate) fn failure(code: ErrorCode, arg: u32) -> Failure {
    Failure::new(code, arg)
}

impl TestHost {
    pub(crate) fn new() -> Self {
        Self::with_pages(PAGES)
    }

    pub(crate) fn with_pages(max_pages: u32) -> Self {
        Self {
            runtime: RefCell::new(Runtime::new(TestMemory::new(max_pages))),
            callback: RefCell::new(None),
            told: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn with_options(options: &[(GcOption, u32)]) -> Self {
        let host = Self::new();
        for &(option, value) in options {
            host.configure(option, value);
        }
        host
    }

    /// A host that collects only when it is told to.
    pub(crate) fn manual() -> Self {
        Self::with_options(&[(GcOption::MinHeap, 1 << 30)])
    }

    // The callback.

    pub(crate) fn on_decref(&self, callback: impl Fn(&Self, u32, u32) + 'static) {
        *self.callback.borrow_mut() = Some(Rc::new(callback));
    }

    /// Makes the callback do `f` with the handle; the number of its calls.
    pub(crate) fn counting(&self, f: impl Fn(&Self, u32) + 'static) -> Rc<Cell<u32>> {
        let calls = Rc::new(Cell::new(0));
        let counter = Rc::clone(&calls);
        self.on_decref(move |host, _, handle| {
            counter.set(counter.get() + 1);
            f(host, handle);
        });
        calls
    }

    pub(crate) fn no_callback(&self) {
        *self.callback.borrow_mut() = None;
    }

    /// The handles of which the host was notified since the last call of this function.
    pub(crate) fn told(&self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.told.borrow_mut())
    }

    /// The handles alone, in order.
    pub(crate) fn told_handles(&self) -> Vec<u32> {
        self.told().into_iter().map(|(_, handle)| handle).collect()
    }

    /// Calls `f`; after a trap in it resets `gc_sp`, as a host has to.
    pub(crate) fn catch<R>(&self, f: impl FnOnce(&Self) -> R) -> Result<R, Trap> {
        let sp = self.sp();
        catch_unwind(AssertUnwindSafe(|| f(self))).map_err(|payload| {
            if !payload.is::<Trap>() {
                resume_unwind(payload);
            }
            self.set_sp(sp);
            Trap
        })
    }

    // Operations. A failure is what `gc_last_error` and its argument say.

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.with(|runtime| {
            let (failure, arg) = (runtime.failure(), runtime.last_error_arg());
            let code = failure.map_or(ErrorCode::None, |failure| failure.code);
            assert_eq!(runtime.last_error(), code as u32);
            assert!(failure.is_none_or(|failure| failure.arg == arg));
            failure
        })
    }

    fn outcome<T>(&self, result: Result<T, Failed>) -> Result<T, Failure> {
        result.map_err(|_| self.failure().expect("the reason is stored"))
    }

    pub(crate) fn try_alloc(&self, size: u32, atomic: bool) -> Result<u32, Failure> {
        let object = host::alloc(self, size, atomic);
        if object.is_null() {
            return Err(self.failure().expect("the reason is stored"));
        }
        Ok(object.get())
    }

    pub(crate) fn alloc(&self, size: u32) -> u32 {
        self.try_alloc(size, false).unwrap_or_else(|why| panic!("alloc({size}): {why:?}"))
    }

    pub(crate) fn alloc_atomic(&self, size: u32) -> u32 {
        self.try_alloc(size, true).unwrap_or_else(|why| panic!("alloc_atomic({size}): {why:?}"))
    }

    /// Allocates and pushes the object as a root.
    pub(crate) fn alloc_root(&self, size: u32) -> u32 {
        let object = self.alloc(size);
        self.push(object);
        object
    }

    pub(crate) fn try_register(&self, ptr: u32, kind: u32, handle: u32) -> Result<(), Failure> {
        let result = host::register(self, Addr::new(ptr), kind, handle);
        self.outcome(result)
    }

    pub(crate) fn try_register_sized(
        &self,
        ptr: u32,
        kind: u32,
        handle: u32,
        external: u32,
    ) -> Result<(), Failure> {
        self.try_register(ptr, kind, handle)?;
        self.with(|runtime| runtime.set_external(external));
        Ok(())
    }

    /// Allocates a wrapper of 16 bytes and registers it with kind 1.
    pub(crate) fn wrapper(&self, handle: u32) -> u32 {
        let ptr = self.alloc(16);
        self.try_register(ptr, 1, handle).unwrap_or_else(|why| panic!("register: {why:?}"));
        ptr
    }

    /// [`Self::wrapper`] that pushes the object as a root first.
    pub(crate) fn wrapper_root(&self, handle: u32) -> u32 {
        let ptr = self.alloc_root(16);
        self.try_register(ptr, 1, handle).unwrap_or_else(|why| panic!("register: {why:?}"));
        ptr
    }

    /// Wrappers that die at the next collection, with the handles from 0 on.
    pub(crate) fn dead_wrappers(&self, count: u32) {
        for handle in 0..count {
            self.wrapper(handle);
        }
    }

    pub(crate) fn release(&self, ptr: u32) -> Result<bool, Failure> {
        let result = host::release(self, Addr::new(ptr));
        self.outcome(result)
    }

    pub(crate) fn try_collect(&self) -> Result<(), Failure> {
        let result = host::collect(self);
        self.outcome(result)
    }

    pub(crate) fn collect(&self) {
        self.try_collect().unwrap_or_else(|why| panic!("collect: {why:?}"));
    }

    pub(crate) fn shutdown(&self) {
        let result = host::shutdown(self);
        self.outcome(result).unwrap_or_else(|why| panic!("shutdown: {why:?}"));
    }

    /// Notifies the host of at most `max` handles; returns the number that is left.
    pub(crate) fn notify(&self, max: u32) -> u32 {
        let result = host::notify(self, max);
        self.outcome(result).unwrap_or_else(|why| panic!("notify: {why:?}"))
    }

    /// Kind and handle of an object's entry in the wrap-table.
    pub(crate) fn wrapper_entry(&self, ptr: u32) -> Option<(u32, u32)> {
        let entry = self.with(|runtime| runtime.wrapper(Addr::new(ptr))).get();
        (entry != 0).then(|| (self.read(entry), self.read(entry + 4)))
    }

    pub(crate) fn init(&self, static_end: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.init(Addr::new(static_end)));
        self.outcome(result)
    }

    pub(crate) fn add_roots(&self, start: u32, end: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.add_roots(Addr::new(start), Addr::new(end)));
        self.outcome(result)
    }

    pub(crate) fn remove_roots(&self, start: u32, end: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.remove_roots(Addr::new(start), Addr::new(end)));
        self.outcome(result)
    }

    pub(crate) fn pin(&self, ptr: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.pin(Addr::new(ptr)));
        self.outcome(result)
    }

    pub(crate) fn unpin(&self, ptr: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.unpin(Addr::new(ptr)));
        self.outcome(result)
    }

    pub(crate) fn stack_new(&self, slots: u32) -> Result<u32, Failure> {
        let result = self.with(|runtime| runtime.stack_new(slots));
        self.outcome(result)
    }

    pub(crate) fn stack_switch(&self, stack: u32) -> Result<u32, Failure> {
        let result = self.with(|runtime| runtime.stack_switch(stack));
        self.outcome(result)
    }

    pub(crate) fn stack_free(&self, stack: u32) -> Result<(), Failure> {
        let result = self.with(|runtime| runtime.stack_free(stack));
        self.outcome(result)
    }

    pub(crate) fn stack_end(&self) -> u32 {
        self.with(|runtime| runtime.stack_end()).get()
    }

    /// Sets an option to a value that it takes.
    pub(crate) fn configure(&self, option: GcOption, value: u32) -> u32 {
        let old = self.with(|runtime| runtime.configure(option as u32, value));
        u32::try_from(old).unwrap_or_else(|_| panic!("{option:?} does not take {value}"))
    }

    pub(crate) fn stat(&self, stat: Stat) -> u64 {
        let value = self.with(|runtime| runtime.stat(stat as u32));
        u64::try_from(value).unwrap_or_else(|_| panic!("{stat:?} is {value}"))
    }

    pub(crate) fn base(&self, ptr: u32) -> u32 {
        self.with(|runtime| runtime.base(Addr::new(ptr))).get()
    }

    pub(crate) fn size(&self, ptr: u32) -> u32 {
        self.with(|runtime| runtime.size(Addr::new(ptr)))
    }

    pub(crate) fn verify(&self) -> u32 {
        self.with(|runtime| runtime.verify())
    }

    /// Fails if an invariant of the heap is broken, or something was written near address 0.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(self.verify(), 0, "gc_verify");
        assert!(self.bytes(0, 1024) == [0; 1024], "an access through null");
    }

    /// Tells whether an object starts at this address.
    pub(crate) fn is_object(&self, ptr: u32) -> bool {
        ptr != 0 && self.base(ptr) == ptr
    }

    // Memory.

    pub(crate) fn memory<R>(&self, f: impl FnOnce(&mut TestMemory) -> R) -> R {
        self.with(|runtime| f(runtime.memory_mut()))
    }

    /// Calls `f` with each of `objects`, which may access memory so often on average.
    pub(crate) fn each_within(&self, accesses: u64, objects: &[u32], f: impl Fn(u32)) {
        self.memory(|memory| memory.set_fuel(Some(accesses * objects.len() as u64)));
        objects.iter().for_each(|&object| f(object));
        self.memory(|memory| memory.set_fuel(None));
    }

    pub(crate) fn regions(&self) -> Regions {
        self.memory(|memory| memory.regions())
    }

    pub(crate) fn pages(&self) -> u32 {
        self.memory(|memory| memory.pages())
    }

    /// Grows memory as another allocator.
    pub(crate) fn foreign_grow(&self, pages: u32) -> Option<u32> {
        self.memory(|memory| memory.grow(pages))
    }

    pub(crate) fn read(&self, at: u32) -> u32 {
        self.memory(|memory| memory.load32(Addr::new(at), 0))
    }

    pub(crate) fn write(&self, at: u32, word: u32) {
        self.memory(|memory| memory.store32(Addr::new(at), 0, word));
    }

    pub(crate) fn read8(&self, at: u32) -> u8 {
        self.memory(|memory| memory.load8(Addr::new(at), 0))
    }

    pub(crate) fn write8(&self, at: u32, byte: u8) {
        self.memory(|memory| memory.store8(Addr::new(at), 0, byte));
    }

    pub(crate) fn fill(&self, at: u32, bytes: u32, value: u8) {
        self.memory(|memory| memory.fill(Addr::new(at), bytes, value));
    }

    /// Tells whether the bytes from `at` on all have this value.
    pub(crate) fn is_filled(&self, at: u32, bytes: u32, value: u8) -> bool {
        self.bytes(at, bytes) == vec![value; bytes as usize]
    }

    /// A copy of the bytes from `at` on.
    pub(crate) fn bytes(&self, at: u32, bytes: u32) -> Vec<u8> {
        self.memory(|memory| {
            let end = u64::from(at) + u64::from(bytes);
            assert!(end <= u64::from(memory.pages()) * u64::from(PAGE_SIZE));
            // SAFETY: the range is inside memory, and nobody writes to it meanwhile.
            unsafe { std::slice::from_raw_parts(memory.ptr(Addr::new(at)), bytes as usize) }.into()
        })
    }

    // The shadow stack.

    pub(crate) fn sp(&self) -> u32 {
        self.memory(|memory| memory.sp()).get()
    }

    pub(crate) fn set_sp(&self, sp: u32) {
        self.memory(|memory| memory.set_sp(Addr::new(sp)));
    }

    pub(crate) fn push(&self, root: u32) {
        let sp = self.sp();
        self.write(sp, root);
        self.set_sp(sp + 4);
    }

    pub(crate) fn pop(&self, slots: u32) {
        self.set_sp(self.sp() - 4 * slots);
    }

    /// Forgets all roots on the shadow stack.
    pub(crate) fn clear_stack(&self) {
        self.set_sp(self.regions().stack_base.get());
    }
}
