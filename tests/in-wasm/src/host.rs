//! A runtime with a host that is ordinary Rust code of the same module.

use std::cell::RefCell;

use runtime::addr::Addr;
use runtime::error::Failed;
use runtime::host::{self, Host};
use runtime::memory::Memory;
use runtime::options::GcOption;
use runtime::runtime::Runtime;
use runtime::stats::Stat;

use crate::SharedMemory;

type Callback = dyn Fn(&Heap, u32, u32);

/// A heap in the module's memory. What it tells the host is recorded, and given to the callback if there is one.
pub struct Heap {
    runtime: RefCell<Runtime<SharedMemory>>,
    told: RefCell<Vec<(u32, u32)>>,
    callback: Option<Box<Callback>>,
}

impl Host for Heap {
    type Memory = SharedMemory;

    fn with<R>(&self, f: impl FnOnce(&mut Runtime<SharedMemory>) -> R) -> R {
        // A borrow while the host runs would be a mistake of the runtime's, and panics here.
        f(&mut self.runtime.borrow_mut())
    }

    fn decref(&self, kind: u32, handle: u32) {
        self.told.borrow_mut().push((kind, handle));
        if let Some(callback) = &self.callback {
            callback(self, kind, handle);
        }
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self {
            runtime: RefCell::new(Runtime::new(SharedMemory::default())),
            told: RefCell::default(),
            callback: None,
        }
    }
}

impl Heap {
    /// A heap whose host does something when it is told.
    pub fn with_callback(callback: impl Fn(&Heap, u32, u32) + 'static) -> Self {
        Self { callback: Some(Box::new(callback)), ..Self::default() }
    }

    /// Allocates; `None` where there is no memory.
    pub fn alloc(&self, size: u32) -> Option<u32> {
        Some(host::alloc(self, size, false).get()).filter(|at| *at != 0)
    }

    /// Allocates what holds no pointers.
    pub fn alloc_atomic(&self, size: u32) -> Option<u32> {
        Some(host::alloc(self, size, true).get()).filter(|at| *at != 0)
    }

    /// Makes an object stand for a handle.
    pub fn register(&self, ptr: u32, kind: u32, handle: u32) -> Result<(), Failed> {
        host::register(self, Addr::new(ptr), kind, handle)
    }

    /// Disposes of a wrapper.
    pub fn release(&self, ptr: u32) -> Result<bool, Failed> {
        host::release(self, Addr::new(ptr))
    }

    /// Runs a collection.
    pub fn collect(&self) {
        host::collect(self).expect("a collection");
    }

    /// Tells the host about all wrappers.
    pub fn shutdown(&self) {
        host::shutdown(self).expect("a shutdown");
    }

    /// Sets an option.
    pub fn configure(&self, option: GcOption, value: u32) {
        assert_ne!(
            self.with(|runtime| runtime.configure(option as u32, value)),
            -1,
            "{option:?} = {value}"
        );
    }

    /// A statistic.
    pub fn stat(&self, stat: Stat) -> i64 {
        self.with(|runtime| runtime.stat(stat as u32))
    }

    /// The heap checker's answer.
    pub fn verify(&self) -> u32 {
        self.with(|runtime| runtime.verify())
    }

    /// The object that an address lies in, 0 if none.
    pub fn base(&self, ptr: u32) -> u32 {
        self.with(|runtime| runtime.base(Addr::new(ptr))).get()
    }

    /// What the host was told so far, in order; it is forgotten.
    pub fn told(&self) -> Vec<(u32, u32)> {
        self.told.take()
    }

    /// Pushes a root.
    pub fn push(&self, value: u32) {
        self.with(|runtime| {
            let memory = runtime.memory_mut();
            let sp = memory.sp();
            assert!(sp < memory.regions().stack_limit, "the shadow stack is full");
            memory.store32(sp, 0, value);
            memory.set_sp(sp.plus(4));
        });
    }

    /// Pops roots.
    pub fn pop(&self, count: u32) {
        self.with(|runtime| {
            let memory = runtime.memory_mut();
            let sp = memory.sp();
            memory.set_sp(Addr::new(sp.get() - 4 * count));
        });
    }

    /// The root that was pushed last.
    pub fn top(&self) -> u32 {
        self.with(|runtime| {
            let memory = runtime.memory();
            memory.load32(Addr::new(memory.sp().get() - 4), 0)
        })
    }

    /// A word of memory.
    pub fn read(&self, at: u32) -> u32 {
        self.with(|runtime| runtime.memory().load32(Addr::new(at), 0))
    }

    /// Stores a word.
    pub fn write(&self, at: u32, value: u32) {
        self.with(|runtime| runtime.memory_mut().store32(Addr::new(at), 0, value));
    }
}
