//! The object files beside Rust's: the wasm globals of the ABI, how the runtime is entered in an object link, how
//! constructors are called, and what of this `runtime.wasm` does without.

use wasm_encoder::ValType;

use crate::Map;
use crate::object::{Body, EXPLICIT_NAME, EXPORTED, HIDDEN, LOCAL, Object, Op, Symbol, WEAK};

/// The answers of `rootstock_enter`, which `runtime/src/lib.rs` knows: the runtime may work, or not because the shadow stack
/// has overflowed, or because of the memory map.
const READY: u32 = 0;
const OVERFLOWED: u32 = 1;
const WRONG_MAP: u32 = 2;

/// The file with the wasm globals. Stable Rust cannot define one, and C cannot ask for one that does not change.
pub(crate) fn globals(map: &Map) -> Vec<u8> {
    let mut object = Object::default();
    let others = Others::new(&mut object);
    // `rootstock sdk` makes this reference a strong one, which brings the constructors along: see `constructors`.
    object.undefined_function("_start", (0, &[]), WEAK | EXPLICIT_NAME);

    let sp = object.global("gc_sp", 0, true, map.stack_base);
    object.global("gc_stack_base", 0, false, map.stack_base);
    object.global("gc_stack_limit", 0, false, map.stack_limit);
    object.global("gc_program_base", 0, false, map.program_base);
    let state = State {
        entered: object.global("rootstock_entered", LOCAL, true, 0),
        pages: object.global("rootstock_first_pages", LOCAL, true, 0),
    };
    let linker = Linker::new(&mut object);

    let get = Body::new().global_get(sp).end();
    object.function("rootstock_sp_get", 0, (0, &[ValType::I32]), get);
    let set = Body::new().local_get(0).global_set(sp).end();
    object.function("rootstock_sp_set", 0, (1, &[]), set);
    let limit = Body::new().number(map.stack_limit).end();
    object.function("rootstock_stack_limit", 0, (0, &[ValType::I32]), limit);
    let enter = enter(map, &state, &linker, &others);
    object.function("rootstock_enter", WEAK, (1, &[ValType::I32]), enter);
    let spare = spare(&state, &linker, &others);
    object.function("rootstock_spare", WEAK, (0, &[ValType::I64]), spare);
    object.finish()
}

/// The file that is linked into `runtime.wasm` alone, where the build script decides the memory map and there is no
/// program: what takes care of one in an object link is constants here, and an optimiser drops them.
pub(crate) fn module() -> Vec<u8> {
    let mut object = Object::default();
    let enter = Body::new().number(READY).end();
    object.function("rootstock_enter", 0, (1, &[ValType::I32]), enter);
    let spare = Body::new().number64(0).end();
    object.function("rootstock_spare", 0, (0, &[ValType::I64]), spare);
    object.finish()
}

/// Two files that call the constructors of an object link, once. A program gets one of them at the most.
///
/// A linker that finds no reference to `__wasm_call_ctors` takes the module for a command, and wraps each export in a
/// call of it: the constructors would run again and again. Here is one. The first file exports `_initialize`, for hosts to
/// call. It is linked where nobody else defines `_start`. A command does: its `_start` calls the constructors itself, and
/// a host must not find both. So does the second file, which is for programs that call them by the name in
/// `rootstock.h`, and may well export an `_initialize` of their own. A file of a reactor, as in wasi-libc, has an
/// `_initialize` that ours gives way to.
///
/// A linker reads the files of a library in order. The first must come first, to be the one that `_start` stands for; the
/// second before those that ask for `_start`.
pub(crate) fn constructors() -> [Vec<u8>; 2] {
    [("_initialize", WEAK | EXPORTED), ("rootstock_call_constructors", 0)].map(|(name, flags)| {
        let mut object = Object::default();
        let constructors = object.undefined_function("__wasm_call_ctors", (0, &[]), 0);
        let called = object.global("rootstock_initialized", LOCAL, true, 0);
        let body = Body::new()
            .global_get(called)
            .when(|body| body.op(Op::Return))
            .number(1)
            .global_set(called)
            .call(constructors)
            .end();
        object.function(name, flags, (0, &[]), body);
        object.another_name("_start", WEAK | HIDDEN);
        object.finish()
    })
}

/// Functions that tell of another allocator, which may take memory that is there before the heap: C's, and the standard
/// library of Rust. Where they are not linked in they are null.
struct Others {
    malloc: Symbol,
    sbrk: Symbol,
    rust: Symbol,
}

impl Others {
    fn new(object: &mut Object) -> Self {
        Self {
            malloc: object.undefined_function("malloc", (1, &[ValType::I32]), WEAK),
            sbrk: object.undefined_function("sbrk", (1, &[ValType::I32]), WEAK),
            rust: object.undefined_function("rust_eh_personality", (0, &[]), WEAK),
        }
    }
}

/// The state of the instance: globals, which no program overwrites.
struct State {
    /// Not 0 when the runtime was entered.
    entered: Symbol,
    /// The size of memory then.
    pages: Symbol,
}

/// Addresses that the linker defines wherever one of them is asked for. The weak ones are newer than the others, and 0 if
/// the linker does not know them.
struct Linker {
    global_base: Symbol,
    data_end: Symbol,
    heap_base: Symbol,
    heap_end: Symbol,
    stack_low: Symbol,
    stack_high: Symbol,
}

impl Linker {
    fn new(object: &mut Object) -> Self {
        Self {
            global_base: object.undefined_data("__global_base", 0),
            data_end: object.undefined_data("__data_end", 0),
            heap_base: object.undefined_data("__heap_base", 0),
            heap_end: object.undefined_data("__heap_end", WEAK),
            stack_low: object.undefined_data("__stack_low", WEAK),
            stack_high: object.undefined_data("__stack_high", WEAK),
        }
    }
}

/// Called with the guard word before each operation that may be the first, or reads tables and is not the fast path.
///
/// The first time it checks the memory map, lets C's allocator take what that one thinks is its own, and writes guard
/// words: above the shadow stack, and below the data. From then on it compares the first with what it was. If it has
/// changed, and the second has not, the data are as they were: the answer is given once. If both have changed, so may
/// have the data, and the runtime does not work any more.
fn enter(map: &Map, state: &State, linker: &Linker, others: &Others) -> Body {
    const GUARD: u8 = 0;
    let at_limit = |body: Body| body.number(map.stack_limit);
    let below_data = |body: Body| body.address(linker.global_base, -4);
    let holds = |body: Body| body.load().local_get(GUARD).op(Op::I32Eq);
    let write = |body: Body| body.local_get(GUARD).store();

    let again = |body: Body| {
        let body = holds(at_limit(body)).when(|body| body.number(READY).op(Op::Return));
        let body = holds(below_data(body)).when(|body| write(at_limit(body)));
        body.number(OVERFLOWED).op(Op::Return)
    };
    let body = Body::new().global_get(state.entered).when(again);
    let body = map_is_sound(body, map, linker)
        .op(Op::I32Eqz)
        .when(|body| body.number(WRONG_MAP).op(Op::Return))
        .number(1)
        .global_set(state.entered)
        .memory_size()
        .global_set(state.pages);
    write(below_data(write(at_limit(body))))
        .function_address(others.malloc)
        .when(|body| body.number(1).call(others.malloc).op(Op::Drop))
        .number(READY)
        .end()
}

/// Tells whether nothing lies where the shadow stack does: the linker must have been told to leave room for it.
///
/// In an object link the data of program and runtime are one, of any size, and lie above the shadow stack, with the heap
/// above them. The linear stack is below it, or above all data. A linker that does not say where the linear stack lies
/// puts it directly below the heap, or else it is below the data and nothing else is known: that is not good enough.
fn map_is_sound(body: Body, map: &Map, linker: &Linker) -> Body {
    const ALIGNMENT: u32 = 16;
    body.address(linker.global_base, 0)
        .number(map.program_base)
        .op(Op::I32GeU)
        .address(linker.stack_high, 0)
        .number(map.stack_base)
        .op(Op::I32LeU)
        .address(linker.stack_low, 0)
        .number(map.program_base)
        .op(Op::I32GeU)
        .op(Op::I32Or)
        .address(linker.heap_base, 0)
        .address(linker.data_end, 0)
        .op(Op::I32Sub)
        .number(ALIGNMENT)
        .op(Op::I32GtU)
        // the first where the linker knows the symbol, else the second
        .address(linker.stack_high, 0)
        .op(Op::Select)
        .op(Op::I32And)
}

/// The start and the end, in the lower and the upper half, of the memory that was there from the start and is nobody's; 0 if
/// there is none. The runtime asks where memory cannot grow.
///
/// It is between the linker's `__heap_base` and `__heap_end`. Where the linker does not know the second it is the size
/// of memory at the first use, if nobody has grown memory since. It is another allocator's if there is one, and also if
/// it does not start with zeros.
fn spare(state: &State, linker: &Linker, others: &Others) -> Body {
    const END: u8 = 0;
    let none = |body: Body| body.number64(0).op(Op::Return);
    Body::with_local()
        .address(linker.heap_end, 0)
        .local_set(END)
        .address(linker.heap_end, 0)
        .op(Op::I32Eqz)
        .global_get(state.pages)
        .memory_size()
        .op(Op::I32Eq)
        .op(Op::I32And)
        .when(|body| body.global_get(state.pages).number(16).op(Op::I32Shl).local_set(END))
        .local_get(END)
        .address(linker.heap_base, 8)
        .op(Op::I32LtU)
        .function_address(others.malloc)
        .function_address(others.sbrk)
        .op(Op::I32Or)
        .function_address(others.rust)
        .op(Op::I32Or)
        .op(Op::I32Or)
        .when(none)
        .address(linker.heap_base, 0)
        .load64()
        .number64(0)
        .op(Op::I64Ne)
        .when(none)
        .local_get(END)
        .op(Op::I64ExtendI32U)
        .number64(32)
        .op(Op::I64Shl)
        .address(linker.heap_base, 0)
        .op(Op::I64ExtendI32U)
        .op(Op::I64Or)
        .end()
}
