//! Random programs do the same merged as beside the runtime: results, traps, output, memory, and the shadow stack.

use arbitrary::Unstructured;
use rand::{RngExt, SeedableRng};
use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Error, Instance, Program};
use rootstock_link::Linker;
use runtime::stats::Stat;

/// What programs may import.
const OFFERED: &str = r#"(module
    (import "runtime" "memory" (memory 1))
    (import "runtime" "gc_sp" (global (mut i32)))
    (import "runtime" "gc_program_base" (global i32))
    (import "runtime" "gc_stack_limit" (global i32))
    (import "runtime" "alloc" (func (param i32) (result i32)))
    (import "runtime" "try_alloc" (func (param i32) (result i32)))
    (import "runtime" "register_wrapper" (func (param i32 i32 i32)))
    (import "runtime" "gc_collect" (func))
    (import "runtime" "gc_stat" (func (param i32) (result i64)))
    (import "host" "handle_new" (func (param i32 i64) (result i32)))
    (import "host" "print_i64" (func (param i64))))"#;

/// Enough to tell two runs apart, and to end one that would not.
const FUEL: u64 = 200_000;

fn module(seed: u64) -> Option<Vec<u8>> {
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let bytes: Vec<u8> = (0..4096).map(|_| rng.random()).collect();
    let config = wasm_smith::Config {
        available_imports: Some(crate::wasm(OFFERED)),
        allow_start_export: true,
        canonicalize_nans: true,
        export_everything: true,
        // A random active segment lies in the runtime's own memory, and is refused. Every third seed has some.
        max_data_segments: if seed.is_multiple_of(3) { 3 } else { 0 },
        max_imports: 8,
        max_funcs: 12,
        min_funcs: 3,
        max_tables: 3,
        max_memories: 1,
        threads_enabled: false,
        ..wasm_smith::Config::default()
    };
    Some(wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?.to_bytes())
}

/// What can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    calls: Vec<(String, Result<Vec<String>, String>)>,
    output: Vec<u8>,
    sp: u32,
    memory: Vec<u8>,
}

/// `Err` if the program cannot be instantiated.
fn run(program: &Program) -> Result<Seen, Error> {
    let mut config = Config::default();
    config.capture_output = true;
    config.fuel = Some(FUEL);
    config.max_memory = Some(16 << 20);
    let mut instance = Instance::for_program(program, &config)?;
    let linked = instance.instantiate(program)?;
    let mut calls = Vec::new();
    let mut names = linked.functions(&mut instance);
    names.retain(|name| !name.starts_with("gc."));
    for name in names {
        let ty = linked.signature(&mut instance, &name)?;
        let Some(args) = ty.params().map(|ty| Val::default_for_ty(&ty)).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        instance.set_fuel(FUEL)?;
        let result = linked.call(&mut instance, &name, &args);
        let result = result.map(|values| values.iter().map(describe).collect());
        calls.push((name, result.map_err(|error| reason(&error))));
    }
    // The runtime brings some statistics up to date when it is asked for one, and its host may have asked or not.
    instance.stat(Stat::LiveBytes);
    let mut memory = vec![0; instance.memory_size()];
    instance.read(0, &mut memory)?;
    Ok(Seen { calls, output: instance.take_output(), sp: instance.sp(), memory })
}

fn describe(value: &Val) -> String {
    match value {
        Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) | Val::V128(_) => {
            format!("{value:?}")
        }
        // their addresses are those of the run
        _ => "a reference".to_owned(),
    }
}

/// The engine's reason, and the runtime's.
fn reason(error: &Error) -> String {
    match error.trap() {
        Some(report) => {
            format!("{:?} {:?} {}", report.trap, report.code.map(|row| row.name), report.arg)
        }
        None => error.to_string(),
    }
}

/// Merged, the memory is made as large as the data need, and fuel is counted from the start function on.
fn is_expected(apart: &str) -> bool {
    let known = ["a data segment lies outside memory", "it has used up its fuel"];
    known.iter().any(|known| apart.contains(known))
}

#[test]
fn random_programs_do_the_same_merged() {
    let (mut compared, mut calls, mut traps, mut refused) = (0, 0, 0, 0);
    for seed in 0..60 {
        let Some(wasm) = module(seed) else { continue };
        let Ok(program) = Program::from_bytes("random.wasm", &wasm) else {
            // it has a memory of its own
            refused += 1;
            continue;
        };
        let linked = match Linker::new().export_runtime("gc.").link(&program) {
            Ok(linked) => linked,
            Err(error) => {
                let words = error.to_string();
                let known = [
                    "overlaps the runtime's own memory",
                    "nothing to link",
                    "beside the runtime's",
                ];
                assert!(known.iter().any(|known| words.contains(known)), "seed {seed}: {words}");
                refused += 1;
                continue;
            }
        };
        let merged = Program::from_bytes("merged.wasm", linked.wasm()).unwrap();
        match (run(&program), run(&merged)) {
            (Ok(apart), Ok(merged)) => {
                assert_eq!(apart.calls, merged.calls, "seed {seed}");
                assert_eq!((&apart.output, apart.sp), (&merged.output, merged.sp), "seed {seed}");
                let differing = apart.memory.iter().zip(&merged.memory).position(|(a, b)| a != b);
                let sizes = (apart.memory.len(), merged.memory.len());
                assert!(
                    apart == merged,
                    "seed {seed}: memory differs at {differing:x?} of {sizes:x?}"
                );
                compared += 1;
                calls += apart.calls.len();
                traps += apart.calls.iter().filter(|(_, result)| result.is_err()).count();
            }
            (Err(apart), _) if is_expected(&apart.to_string()) => {}
            (Err(apart), Err(merged)) => {
                assert_eq!(
                    apart.is_bad_input(),
                    merged.is_bad_input(),
                    "seed {seed}: {apart}; {merged}"
                );
            }
            (Err(error), Ok(_)) => panic!("seed {seed}: merged it runs, and apart: {error}"),
            (Ok(_), Err(error)) => panic!("seed {seed}: apart it runs, and merged: {error}"),
        }
    }
    println!(
        "{compared} programs with {calls} calls, {traps} of them traps; {refused} were refused"
    );
    assert!(compared >= 15 && calls > 100 && traps > 10 && traps < calls);
}
