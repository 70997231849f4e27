//! The native memory refuses what a wasm memory would trap at, and what its users never do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rootstock_core::addr::{Addr, PAGE_SIZE};
use rootstock_core::memory::Memory;
use rootstock_core::native::NativeMemory;

/// A memory that may grow, so that what is outside it is still the process's; and its end.
fn memory() -> (NativeMemory, Addr) {
    let memory = NativeMemory::new(64);
    let end = Addr::new(memory.pages() * PAGE_SIZE);
    assert!(memory.pages() < 64);
    (memory, end)
}

fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

#[test]
fn up_to_the_end_and_no_further() {
    let (mut memory, end) = memory();
    memory.fill(end.minus(16), 16, 0xAB);
    assert_eq!(memory.load8(end.minus(1), 0), 0xAB);
    assert_eq!(memory.load32(end.minus(8), 4), 0xABAB_ABAB);
    assert_eq!(memory.load64(end.minus(16), 8), 0xABAB_ABAB_ABAB_ABAB);
    memory.copy(end.minus(8), end.minus(16), 8);
    assert!(panics(|| memory.load8(end, 0)));
    assert!(panics(|| memory.load32(end.minus(4), 4)));
    assert!(panics(|| memory.load64(end, 0)));
    assert!(panics(|| memory.store8(end, 0, 1)));
    assert!(panics(|| memory.store32(end, 0, 1)));
    assert!(panics(|| memory.store64(end.minus(8), 8, 1)));
    assert!(panics(|| memory.fill(end.minus(16), 17, 0)));
    assert!(panics(|| memory.copy(end.minus(4), end.minus(16), 5)));
    assert!(panics(|| memory.copy(end.minus(16), end.minus(4), 5)));
    assert!(panics(|| memory.load32(Addr::new(u32::MAX - 3), 8)), "offsets do not wrap");
    assert_eq!(memory.grow(64 - memory.pages()), Some(end.get() / PAGE_SIZE));
    assert_eq!(memory.load64(end, 0), 0, "new pages are zeros");
    assert_eq!((memory.grow(1), memory.pages()), (None, 64));
}

#[test]
fn words_are_aligned() {
    let (mut memory, end) = memory();
    assert!(panics(|| memory.load32(end.minus(6), 0)));
    assert!(panics(|| memory.load64(end.minus(12), 0)));
    assert!(panics(|| memory.store32(end.minus(7), 0, 1)));
    assert!(panics(|| memory.store64(end.minus(12), 0, 1)));
}

#[test]
fn what_is_copied_does_not_overlap() {
    let (mut memory, end) = memory();
    let at = end.minus(64);
    for distance in 1..=16 {
        let overlaps = distance < 16;
        assert_eq!(panics(|| memory.copy(at, at.plus(distance), 16)), overlaps);
        assert_eq!(panics(|| memory.copy(at.plus(distance), at, 16)), overlaps);
    }
}

#[test]
fn pointers_and_addresses() {
    let (memory, end) = memory();
    for at in [Addr::NULL, Addr::new(12_345), end] {
        assert_eq!(memory.ptr(at).addr() - memory.ptr(Addr::NULL).addr(), at.get() as usize);
    }
    assert!(panics(|| memory.ptr(end.plus(1))));
}

#[test]
fn there_is_room_for_the_fixed_regions() {
    let (memory, _) = memory();
    let pages = memory.pages();
    assert_eq!(NativeMemory::new(pages).pages(), pages);
    assert!(panics(|| NativeMemory::new(pages - 1)));
}
