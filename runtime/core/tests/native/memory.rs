//! A memory that can be told to refuse growth, to count it, and to stop in the middle.

use std::cell::Cell;
use std::panic::resume_unwind;

use rootstock_core::addr::Addr;
use rootstock_core::memory::{Memory, Regions};
use rootstock_core::native::NativeMemory;

/// The payload that unwinds when a call is cut short: a trap in the host's callback, or no fuel left.
pub(crate) struct Trap;

/// Unwinds as a trap does. The panic hook is not called, as nothing is wrong.
pub(crate) fn trap() -> ! {
    resume_unwind(Box::new(Trap))
}

pub(crate) struct TestMemory {
    inner: NativeMemory,
    /// Accesses until the memory traps; `None` is no limit.
    fuel: Cell<Option<u64>>,
    refuse: bool,
    growths: u32,
    spare: Option<(Addr, Addr)>,
}

impl TestMemory {
    pub(crate) fn new(max_pages: u32) -> Self {
        let inner = NativeMemory::new(max_pages);
        Self { inner, fuel: Cell::new(None), refuse: false, growths: 0, spare: None }
    }

    /// The pointer to an address.
    pub(crate) fn ptr(&self, at: Addr) -> *mut u8 {
        self.inner.ptr(at)
    }

    /// Says that this memory is nobody's.
    pub(crate) fn set_spare(&mut self, start: u32, end: u32) {
        self.spare = Some((Addr::new(start), Addr::new(end)));
    }

    /// Traps after `accesses` more loads, stores, fills and copies.
    pub(crate) fn set_fuel(&self, accesses: Option<u64>) {
        self.fuel.set(accesses);
    }

    /// From now on `grow` fails, or works again.
    pub(crate) fn refuse_growth(&mut self, refuse: bool) {
        self.refuse = refuse;
    }

    /// The number of times that memory has grown.
    pub(crate) fn growths(&self) -> u32 {
        self.growths
    }

    fn burn(&self) {
        if let Some(left) = self.fuel.get() {
            match left.checked_sub(1) {
                Some(left) => self.fuel.set(Some(left)),
                None => trap(),
            }
        }
    }
}

// SAFETY: all calls are left to `NativeMemory`; `grow` may also refuse, which any memory may.
unsafe impl Memory for TestMemory {
    fn load8(&self, at: Addr, offset: u32) -> u8 {
        self.burn();
        self.inner.load8(at, offset)
    }

    fn load32(&self, at: Addr, offset: u32) -> u32 {
        self.burn();
        self.inner.load32(at, offset)
    }

    fn load64(&self, at: Addr, offset: u32) -> u64 {
        self.burn();
        self.inner.load64(at, offset)
    }

    fn store8(&mut self, at: Addr, offset: u32, value: u8) {
        self.burn();
        self.inner.store8(at, offset, value);
    }

    fn store32(&mut self, at: Addr, offset: u32, value: u32) {
        self.burn();
        self.inner.store32(at, offset, value);
    }

    fn store64(&mut self, at: Addr, offset: u32, value: u64) {
        self.burn();
        self.inner.store64(at, offset, value);
    }

    fn fill(&mut self, at: Addr, bytes: u32, value: u8) {
        self.burn();
        self.inner.fill(at, bytes, value);
    }

    fn copy(&mut self, to: Addr, from: Addr, bytes: u32) {
        self.burn();
        self.inner.copy(to, from, bytes);
    }

    fn pages(&self) -> u32 {
        self.inner.pages()
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        if self.refuse {
            return None;
        }
        let old = self.inner.grow(pages)?;
        self.growths += 1;
        Some(old)
    }

    fn spare(&self) -> Option<(Addr, Addr)> {
        self.spare
    }

    fn regions(&self) -> Regions {
        self.inner.regions()
    }

    fn sp(&self) -> Addr {
        self.inner.sp()
    }

    fn set_sp(&mut self, sp: Addr) {
        self.inner.set_sp(sp);
    }
}
