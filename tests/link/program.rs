//! A program in Rust that is linked with `libruntime.a`: a dictionary, deep recursion, host handles, large static data.
//!
//! `program.c` beside it is the same program in C; the tests ask both for the same results. It is compiled to an
//! object file and has no panic handler of its own: the runtime's is used.
#![no_std]
#![allow(clippy::missing_safety_doc, reason = "an example: its one caller is the host")]

use core::ptr::{addr_of, addr_of_mut, null_mut};

/// The ABI, as far as it is used here.
mod gc {
    unsafe extern "C" {
        pub safe fn alloc(size: u32) -> *mut u8;
        pub safe fn alloc_atomic(size: u32) -> *mut u8;
        pub safe fn gc_collect();
        pub fn register_wrapper(object: *mut u8, kind: u32, handle: u32);
        pub fn gc_add_roots(start: *const u8, end: *const u8);
        safe fn rootstock_sp_get() -> u32;
        fn rootstock_sp_set(sp: u32);
        safe fn rootstock_stack_limit() -> u32;
    }

    /// `N` slots of the shadow stack, which are popped when it is dropped.
    pub struct Roots<const N: usize>(*mut *mut u8);

    impl<const N: usize> Roots<N> {
        /// Pushes the slots, empty. Where they do not fit it traps with SHADOW_STACK_OVERFLOW.
        pub fn new() -> Self {
            let slots = rootstock_sp_get() as *mut *mut u8;
            // SAFETY: what is above `gc_sp` is free, up to the limit. A `gc_sp` above that does not get through the
            // next safepoint.
            unsafe {
                let top = slots.wrapping_add(N) as u32;
                if top > rootstock_stack_limit() {
                    rootstock_sp_set(rootstock_stack_limit() + 4);
                    gc_collect();
                }
                slots.write_bytes(0, N);
                rootstock_sp_set(top);
            }
            Self(slots)
        }

        /// What is in a slot.
        pub fn get<T>(&self, slot: usize) -> *mut T {
            assert!(slot < N);
            // SAFETY: the slot is ours.
            unsafe { self.0.add(slot).read() }.cast()
        }

        /// Puts an object into a slot, and returns it.
        pub fn set<T>(&self, slot: usize, object: *mut T) -> *mut T {
            assert!(slot < N);
            // SAFETY: the slot is ours.
            unsafe { self.0.add(slot).write(object.cast()) };
            object
        }

        /// The address of a slot.
        pub fn place<T>(&self, slot: usize) -> *mut *mut T {
            assert!(slot < N);
            // SAFETY: the slot is ours.
            unsafe { self.0.add(slot) }.cast()
        }
    }

    impl<const N: usize> Drop for Roots<N> {
        fn drop(&mut self) {
            // SAFETY: scopes end in the opposite order of their beginning.
            unsafe { rootstock_sp_set(self.0 as u32) };
        }
    }

    /// An object that is all zeros. **Safepoint.**
    pub fn new<T>() -> *mut T {
        alloc(size_of::<T>() as u32).cast()
    }
}

use gc::Roots;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    safe fn handle_new(kind: i32, value: i64) -> i32;
    safe fn handle_count() -> i32;
}

/// A word of the dictionary: a node of a binary search tree.
#[repr(C)]
struct Word {
    /// Without pointers, so from `alloc_atomic`.
    text: *mut u8,
    length: usize,
    count: u32,
    left: *mut Word,
    right: *mut Word,
}

impl Word {
    unsafe fn text(&self) -> &[u8] {
        // SAFETY: each word is made with its text.
        unsafe { core::slice::from_raw_parts(self.text, self.length) }
    }
}

static SYLLABLES: [&str; 16] = [
    "ba", "con", "di", "fe", "gor", "hu", "ji", "ka", "lem", "mo", "nu", "po", "qua", "re", "sti",
    "to",
];

fn scramble(i: u32) -> u32 {
    let i = i.wrapping_mul(2_654_435_761);
    (i ^ i >> 15).wrapping_mul(2_246_822_519)
}

/// A new object with the word of this number, of three syllables. **Safepoint.**
fn spell(mut number: u32) -> (*mut u8, usize) {
    let mut buffer = [0; 16];
    let mut used = 0;
    for _ in 0..3 {
        let syllable = SYLLABLES[(number & 15) as usize].as_bytes();
        buffer[used..used + syllable.len()].copy_from_slice(syllable);
        used += syllable.len();
        number >>= 4;
    }
    let text = gc::alloc_atomic(used as u32);
    // SAFETY: the object is new and that long.
    unsafe { text.copy_from_nonoverlapping(buffer.as_ptr(), used) };
    (text, used)
}

/// Counts a word. The dictionary is in slot 0; slot 1 is for the text.
unsafe fn count_word(roots: &Roots<2>, number: u32) {
    let (text, length) = spell(number);
    // SAFETY: what is in the tree is alive, as its root is in a slot; objects do not move.
    unsafe {
        let mut place: *mut *mut Word = roots.place(0);
        while let Some(word) = (*place).as_mut() {
            match core::slice::from_raw_parts(text, length).cmp(word.text()) {
                core::cmp::Ordering::Less => place = &raw mut word.left,
                core::cmp::Ordering::Greater => place = &raw mut word.right,
                // and the text is garbage
                core::cmp::Ordering::Equal => {
                    word.count += 1;
                    return;
                }
            }
        }
        roots.set(1, text);
        let word = gc::new::<Word>();
        *word = Word { text, length, count: 1, left: null_mut(), right: null_mut() };
        *place = word;
    }
}

unsafe fn checksum(tree: *const Word, sum: u64) -> u64 {
    // SAFETY: the tree is rooted by the caller, and nothing is allocated here.
    unsafe {
        let Some(word) = tree.as_ref() else { return sum };
        let mut sum = checksum(word.left, sum);
        for byte in word.text() {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
        checksum(word.right, sum.wrapping_mul(31).wrapping_add(u64::from(word.count)))
    }
}

/// Counts `n` words, and sums them up in order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dictionary(n: u32) -> u64 {
    let roots = Roots::<2>::new();
    // SAFETY: slot 0 holds the tree or null.
    unsafe {
        for i in 0..n {
            count_word(&roots, scramble(i) >> 20);
        }
        checksum(roots.get(0), 0)
    }
}

#[repr(C)]
struct Cell {
    next: *mut Cell,
    value: u32,
}

/// A list of `depth` cells, each made on the way down and looked at on the way back. **Safepoint.**
unsafe fn descend(depth: u32, sum: &mut u64) -> *mut Cell {
    if depth == 0 {
        return null_mut();
    }
    let roots = Roots::<2>::new();
    // SAFETY: the cells that are looked at are in slots.
    unsafe {
        let mine = roots.set(0, gc::new::<Cell>());
        (*mine).value = depth;
        roots.set(1, descend(depth - 1, sum));
        // one more, so that a root that was lost is overwritten
        let copy = gc::new::<Cell>();
        *copy = Cell { next: roots.get(1), value: (*roots.get::<Cell>(0)).value };
        *sum += u64::from((*copy).value);
        copy
    }
}

/// The sum of a list that is made `depth` calls deep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recurse(depth: u32) -> u64 {
    let (mut down, mut along) = (0, 0);
    let roots = Roots::<1>::new();
    // SAFETY: the list is in a slot.
    unsafe {
        roots.set(0, descend(depth, &mut down));
        gc::gc_collect();
        let mut at: *mut Cell = roots.get(0);
        while let Some(cell) = at.as_ref() {
            along += u64::from(cell.value);
            at = cell.next;
        }
    }
    if down == along { along } else { 0 }
}

#[repr(C)]
struct Keeper {
    next: *mut Keeper,
    wrapper: *mut u32,
}

/// A static variable that holds objects: the collector knows of it from the first call of `handles` on.
static mut KEPT: *mut Keeper = null_mut();
static mut KNOWN: bool = false;

/// Makes `n` objects that stand for handles, and keeps every tenth; how many handles are alive after a collection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn handles(n: u32) -> i32 {
    let roots = Roots::<1>::new();
    // SAFETY: there is one thread; objects are in a slot, or reached from the static variable.
    unsafe {
        if !KNOWN {
            KNOWN = true;
            gc::gc_add_roots(addr_of!(KEPT).cast(), addr_of!(KEPT).add(1).cast());
        }
        for i in 0..n {
            let wrapper = roots.set(0, gc::alloc_atomic(8).cast::<u32>());
            *wrapper = handle_new(1, i.into()).cast_unsigned();
            gc::register_wrapper(wrapper.cast(), 1, *wrapper);
            if i % 10 == 0 {
                let first = gc::new::<Keeper>();
                *first = Keeper { next: KEPT, wrapper };
                KEPT = first;
            }
        }
    }
    roots.set(0, null_mut::<u32>());
    gc::gc_collect();
    handle_count()
}

/// Lets go of what `handles` kept; how many handles are alive after a collection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn forget() -> i32 {
    // SAFETY: there is one thread.
    unsafe { KEPT = null_mut() };
    gc::gc_collect();
    handle_count()
}

/// Five megabytes of static data, far more than there is room for below the shadow stack.
const TABLE: usize = 5 * 1024 * 1024 / 4;
static mut NUMBERS: [u32; TABLE] = [0; TABLE];

/// Fills the table, makes a heap of `n` objects and fills them: how many of them lie in the table, plus how many words
/// of it have changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statics(n: u32) -> u32 {
    // SAFETY: there is one thread.
    let table = unsafe { &mut *addr_of_mut!(NUMBERS) };
    for (i, word) in (0..).zip(table.iter_mut()) {
        *word = scramble(i);
    }
    let roots = Roots::<1>::new();
    let mut wrong = 0;
    for _ in 0..n {
        let object = gc::new::<[*mut u8; 16]>();
        // SAFETY: the object is new and that long.
        unsafe {
            *object = [usize::MAX as *mut u8; 16];
            (*object)[0] = roots.get(0);
        }
        roots.set(0, object);
        wrong += u32::from(table.as_ptr_range().contains(&object.cast_const().cast()));
    }
    gc::gc_collect();
    (0..).zip(table.iter()).fold(wrong, |wrong, (i, word)| wrong + u32::from(*word != scramble(i)))
}

/// Recursion that uses the linear stack: `depth` frames of a kilobyte and more.
#[unsafe(no_mangle)]
pub extern "C" fn linear(depth: u32) -> u32 {
    let mut frame = [0; 256];
    let place = (&raw mut frame).cast::<u32>();
    // SAFETY: the place is in the array.
    unsafe {
        let place = place.add((depth & 255) as usize);
        place.write_volatile(depth);
        if depth == 0 { 0 } else { linear(depth - 1) + u32::from(place.read_volatile() == depth) }
    }
}

/// `depth` frames of four roots each, however many there may be.
#[unsafe(no_mangle)]
pub extern "C" fn overflow(depth: u32) -> u32 {
    let roots = Roots::<4>::new();
    let own = roots.set(0, roots.place::<u8>(0));
    if depth == 0 { 0 } else { overflow(depth - 1) + u32::from(roots.get(0) == own) }
}
