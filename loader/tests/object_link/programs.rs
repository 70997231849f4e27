//! The programs' results, and what becomes of a link with the wrong flags.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rootstock_host::{ErrorCode, with_stack};
use runtime::verify::Invariant;

use crate::common::left_out;

use super::linker::{Language, ROOTSTOCK, RUST_LLD, link, memory_map, system_lld, temporary};
use super::running::{Running, Trapped};

/// The syllables of both programs.
const SYLLABLES: [&str; 16] = [
    "ba", "con", "di", "fe", "gor", "hu", "ji", "ka", "lem", "mo", "nu", "po", "qua", "re", "sti",
    "to",
];

fn scramble(i: u32) -> u32 {
    let i = i.wrapping_mul(2_654_435_761);
    (i ^ i >> 15).wrapping_mul(2_246_822_519)
}

/// The result of `dictionary`.
fn dictionary(n: u32) -> u64 {
    let mut words = BTreeMap::new();
    for number in (0..n).map(|i| scramble(i) >> 20) {
        let syllable = |shift: u32| SYLLABLES[(number >> shift & 15) as usize];
        *words.entry([syllable(0), syllable(4), syllable(8)].concat()).or_insert(0_u64) += 1;
    }
    words.iter().fold(0, |sum: u64, (word, count)| {
        let step = |sum: u64, next: u64| sum.wrapping_mul(31).wrapping_add(next);
        step(word.bytes().fold(sum, |sum, byte| step(sum, byte.into())), *count)
    })
}

/// The amount of work of each part of the program.
struct Load {
    words: u32,
    depth: u32,
    handles: u32,
    objects: u32,
}

fn run(program: &mut Running, load: &Load) {
    assert_eq!(program.call::<_, u64>("dictionary", load.words), dictionary(load.words));
    let depth = u64::from(load.depth);
    assert_eq!(program.call::<_, u64>("recurse", load.depth), depth * (depth + 1) / 2);
    assert_eq!(program.call::<_, u32>("handles", load.handles), load.handles.div_ceil(10));
    assert_eq!(program.call::<_, u32>("handles", load.handles), 2 * load.handles.div_ceil(10));
    assert_eq!(program.call::<_, u32>("forget", ()), 0);
    assert_eq!(program.call::<_, u32>("statics", load.objects), 0);
}

/// The program, linked with the library.
#[track_caller]
fn module(lld: &Path, language: Language, flags: &[&str]) -> Vec<u8> {
    link(lld, language, flags, true).unwrap_or_else(|errors| panic!("{flags:?}: {errors}"))
}

/// Runs `test` where wasm may recurse deeply.
fn deep(test: impl FnOnce() + Send) {
    with_stack(64 << 20, test).expect("there is memory for the stack");
}

#[test]
fn programs_give_their_results() {
    let load = Load { words: 100_000, depth: 30_000, handles: 50_000, objects: 100_000 };
    deep(|| {
        for language in Language::all() {
            let mut program = Running::new(&module(&RUST_LLD, language, &[&memory_map()]));
            run(&mut program, &load);
            program.finish();
        }
    });
}

#[test]
fn programs_give_their_results_with_a_collection_at_each_allocation() {
    let load = Load { words: 2_000, depth: 1_000, handles: 500, objects: 500 };
    deep(|| {
        for language in Language::all() {
            let mut program = Running::new(&module(&RUST_LLD, language, &[&memory_map()])).eager(1);
            run(&mut program, &load);
            program.finish();
        }
    });
}

#[test]
fn a_linear_stack_that_overflows_traps_and_spoils_nothing() {
    deep(|| {
        for language in Language::all() {
            let mut program = Running::new(&module(&RUST_LLD, language, &[&memory_map()]));
            let words = dictionary(5_000);
            assert_eq!(program.call::<_, u64>("dictionary", 5_000), words);
            // frames of a kilobyte in a stack of half a megabyte
            assert_eq!(program.call::<_, u32>("linear", 400), 400);
            let trapped = program.try_call::<_, u32>("linear", 600).unwrap_err();
            assert_eq!(trapped, Trapped { code: 0, argument: 0 });
            program.finish();
        }
    });
}

#[test]
fn a_shadow_stack_that_overflows_traps_before_anything_is_overwritten() {
    deep(|| {
        for language in Language::all() {
            let mut program = Running::new(&module(&RUST_LLD, language, &[&memory_map()]));
            // four slots for each call, of 131,072
            assert_eq!(program.call::<_, u32>("overflow", 32_000), 32_000);
            let trapped = program.try_call::<_, u32>("overflow", 33_000).unwrap_err();
            assert_eq!(trapped.code, ErrorCode::ShadowStackOverflow as u32);
            assert_eq!(program.call::<_, u64>("dictionary", 5_000), dictionary(5_000));
            program.finish();
        }
    });
}

/// A larger linear stack is above the data, where there is room.
#[test]
fn a_larger_linear_stack_goes_above_the_data() {
    let map = memory_map();
    let flags = [map.as_str(), "--no-stack-first", "-zstack-size=8388608"];
    let load = Load { words: 5_000, depth: 2_000, handles: 1_000, objects: 1_000 };
    deep(|| {
        for language in Language::all() {
            let mut program = Running::new(&module(&RUST_LLD, language, &flags));
            run(&mut program, &load);
            assert_eq!(program.call::<_, u32>("linear", 5_000), 5_000);
            program.finish();
        }
    });
}

/// Whatever lies where the shadow stack does, the first allocation says so.
#[track_caller]
fn refused_at_the_first_allocation(lld: &Path, language: Language, flags: &[&str]) {
    let mut program = Running::new(&module(lld, language, flags));
    let expected =
        Trapped { code: ErrorCode::HeapCorrupt as u32, argument: Invariant::MemoryMap as u32 };
    assert_eq!(program.try_call::<_, u64>("dictionary", 1), Err(expected), "{lld:?} {flags:?}");
}

#[test]
fn a_link_without_the_memory_map_is_found_out() {
    for language in Language::all() {
        for flags in [
            &[][..],
            // data right, linear stack over the shadow stack
            &["--stack-first", "-zstack-size=1048576", "--global-base=1048576"],
            &["--stack-first", "-zstack-size=524288", "--global-base=1048576"],
            // linear stack right, data not
            &["--stack-first", "-zstack-size=65536"],
            &["--stack-first", "-zstack-size=65536", "--global-base=1048560"],
            &["--no-stack-first", "--global-base=1024"],
        ] {
            refused_at_the_first_allocation(&RUST_LLD, language, flags);
        }
    }
}

/// Version 14 and others ignore `--global-base` beside `--stack-first`, and do not say where the linear stack is.
#[test]
fn an_older_linker_works_without_stack_first_and_is_found_out_with_it() {
    let Some(lld) = system_lld() else {
        left_out("links with the wasm-ld of the system, which is not installed");
        return;
    };
    let version = Command::new(lld).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let load = Load { words: 5_000, depth: 2_000, handles: 1_000, objects: 1_000 };
    deep(|| {
        for language in Language::all() {
            let flags = ["-zstack-size=524224", "--global-base=1048576"];
            let mut program = Running::new(&module(lld, language, &flags));
            run(&mut program, &load);
            program.finish();
            if version.contains("LLD 14.") {
                refused_at_the_first_allocation(lld, language, &[&memory_map()]);
                let all = ["--stack-first", "-zstack-size=2097152"];
                refused_at_the_first_allocation(lld, language, &all);
            }
        }
    });
}

#[test]
fn a_link_without_the_library_names_what_is_missing() {
    for language in Language::all() {
        let errors = link(&RUST_LLD, language, &[&memory_map()], false).unwrap_err();
        // It gives up after this many.
        for symbol in ["alloc", "gc_collect"] {
            assert!(errors.contains(&format!("undefined symbol: {symbol}")), "{errors}");
        }
    }
}

#[test]
fn a_linear_stack_that_reaches_the_data_is_refused_by_the_linker() {
    let flags = ["--stack-first", "-zstack-size=2097152", "--global-base=1048576"];
    let errors = link(&RUST_LLD, Language::Rust, &flags, true).unwrap_err();
    assert!(errors.contains("--global-base cannot be less than stack size"), "{errors}");
}

/// `rootstock run` has the same options, reports and host for a module that `wasm-ld` linked.
#[test]
fn rootstock_run_knows_the_module() {
    for language in Language::all() {
        let file = temporary(&format!("run-{language:?}.wasm"));
        std::fs::write(&file, module(&RUST_LLD, language, &[&memory_map()])).unwrap();
        let run = |arguments: &[&str]| {
            let output = Command::new(ROOTSTOCK).arg("run").arg(&file).args(arguments).output();
            let output = output.expect("the command runs");
            let text = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8_lossy(&text).into_owned())
        };
        let eager = ["--eager", "--poison", "--verify"];
        let (status, text) = run(&[&["--invoke", "dictionary", "500"], &eager[..]].concat());
        assert_eq!((status, text.trim()), (Some(0), &*dictionary(500).cast_signed().to_string()));
        let (status, text) = run(&["--invoke", "handles", "1000", "--stats"]);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.starts_with("100\n"), "{text}");
        assert!(text.contains("WRAPPERS_TOLD"), "{text}");
        let (status, text) = run(&["--invoke", "overflow", "40000"]);
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("SHADOW_STACK_OVERFLOW"), "{text}");
    }
}
