use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{Caller, Trap, Val, format_err};

use super::*;
use crate::{CallbackCx, Program, Status, with_stack};
use crate::{Config, ErrorCode, GcOption, Ptr, Stat};

fn plain() -> Instance {
    Instance::new(&Config::default()).unwrap()
}

fn program(text: &str) -> Program {
    Program::from_bytes("test.wat", text.as_bytes()).unwrap()
}

/// A text as a `.wat` file imports what the runtime gives to programs.
const IMPORTS: &str = r#"
    (import "runtime" "memory" (memory 1))
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
    (import "runtime" "gc_collect" (func $gc_collect))
    (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
    (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
    (import "host" "handle_value" (func $handle_value (param i32) (result i64)))
    (import "host" "print_i64" (func $print_i64 (param i64)))
    (import "host" "print_str" (func $print_str (param i32 i32)))
"#;

fn with_imports(text: &str) -> Program {
    program(&format!("(module {IMPORTS} {text})"))
}

#[test]
fn a_scope_keeps_its_roots_and_no_longer() {
    let mut vm = plain();
    let bottom = vm.sp();
    assert_eq!(bottom, vm.stack_base());
    let outer;
    {
        let mut scope = vm.scope();
        outer = scope.alloc(16).unwrap();
        assert_eq!(scope.push(outer).unwrap(), outer);
        {
            let mut inner = scope.scope();
            let p = inner.alloc(16).unwrap();
            inner.push(p).unwrap();
            inner.collect().unwrap();
            assert_eq!(inner.stat(Stat::LiveObjects), 2);
        }
        assert_eq!(scope.sp(), bottom + 4);
        scope.collect().unwrap();
        assert_eq!(scope.stat(Stat::LiveObjects), 1);
        assert_eq!(scope.base(outer.0), Some(outer));
        assert_eq!(scope.size(outer.0), Some(16));
    }
    assert_eq!(vm.sp(), bottom);
    vm.collect().unwrap();
    assert_eq!(vm.stat(Stat::LiveObjects), 0);
    assert_eq!((vm.base(outer.0), vm.size(outer.0)), (None, None));
}

#[test]
fn a_full_shadow_stack_takes_no_root() {
    let mut vm = plain();
    let limit = vm.stack_limit();
    vm.set_sp(limit - 4);
    vm.push_root(Ptr::NULL).unwrap();
    let before = vm.read_u32(limit).unwrap();
    let full = vm.push_root(Ptr(8)).unwrap_err();
    assert!(matches!(full, Error::ShadowStackFull { limit: found } if found == limit));
    assert_eq!((vm.sp(), vm.read_u32(limit).unwrap()), (limit, before));
}

#[test]
fn memory_is_bounds_checked() {
    let mut vm = plain();
    let end = u32::try_from(vm.memory_size()).unwrap();
    assert_eq!(vm.read_u32(end - 4).unwrap(), 0);
    for address in [end - 3, end, u32::MAX] {
        assert!(matches!(vm.read_u32(address), Err(Error::OutOfBounds { .. })), "{address:#x}");
        assert!(matches!(vm.write_u32(address, 1), Err(Error::OutOfBounds { .. })), "{address:#x}");
    }
    assert_eq!(vm.read_u32(end - 4).unwrap(), 0);
}

#[test]
fn a_trap_of_the_runtime_has_code_argument_and_backtrace() {
    let mut vm = plain();
    let error = vm.pin(Ptr(0x1234)).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotAnObject));
    assert!(!error.is_bad_input());
    let report = error.trap().unwrap();
    assert_eq!(report.arg, 0x1234);
    assert_eq!(report.trap, Some(Trap::UnreachableCodeReached));
    let outermost = report.backtrace.last().unwrap();
    assert_eq!((&*outermost.module, outermost.function.as_deref()), ("runtime", Some("gc_pin")));
    assert_eq!(vm.last_error(), Some((ErrorCode::NotAnObject, 0x1234)));
    // The instance goes on.
    vm.alloc(8).unwrap();
    assert_eq!(vm.verify().unwrap(), 0);
}

#[test]
fn an_old_error_of_the_runtime_is_not_blamed_for_a_trap_of_the_program() {
    let mut vm = plain();
    vm.pin(Ptr(0x1234)).unwrap_err();
    let text = r#"(module
        (func (export "stop") unreachable)
        (func $named (export "divide") (result i32) (i32.div_u (i32.const 1) (i32.const 0))))"#;
    let linked = vm.instantiate(&program(text)).unwrap();
    let error = linked.call(&mut vm, "stop", &[]).unwrap_err();
    assert_eq!(
        (error.code(), error.trap().unwrap().trap),
        (None, Some(Trap::UnreachableCodeReached))
    );
    // A function without a name of its own has that of its export.
    assert_eq!(error.trap().unwrap().backtrace[0].function.as_deref(), Some("stop"));
    let error = linked.call(&mut vm, "divide", &[]).unwrap_err();
    let report = error.trap().unwrap();
    assert_eq!(report.trap, Some(Trap::IntegerDivisionByZero));
    let frame = &report.backtrace[0];
    assert_eq!(
        (frame.function.as_deref(), frame.source.as_deref()),
        (Some("named"), Some("test.wat:3:54"))
    );
}

#[test]
fn fuel_stops_a_call_and_the_instance_is_usable_with_more() {
    let config = Config { fuel: Some(10_000), ..Config::default() };
    let mut vm = Instance::new(&config).unwrap();
    let linked =
        vm.instantiate(&with_imports(r#"(func (export "spin") (loop $l (br $l)))"#)).unwrap();
    let error = linked.call(&mut vm, "spin", &[]).unwrap_err();
    assert_eq!(error.trap().unwrap().trap, Some(Trap::OutOfFuel));
    assert_eq!(vm.fuel(), Some(0));
    // Looking needs no fuel; working does.
    assert_eq!(vm.stat(Stat::LiveObjects), 0);
    assert_eq!(vm.verify().unwrap(), 0);
    assert_eq!(vm.fuel(), Some(0));
    assert!(vm.alloc(8).is_err());
    vm.set_fuel(20_000).unwrap();
    vm.alloc(8).unwrap();
    assert!(vm.fuel().unwrap() < 20_000);
}

#[test]
fn an_instance_that_was_stopped_in_a_collection_says_so() {
    let mut vm = Instance::new(&Config { fuel: Some(u64::MAX), ..Config::default() }).unwrap();
    let mut scope = vm.scope();
    for _ in 0..1000 {
        let p = scope.alloc(16).unwrap();
        scope.push(p).unwrap();
    }
    // Enough to end all runs, from which cells are handed out without a look, and not enough to mark.
    scope.set_fuel(20_000).unwrap();
    let error = scope.collect().unwrap_err();
    assert_eq!((error.code(), error.trap().unwrap().trap), (None, Some(Trap::OutOfFuel)));
    scope.set_fuel(u64::MAX).unwrap();
    let interrupted = runtime::verify::Invariant::Interrupted as u32;
    assert_eq!(scope.verify().unwrap(), interrupted);
    let error = scope.alloc(16).unwrap_err();
    assert_eq!(
        (error.code(), error.trap().unwrap().arg),
        (Some(ErrorCode::HeapCorrupt), interrupted)
    );
}

#[test]
fn time_stops_one_instance_and_not_its_neighbour() {
    let patient = Config { timeout: Some(Duration::from_secs(600)), ..Config::default() };
    let mut vm = Instance::new(&patient).unwrap();
    let mut neighbour = Instance::new(&patient).unwrap();
    let spin = program(
        r#"(module (func (export "spin") (param i32)
            (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0)))))"#,
    );
    // Compiling takes its time, too.
    let linked = vm.instantiate(&spin).unwrap();
    let start = Instant::now();
    vm.set_timeout(Some(Duration::from_millis(50))).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Takes well beyond the other's time.
            let linked = neighbour.instantiate(&spin).unwrap();
            while start.elapsed() < Duration::from_millis(150) {
                linked.call(&mut neighbour, "spin", &[Val::I32(1_000_000)]).unwrap();
            }
        });
        let error = loop {
            if let Err(error) = linked.call(&mut vm, "spin", &[Val::I32(-1)]) {
                break error;
            }
        };
        assert_eq!(error.trap().unwrap().trap, Some(Trap::Interrupt));
    });
    // What only looks works, what works does not until there is time again.
    assert_eq!(vm.verify().unwrap(), 0);
    assert!(linked.call(&mut vm, "spin", &[Val::I32(1000)]).is_err());
    vm.set_timeout(None).unwrap();
    linked.call(&mut vm, "spin", &[Val::I32(1000)]).unwrap();
}

#[test]
fn limits_need_an_engine_that_was_made_for_them() {
    let mut vm = plain();
    assert!(matches!(vm.set_timeout(Some(Duration::from_secs(1))), Err(Error::EngineMismatch(_))));
    assert!(matches!(vm.set_fuel(1), Err(Error::EngineMismatch(_))));
    let runtime = RuntimeModule::embedded(&Config::default()).unwrap();
    let timed = Config { timeout: Some(Duration::from_secs(1)), ..Config::default() };
    assert!(matches!(Instance::from_module(&runtime, &timed), Err(Error::EngineMismatch(_))));
}

#[test]
fn a_refused_growth_is_part_of_the_report() {
    let mut vm = plain();
    vm.set_max_memory(Some(vm.memory_size() as u64));
    assert_eq!(vm.try_alloc(50 << 20).unwrap(), None);
    let error = vm.alloc(50 << 20).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::HeapExhausted));
    assert!(error.trap().unwrap().refused_growth.unwrap() > 50 << 20);
    vm.set_max_memory(None);
    vm.alloc(50 << 20).unwrap();
}

#[test]
fn the_bound_on_memory_is_for_all_memories_together() {
    let own = program(
        r#"(module (memory 100) (func (export "grow") (result i32) (memory.grow (i32.const 100))))"#,
    );
    let mut vm = plain();
    vm.set_max_memory(Some(vm.memory_size() as u64 + (150 << 16)));
    let linked = vm.instantiate(&own).unwrap();
    assert!(matches!(linked.call(&mut vm, "grow", &[]).unwrap()[..], [Val::I32(-1)]));
    assert!(matches!(vm.instantiate(&own), Err(Error::Input(_))));
    vm.set_max_memory(None);
    assert!(matches!(linked.call(&mut vm, "grow", &[]).unwrap()[..], [Val::I32(100)]));
}

#[test]
fn an_option_that_is_refused_says_what_is_allowed() {
    let mut vm = plain();
    assert_eq!(vm.configure(GcOption::WrapLimit, 100).unwrap(), 16_777_216);
    let error = vm.configure(GcOption::WrapLimit, 0).unwrap_err();
    assert!(error.to_string().contains("WRAP_LIMIT: 1 to 134217728 are allowed"), "{error}");
    assert_eq!(vm.configure(GcOption::WrapLimit, 100).unwrap(), 100);
}

#[test]
fn the_callback_can_use_the_runtime() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let callback = Callback::custom(move |cx, kind, handle| {
        // The store knows already.
        assert_eq!(cx.handles().status(handle), Status::ToldOnce);
        let p = cx.alloc(12)?;
        cx.write_u32(p.0, handle)?;
        cx.push_root(p)?;
        if kind == 1 {
            let next = cx.handles_mut().insert(2, 0);
            cx.register_wrapper(p, 2, next)?;
        }
        seen.lock().unwrap().push((kind, cx.read_u32(p.0)?));
        Ok(())
    });
    let mut vm = Instance::new(&Config { callback, ..Config::default() }).unwrap();
    let handle = vm.handles_mut().insert(1, 0);
    let p = vm.alloc(12).unwrap();
    vm.register_wrapper(p, 1, handle).unwrap();
    vm.collect().unwrap();
    assert_eq!(*told.lock().unwrap(), [(1, handle)]);
    vm.shutdown().unwrap();
    assert_eq!(told.lock().unwrap().len(), 2);
    let audit = vm.handles().audit();
    assert_eq!((audit.made, audit.told_once), (2, 2));
    assert!(audit.is_clean());
}

#[test]
fn an_error_of_the_callback_reaches_the_caller() {
    let callback = Callback::custom(|_, _, handle| Err(format_err!("no more of {handle}")));
    let mut vm = Instance::new(&Config { callback, ..Config::default() }).unwrap();
    let handle = vm.handles_mut().insert(1, 0);
    let p = vm.alloc(12).unwrap();
    vm.register_wrapper(p, 1, handle).unwrap();
    let error = vm.collect().unwrap_err();
    let report = error.trap().unwrap();
    assert_eq!((report.code.is_none(), report.trap), (true, None));
    assert_eq!(report.message, format!("no more of {handle}"));
    assert_eq!(report.backtrace.last().unwrap().function.as_deref(), Some("gc_collect"));
}

#[test]
fn programs_make_handles_and_print() {
    let program = with_imports(
        r#"(func (export "main") (result i64)
            (local $p i32)
            (local.set $p (call $alloc (i32.const 12)))
            (i32.store8 (local.get $p) (i32.const 104))
            (call $print_str (local.get $p) (i32.const 1))
            (call $print_i64 (i64.const -3))
            (i32.store (local.get $p) (call $handle_new (i32.const 3) (i64.const 77)))
            (call $register_wrapper (local.get $p) (i32.const 3) (i32.load (local.get $p)))
            (call $handle_value (i32.load (local.get $p))))"#,
    );
    let mut vm = Instance::new(&Config { capture_output: true, ..Config::default() }).unwrap();
    let linked = vm.instantiate(&program).unwrap();
    assert_eq!(linked.functions(&mut vm), ["main"]);
    assert!(matches!(linked.call(&mut vm, "main", &[]).unwrap()[..], [Val::I64(77)]));
    assert_eq!(vm.take_output(), b"h-3\n");
    assert_eq!(vm.handles().live_count(), 1);
    vm.collect().unwrap();
    assert!(vm.handles().audit().is_clean());
    assert_eq!(vm.handles().audit().told_once, 1);
}

#[test]
fn a_program_meets_the_hosts_limits_as_traps() {
    let program = with_imports(
        r#"(func (export "handles") (loop $l (drop (call $handle_new (i32.const 1) (i64.const 0))) (br $l)))
           (func (export "stale") (drop (call $handle_value (i32.const 9))))
           (func (export "wild") (call $print_str (i32.const -1) (i32.const 2)))"#,
    );
    let mut vm = Instance::new(&Config { max_handles: Some(5), ..Config::default() }).unwrap();
    let linked = vm.instantiate(&program).unwrap();
    for (name, words) in [
        ("handles", "the host's handle store is full: 5 handles are alive"),
        ("stale", "9, which is not a live handle (it was never given out)"),
        ("wild", "2 bytes at 0xffffffff, which do not lie in memory"),
    ] {
        let error = linked.call(&mut vm, name, &[]).unwrap_err();
        let report = error.trap().unwrap();
        assert!(report.message.contains(words), "{name}: {}", report.message);
        assert_eq!(report.backtrace[0].function.as_deref(), Some(name));
    }
    assert_eq!(vm.handles().live_count(), 5);
}

#[test]
fn a_host_can_add_functions_that_use_the_runtime() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut vm = plain();
    vm.define("values", "boxed", |caller: Caller<'_, HostState>, value: u32| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let mut cx = CallbackCx::new(caller)?;
        let p = cx.alloc(8)?;
        cx.write_u32(p.0, value)?;
        Ok(p.0)
    })
    .unwrap();
    let text = r#"(module
        (import "values" "boxed" (func $boxed (param i32) (result i32)))
        (import "runtime" "memory" (memory 1))
        (func (export "main") (result i32) (i32.load (call $boxed (i32.const 41)))))"#;
    let linked = vm.instantiate(&program(text)).unwrap();
    assert!(matches!(linked.call(&mut vm, "main", &[]).unwrap()[..], [Val::I32(41)]));
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

#[test]
fn a_program_can_import_from_another() {
    let mut vm = plain();
    let library =
        with_imports(r#"(func (export "make") (result i32) (call $alloc (i32.const 24)))"#);
    let user = r#"(module
        (import "library" "make" (func $make (result i32)))
        (import "runtime" "gc_size" (func $gc_size (param i32) (result i32)))
        (func (export "main") (result i32) (call $gc_size (call $make))))"#;
    let early = vm.instantiate(&program(user)).err().unwrap();
    assert!(early.to_string().contains("there is no module `library`"), "{early}");
    let library = vm.instantiate(&library).unwrap();
    vm.publish("library", &library).unwrap();
    let linked = vm.instantiate(&program(user)).unwrap();
    assert!(
        matches!(linked.call(&mut vm, "main", &[]).unwrap()[..], [Val::I32(size)] if size >= 24)
    );
}

#[test]
fn other_builds_of_the_runtime_are_checked() {
    let config = Config::default();
    let build = |text: &str| {
        let wasm = wat::parse_str(text).unwrap();
        RuntimeModule::new("other.wasm", &wasm, &config)
            .and_then(|runtime| Instance::from_module(&runtime, &config))
    };
    let version = |n: u32| {
        format!(r#"(module (func (export "gc_abi_version") (result i32) (i32.const {n})))"#)
    };
    let error = build(&version(2)).err().unwrap();
    assert!(matches!(error, Error::AbiVersion { expected: 1, found: 2, .. }), "{error}");
    for (text, words) in [
        (version(1), "does not have the export `memory`"),
        ("(module)".to_owned(), "does not have the export `gc_abi_version`"),
        (
            r#"(module (func (export "gc_abi_version") (result i64) (i64.const 1)))"#.to_owned(),
            "(result i64)",
        ),
        (r#"(module (import "env" "abort" (func)))"#.to_owned(), "not a build of the runtime"),
    ] {
        let error = build(&text).err().unwrap();
        assert!(
            error.is_bad_input() && error.to_string().contains(words),
            "{words:?} is not in: {error}"
        );
    }
    assert!(RuntimeModule::new("junk", b"junk", &config).is_err());
    let same = RuntimeModule::new("copy", crate::RUNTIME_WASM, &config).unwrap();
    Instance::from_module(&same, &config).unwrap().alloc(8).unwrap();
}

#[test]
fn deep_recursion_needs_only_a_larger_stack() {
    let text = r#"(module (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0)))))"#;
    let program = program(text);
    let mut vm = plain();
    let linked = vm.instantiate(&program).unwrap();
    let error = linked.call(&mut vm, "deep", &[Val::I32(1_000_000)]).unwrap_err();
    assert_eq!(error.trap().unwrap().trap, Some(Trap::StackOverflow));
    let wasm_stack = 100 << 20;
    let results = with_stack(wasm_stack + (1 << 20), || {
        let mut vm = Instance::new(&Config { wasm_stack, ..Config::default() }).unwrap();
        let linked = vm.instantiate(&program).unwrap();
        linked.call(&mut vm, "deep", &[Val::I32(1_000_000)]).unwrap()
    })
    .unwrap();
    assert!(matches!(results[..], [Val::I32(1_000_000)]));
}

#[test]
fn a_failed_call_leaves_gc_sp_as_it_was() {
    let mut vm = plain();
    let text = r#"
        (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
        (func $push (param i32)
            (i32.store (global.get $gc_sp) (local.get 0))
            (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))
        (func (export "trap")
            (call $push (call $alloc (i32.const 8))) (call $push (i32.const 0)) unreachable)
        (func (export "refused")
            (call $push (call $alloc (i32.const 8))) (call $push (call $alloc (i32.const -1))))
        (func (export "leave") (call $push (i32.const 0)))"#;
    let linked = vm.instantiate(&with_imports(text)).unwrap();
    let bottom = vm.sp();
    for _ in 0..200 {
        assert_eq!(linked.call(&mut vm, "trap", &[]).unwrap_err().code(), None);
        assert_eq!(vm.sp(), bottom);
        let refused = linked.call(&mut vm, "refused", &[]).unwrap_err();
        assert_eq!((refused.code(), vm.sp()), (Some(ErrorCode::SizeTooLarge), bottom));
    }
    vm.collect().unwrap();
    assert_eq!(vm.stat(Stat::LiveObjects), 0);
    // A call that ends well may leave roots behind.
    linked.call(&mut vm, "leave", &[]).unwrap();
    assert_eq!(vm.sp(), bottom + 4);
    // So does a start function, and the host's own call of the runtime.
    let start = r#"(module (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
        (start $f) (func $f (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))) unreachable))"#;
    assert!(vm.instantiate(&program(start)).is_err());
    assert!(vm.pin(Ptr(12)).is_err());
    assert_eq!(vm.sp(), bottom + 4);
}

/// Allocates, writes a word at `gc_stack_limit` as one push too many does, and ends in some way.
fn overrunning(word: u32, ending: &str) -> Program {
    with_imports(&format!(
        r#"(import "runtime" "gc_stack_limit" (global $limit i32))
        (func (export "main")
            (drop (call $alloc (i32.const 8)))
            (i32.store (global.get $limit) (i32.const {word}))
            {ending})
        (func (export "fine") (drop (call $alloc (i32.const 8))))"#
    ))
}

#[test]
fn an_overrun_of_the_shadow_stack_is_found_at_the_end_of_a_call_and_said_once() {
    // A slot that is pushed is as likely 0 as anything.
    for word in [0, 7, 0x10_4000] {
        for (ending, trap) in [
            ("", None),
            ("unreachable", Some(Trap::UnreachableCodeReached)),
            ("(drop (i32.load (i32.const -4)))", Some(Trap::MemoryOutOfBounds)),
        ] {
            let mut vm = plain();
            let linked = vm.instantiate(&overrunning(word, ending)).unwrap();
            for _ in 0..2 {
                let error = linked.call(&mut vm, "main", &[]).unwrap_err();
                assert_eq!(error.code(), Some(ErrorCode::ShadowStackOverflow), "{word} {ending}");
                let report = error.trap().unwrap();
                assert!(report.overrun);
                assert_eq!((report.arg, report.trap), (vm.stack_base(), trap));
                let handles = crate::HandleStore::default();
                let text = crate::report::Report { trap: report, handles: &handles, hints: vec![] };
                let text = text.to_string();
                assert!(text.contains("restore gc_sp in every epilogue"), "{text}");
                assert!(!text.contains("missing root"), "{text}");
                linked.call(&mut vm, "fine", &[]).unwrap();
                vm.collect().unwrap();
            }
        }
    }
}

#[test]
fn a_call_that_leaves_gc_sp_where_no_slot_is_has_failed() {
    let mut vm = plain();
    let text = r#"(module (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
        (func (export "move") (param i32) (global.set $gc_sp (i32.add (global.get $gc_sp) (local.get 0)))))"#;
    let linked = vm.instantiate(&program(text)).unwrap();
    let size = (vm.stack_limit() - vm.stack_base()).cast_signed();
    for by in [-4, 2, size + 4] {
        let error = linked.call(&mut vm, "move", &[Val::I32(by)]).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ShadowStackOverflow), "{by}");
        assert_eq!(error.trap().unwrap().arg, vm.stack_base().wrapping_add_signed(by));
        assert_eq!(vm.sp(), vm.stack_base());
    }
    linked.call(&mut vm, "move", &[Val::I32(size)]).unwrap();
    assert_eq!(vm.sp(), vm.stack_limit());
}

#[test]
fn a_trap_inside_a_callback_reaches_the_outer_error_with_its_code() {
    let config = Config {
        callback: Callback::custom(|cx, _, _| {
            cx.alloc(u32::MAX)?;
            Ok(())
        }),
        ..Config::default()
    };
    let mut vm = Instance::new(&config).unwrap();
    let text = r#"(func $main (export "main")
        (call $register_wrapper (call $alloc (i32.const 8)) (i32.const 1) (call $handle_new (i32.const 1) (i64.const 1)))
        (call $gc_collect))"#;
    let linked = vm.instantiate(&with_imports(text)).unwrap();
    let bottom = vm.sp();
    let error = linked.call(&mut vm, "main", &[]).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::SizeTooLarge), "{error}");
    let report = error.trap().unwrap();
    assert_eq!((report.arg, vm.sp()), (u32::MAX, bottom));
    let functions = report.backtrace.iter().filter_map(|frame| frame.function.as_deref());
    assert!(functions.clone().any(|name| name == "main"), "{:?}", report.backtrace);
    assert!(functions.clone().any(|name| name == "alloc"), "{:?}", report.backtrace);
}
