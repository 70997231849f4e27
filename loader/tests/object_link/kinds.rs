//! Kinds of programs that a linker, another allocator or a host treats in ways of its own. All are in C, with each linker
//! that is here; where a compiler or a library is not installed the test says what it leaves out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rootstock_host::ErrorCode;
use runtime::verify::Invariant;

use crate::common::left_out;

use super::linker::{ROOTSTOCK, RUST_LLD, SDK, memory_map, sources, temporary};
use super::running::{Running, Trapped};

/// Tells whether a command is there; if not, the test leaves out what needs it.
fn installed(command: &str) -> bool {
    let found = Command::new(command).arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        left_out(&format!("object links that need {command}, which is not installed"));
    }
    found
}

/// A linker, and the flags that say where things lie.
struct Linker {
    command: PathBuf,
    map: Vec<String>,
}

/// The linkers that are here. Version 14 does not take `--global-base` beside `--stack-first`.
fn linkers() -> Vec<Linker> {
    let newer = |command: PathBuf| Linker { command, map: vec![memory_map()] };
    let mut all = vec![newer(RUST_LLD.clone())];
    if installed("wasm-ld-19") {
        all.push(newer("wasm-ld-19".into()));
    }
    if installed("wasm-ld") {
        let version = Command::new("wasm-ld").arg("--version").output().expect("it runs").stdout;
        let map = memory_map();
        let file = fs::read_to_string(&map[1..]).expect("it is written");
        let old = String::from_utf8_lossy(&version).contains("LLD 14.");
        let map = if old {
            file.lines().filter(|line| *line != "--stack-first").map(str::to_owned).collect()
        } else {
            vec![map]
        };
        all.push(Linker { command: "wasm-ld".into(), map });
    }
    all
}

/// Compiles a program of `tests/link/`, with flags of its own.
#[track_caller]
fn compile(compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    static OBJECTS: AtomicU32 = AtomicU32::new(0);
    let object = temporary(&format!("kind-{}.o", OBJECTS.fetch_add(1, Ordering::Relaxed)));
    let mut command = Command::new(compiler);
    command.args(["--target=wasm32", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]).arg(&*SDK);
    command.args(flags).arg("-c").arg(sources().join(source)).arg("-o").arg(&object);
    let output = command.output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    object
}

/// Links an object file with the library and what else there is; the module is in a file of its own.
#[track_caller]
fn link(linker: &Path, object: &Path, flags: &[String], rest: &[&str]) -> PathBuf {
    static MODULES: AtomicU32 = AtomicU32::new(0);
    let module = temporary(&format!("kind-{}.wasm", MODULES.fetch_add(1, Ordering::Relaxed)));
    let mut command = Command::new(linker);
    command.arg("--no-entry").args(flags);
    command.arg(format!("@{}", SDK.join("rootstock-exports.rsp").display()));
    command.arg(object).arg(SDK.join("libruntime.a")).args(rest).arg("-o").arg(&module);
    let output = command.output().expect("the linker runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{linker:?}: {errors}");
    module
}

/// Compiled by clang and linked by each linker, with these flags beside the memory map: a module each.
fn modules(source: &str, compiler_flags: &[&str], linker_flags: &[&str]) -> Vec<PathBuf> {
    if !installed("clang") {
        return Vec::new();
    }
    let object = compile("clang", source, compiler_flags);
    let flags: Vec<_> = linker_flags.iter().map(|flag| (*flag).to_owned()).collect();
    linkers()
        .iter()
        .map(|linker| link(&linker.command, &object, &[&linker.map[..], &flags].concat(), &[]))
        .collect()
}

fn running(module: &Path) -> Running {
    Running::new(&fs::read(module).expect("it was written"))
}

fn trapped(code: ErrorCode, argument: u32) -> Trapped {
    Trapped { code: code as u32, argument }
}

fn exports(module: &Path) -> Vec<String> {
    let wasm = fs::read(module).expect("it was written");
    let parsed =
        rootstock_host::wasmtime::Module::new(&Default::default(), wasm).expect("it is valid");
    parsed.exports().map(|export| export.name().to_owned()).collect()
}

#[test]
fn constructors_run_once() {
    let mut all = modules("constructors.c", &[], &[]);
    if installed("clang++") {
        let object = compile("clang++", "constructors.cpp", &["-fno-exceptions", "-fno-rtti"]);
        all.push(link(&RUST_LLD, &object, &[memory_map()], &[]));
    }
    for module in all {
        let mut program = running(&module);
        assert_eq!(program.call::<_, ()>("_initialize", ()), ());
        for _ in 0..100 {
            assert_eq!(program.call::<_, u32>("held", ()), 77, "{module:?}");
            assert_eq!(program.call::<_, u32>("ranges", ()), 1);
        }
        program.call::<_, ()>("_initialize", ());
        assert_eq!(program.call::<_, u32>("constructed", ()), 1, "{module:?}");
        assert_eq!(program.call::<_, u32>("ranges", ()), 1);
        program.finish();
    }
}

/// A program that calls the constructors itself exports what it likes, and gets no second `_initialize`.
#[test]
fn a_program_may_call_its_constructors_itself() {
    for (own, runs) in [("-DOWN_INITIALIZE", 11), ("-DOWN_START", 101)] {
        for module in modules("constructors.c", &[own], &[]) {
            let name = if runs == 11 { "_initialize" } else { "_start" };
            let own: Vec<_> =
                exports(&module).into_iter().filter(|name| name.starts_with('_')).collect();
            assert_eq!(own, [name], "{module:?}");
            let mut program = running(&module);
            program.call::<_, ()>(name, ());
            assert_eq!(program.call::<_, u32>("constructed", ()), runs);
            assert_eq!(program.call::<_, u32>("held", ()), 77);
            program.finish();
        }
    }
}

/// Any engine runs the constructors once, if its host calls `_initialize`, as hosts of reactors do.
#[test]
fn constructors_run_once_in_node() {
    if !installed("node") {
        return;
    }
    for module in modules("constructors.c", &[], &[]) {
        let script = r#"
            const wasm = require('node:fs').readFileSync(process.argv[1]);
            const host = { host_decref_handle() {} };
            const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { host });
            exports._initialize();
            for (let i = 0; i < 100; i++) exports.held();
            console.log(exports.constructed(), exports.ranges(), exports.held());
        "#;
        let output = Command::new("node").args(["-e", script]).arg(&module).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1 1 77\n", "{output:?}");
    }
}

/// Memory that cannot grow is used as it is, above the data.
#[test]
fn memory_of_a_fixed_size_is_used() {
    let fixed = ["--initial-memory=16777216", "--max-memory=16777216"];
    for module in modules("memory.c", &[], &fixed) {
        let mut program = running(&module).eager(1000);
        for _ in 0..3 {
            assert_eq!(program.call::<_, u32>("sum", 10_000), 50_005_000, "{module:?}");
        }
        program.finish();
        // More than there is.
        let mut program = running(&module);
        let why = program.try_call::<_, u32>("sum", 4_000_000).unwrap_err();
        assert_eq!(why.code, ErrorCode::HeapExhausted as u32);
        assert_eq!(program.call::<_, u32>("sum", 10_000), 50_005_000);
        program.finish();
    }
}

#[test]
fn no_object_ends_at_the_end_of_the_address_space() {
    for module in modules("memory.c", &[], &["--max-memory=4294967296"]).into_iter().take(1) {
        assert_eq!(running(&module).call::<_, u32>("wrap", ()), 0);
    }
}

/// Static data over the shadow stack, the linear stack over it, or too little memory for it: each is named before
/// anything is lost, also where memory need not grow.
#[test]
fn a_wrong_map_is_found_at_the_first_use() {
    if !installed("clang") {
        return;
    }
    let object = compile("clang", "memory.c", &[]);
    for linker in linkers() {
        let mut maps = vec![vec![], vec!["--initial-memory=4194304".to_owned()]];
        if linker.map.len() > 1 {
            maps.push(vec![memory_map()]);
        }
        for map in maps {
            let mut program = running(&link(&linker.command, &object, &map, &[]));
            let why = trapped(ErrorCode::HeapCorrupt, Invariant::MemoryMap as u32);
            assert_eq!(program.try_call::<_, u32>("sum", 10), Err(why), "{map:?}");
        }
    }
}

/// The folder with wasi-libc, if it is installed.
fn wasi_libc() -> Option<&'static str> {
    let folder = "/usr/lib/wasm32-wasi";
    let found = Path::new(folder).join("libc.a").exists();
    if !found {
        left_out("programs in C with malloc, as wasi-libc is not installed");
    }
    found.then_some(folder)
}

/// An older `malloc` takes all memory that there is at its first call. It comes first, and gets none of the heap.
#[test]
fn malloc_and_the_heap_share_no_memory() {
    let Some(libc) = wasi_libc() else { return };
    if !installed("clang") {
        return;
    }
    let object = compile("clang", "memory.c", &["-DMALLOC"]);
    let library = format!("-L{libc}");
    for linker in linkers() {
        let link = |flags: &[&str]| {
            let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            let flags = [&linker.map[..], &flags].concat();
            running(&link(&linker.command, &object, &flags, &[&library, "-lc"]))
        };
        for flags in [&[][..], &["--initial-memory=8388608"]] {
            let mut program = link(flags);
            assert_eq!(program.call::<_, u32>("beside_malloc", 1000), 42, "{flags:?}");
            assert_eq!(program.call::<_, u32>("sum", 10_000), 50_005_000);
            program.finish();
        }
        // Nobody says how memory that cannot grow is to be shared: it is malloc's.
        let mut program = link(&["--initial-memory=8388608", "--max-memory=8388608"]);
        let why = trapped(ErrorCode::HeapExhausted, 8);
        assert_eq!(program.try_call::<_, u32>("beside_malloc", 1), Err(why));
    }
    // Without the memory map malloc would have the shadow stack.
    let flags = ["--initial-memory=4194304".to_owned()];
    let mut program = running(&link(&RUST_LLD, &object, &flags, &[&library, "-lc"]));
    let why = trapped(ErrorCode::HeapCorrupt, Invariant::MemoryMap as u32);
    assert_eq!(program.try_call::<_, u32>("beside_malloc", 34), Err(why));
}

/// However much is pushed above the limit, the runtime hands out nothing twice, and says what happened.
#[test]
fn pushes_above_the_limit_are_an_overflow() {
    let overflow = Some(ErrorCode::ShadowStackOverflow as u32);
    for module in modules("pushes.c", &[], &[]) {
        let mut program = running(&module);
        let mut code = |name: &str, arguments: (u32, u32)| {
            program.try_call::<_, u32>(name, arguments).err().map(|why| why.code)
        };
        assert_eq!(code("zeros", (131_000, 1000)), None);
        for words in [131_072 + 400, 133_000, 200_000, 250_000] {
            assert_eq!(code("zeros", (words, 1000)), overflow, "{words}");
            assert_eq!(code("collection", (words, u32::MAX)), overflow, "{words}");
            assert_eq!(code("collection", (words, 0)), overflow, "{words}");
            assert_eq!(code("zeros", (100, 10_000)), None, "and it goes on");
        }
        assert_eq!(program.call::<_, u32>("gc_verify", ()), 0);
        let why = program.try_call::<_, u32>("objects", (133_000_u32, 0_u32, 1000_u32));
        assert_eq!(why.unwrap_err().code, ErrorCode::ShadowStackOverflow as u32);
        assert_eq!(program.call::<_, u32>("objects", (100_u32, 0_u32, 1000_u32)), 0);
        program.finish();
    }
}

/// Beyond the gap, where data are overwritten, there is nothing that can be gone on with: it is said each time.
#[test]
fn pushes_over_the_data_are_an_overflow_for_good() {
    for word in [0, u32::MAX, 0x0101_0101] {
        for module in modules("pushes.c", &[], &[]) {
            let mut program = running(&module);
            for words in [290_000_u32, 100, 0] {
                let why = program.try_call::<_, u32>("collection", (words, word)).unwrap_err();
                assert_eq!(why.code, ErrorCode::ShadowStackOverflow as u32, "{words} of {word:#x}");
            }
        }
    }
}

/// The program's own `alloc` is the program's, and the runtime does not call it.
#[test]
fn a_program_may_have_functions_by_names_of_the_abi() {
    for module in modules("names.c", &[], &[]) {
        let mut program = running(&module);
        assert_eq!(program.call::<_, u32>("mixed", 50), 51, "{module:?}");
    }
}

/// With link-time optimisation the linker takes `gc_sp` for a variable: a file that is part of it calls functions.
#[test]
fn link_time_optimisation() {
    let compilers = [("clang", "wasm-ld"), ("clang-19", "wasm-ld-19")];
    for (compiler, linker) in
        compilers.into_iter().filter(|pair| installed(pair.0) && installed(pair.1))
    {
        let object = compile(compiler, "memory.c", &["-flto", "-DROOTSTOCK_LTO"]);
        let Some(found) = linkers().into_iter().find(|it| it.command == Path::new(linker)) else {
            continue;
        };
        let mut program = running(&link(&found.command, &object, &found.map, &[])).eager(50);
        assert_eq!(program.call::<_, u32>("sum", 1000), 500_500);
        program.finish();
    }
}

/// `longjmp` pops no roots; `GC_SETJMP` does. The jump is an exception of the older kind, which node has.
#[test]
fn a_jump_pops_its_roots() {
    if !installed("clang-19") || !installed("node") {
        return;
    }
    let flags = ["-mllvm", "-wasm-enable-sjlj", "-mexception-handling"];
    let object = compile("clang-19", "jumps.c", &flags);
    let library = compile("clang-19", "jumps_runtime.c", &flags);
    let library = library.to_str().expect("a path of the tests");
    let module = link(&RUST_LLD, &object, &[memory_map()], &[library]);
    let script = r#"
        const wasm = require('node:fs').readFileSync(process.argv[1]);
        const host = { host_decref_handle() {} };
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { host });
        console.log(exports.jumps(100), exports.leaks(100));
    "#;
    let output = Command::new("node").args(["-e", script]).arg(&module).output().unwrap();
    // six frames of four slots, each time
    assert_eq!(String::from_utf8_lossy(&output.stdout), "300000000 9600\n", "{output:?}");
}

#[test]
fn rootstock_run_says_that_memory_is_short() {
    let fixed = ["--initial-memory=4194304", "--max-memory=4194304"];
    for module in modules("memory.c", &[], &fixed) {
        let run = |n: &str| {
            let mut command = Command::new(ROOTSTOCK);
            command.arg("run").arg(&module).args(["--invoke", "sum", n]);
            command.output().expect("the command runs")
        };
        assert_eq!(String::from_utf8_lossy(&run("1000").stdout), "500500\n");
        let output = run("1000000");
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("HEAP_EXHAUSTED") && text.contains("--max-memory"), "{text}");
    }
}
