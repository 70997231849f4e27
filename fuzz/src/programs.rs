//! Programs made of the fuzzer's bytes, run on the collector's core and on the model of its native tests.
//!
//! The model and its host are those of `runtime/core/tests/native`; here only the programs come from elsewhere. A
//! difference is a panic, which libFuzzer reports with the bytes that led to it.
#![no_main]
// The tests use more of these files than this target does.
#![allow(dead_code, unused_imports)]

#[path = "../../runtime/core/tests/native/host.rs"]
mod host;
#[path = "../../runtime/core/tests/native/memory.rs"]
mod memory;
mod model;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use model::ops::{Op, Program, Script, Word};
use runtime_core::options::GcOption;

/// Longer programs take longer and find nothing else.
const MOST_OPS: usize = 200;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match program(&mut Unstructured::new(bytes)) {
        Ok(program) => {
            model::run::Runner::run(&program);
            Corpus::Keep
        }
        Err(_) => Corpus::Reject,
    }
});

fn program(u: &mut Unstructured<'_>) -> Result<Program> {
    let max_pages = *u.choose(&[18, 20, 24, 32, 128])?;
    let mut options = vec![(GcOption::MinHeap, *u.choose(&[0, 0, 64 << 10, 256 << 10])?)];
    for _ in 0..u.int_in_range(0..=2)? {
        options.push(option(u)?);
    }
    let mut scripts = Vec::new();
    for _ in 0..u.int_in_range(0..=8)? {
        let mut ops = Vec::new();
        for _ in 0..u.int_in_range(0..=4)? {
            ops.push(op(u)?);
        }
        scripts.push(Script { ops, catches: u.arbitrary()?, traps: u.ratio(1, 6)? });
    }
    let mut ops = Vec::new();
    while !u.is_empty() && ops.len() < MOST_OPS {
        ops.push(op(u)?);
    }
    Ok(Program { max_pages, options, ops, scripts })
}

fn word(u: &mut Unstructured<'_>) -> Result<Word> {
    Ok(match u.int_in_range(0..=8)? {
        0 => Word::Number(u.arbitrary()?),
        1 => Word::Inside(u.arbitrary()?, u.arbitrary()?),
        2 => Word::Grave(u.arbitrary()?),
        _ => Word::Base(u.arbitrary()?),
    })
}

fn size(u: &mut Unstructured<'_>) -> Result<u32> {
    match u.int_in_range(0..=7)? {
        0..=3 => u.int_in_range(0..=64),
        4 => u.int_in_range(65..=1024),
        5 => u.int_in_range(1025..=8192),
        6 => u.int_in_range(8193..=100_000),
        _ => u.choose(&[8, 9, 16, 17, 1024, 1025, 8192, 8193, 16_384, 16_385]).copied(),
    }
}

fn option(u: &mut Unstructured<'_>) -> Result<(GcOption, u32)> {
    let options: [(GcOption, &[u32]); 10] = [
        (GcOption::Eager, &[0, 0, 1, 2, 3, 7]),
        (GcOption::Poison, &[0, 1]),
        (GcOption::Verify, &[0, 1]),
        (GcOption::Interior, &[0, 1]),
        (GcOption::MarkStackLimit, &[0, 16_384, 1 << 20]),
        (GcOption::HeapLimit, &[0, 200_000, 400_000, 1 << 20, 4 << 20]),
        (GcOption::WrapLimit, &[1, 2, 4, 8, 4096, 1 << 20]),
        (GcOption::GrowthPercent, &[1, 50, 100, 1000]),
        (GcOption::MinHeap, &[0, 0, 32 << 10, 256 << 10]),
        (GcOption::MaxPages, &[20, 24, 32, 64, 32_768]),
    ];
    let (option, values) = u.choose(&options)?;
    Ok((*option, *u.choose(values)?))
}

fn op(u: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match u.int_in_range(0..=31)? {
        0..=8 => Op::Alloc { size: size(u)?, atomic: u.ratio(1, 4)?, rooted: u.arbitrary()? },
        9 => Op::AllocHuge(u.int_in_range(0x8000_0000..=u32::MAX)?),
        10 => Op::Push(word(u)?),
        11 => Op::Overwrite { slot: u.arbitrary()?, value: word(u)? },
        12 | 13 => Op::Pop(u.int_in_range(0..=5)?),
        14..=17 => Op::Write { object: u.arbitrary()?, word: u.arbitrary()?, value: word(u)? },
        18 => Op::WriteStatic { word: u.arbitrary()?, value: word(u)? },
        19 => Op::AddRange { start: u.arbitrary()?, words: u.arbitrary()? },
        20 => Op::RemoveRange(u.arbitrary()?),
        21 => Op::Pin(word(u)?),
        22 => Op::Unpin(word(u)?),
        23..=25 => {
            let external = if u.arbitrary()? { u.int_in_range(0..=1_000_000)? } else { 0 };
            Op::Register { object: word(u)?, kind: u.arbitrary()?, external }
        }
        26 => Op::Release(word(u)?),
        27 => Op::Collect,
        28 => match u.int_in_range(0..=3)? {
            0 => Op::Shutdown,
            1 => Op::RemoveNoRange,
            2 => Op::ForeignGrow(u.int_in_range(0..=2)?),
            _ => Op::RefuseGrowth(u.arbitrary()?),
        },
        29 | 30 => {
            let (option, value) = option(u)?;
            Op::Configure(option, value)
        }
        _ => Op::Collect,
    })
}
