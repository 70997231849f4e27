//! Makes a failing program short: by delta debugging over its operations, and then by making numbers smaller.
//!
//! Operations refer to objects by name and to handles by number, so whatever is left out, the rest means what it meant.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::program::{Op, Program, Script, Word};

/// Shortens `program` for as long as `fails` says of what is left that it fails, for `time` at most. Returns the
/// shortest that was found.
pub(crate) fn shrink(
    program: &Program,
    time: Duration,
    mut fails: impl FnMut(&Program) -> bool,
) -> Program {
    let end = Instant::now().checked_add(time);
    let mut still_fails =
        |program: &Program| end.is_none_or(|end| Instant::now() < end) && fails(program);
    let mut best = program.clone();
    loop {
        let before = best.clone();
        best = fewer(best, &mut still_fails);
        best = smaller(best, &mut still_fails);
        if best == before {
            return best;
        }
    }
}

/// The place of an operation: in the program, or in the host's script for a handle.
type Place = (Option<u32>, usize);

fn places(program: &Program) -> Vec<Place> {
    let ops = (0..program.ops.len()).map(|index| (None, index));
    let told = program.told.iter().flat_map(|(&handle, script)| {
        (0..script.ops.len()).map(move |index| (Some(handle), index))
    });
    ops.chain(told).collect()
}

/// The program with the operations at these places, which are in order.
fn only(program: &Program, places: &[Place]) -> Program {
    let mut told: BTreeMap<u32, Script> = BTreeMap::new();
    let mut ops = Vec::new();
    for &(handle, index) in places {
        match handle {
            None => ops.push(program.ops[index].clone()),
            Some(handle) => {
                let script = &program.told[&handle];
                let kept = told.entry(handle).or_default();
                kept.catches = script.catches;
                kept.ops.push(script.ops[index].clone());
            }
        }
    }
    Program { ops, told, ..*program }
}

/// Leaves out as many operations as it can: large pieces first, then smaller ones, single ones at last.
fn fewer(program: Program, fails: &mut impl FnMut(&Program) -> bool) -> Program {
    let mut kept = places(&program);
    let mut piece = kept.len().div_ceil(2);
    while piece != 0 {
        let mut at = 0;
        let mut progress = false;
        while at < kept.len() {
            let end = (at + piece).min(kept.len());
            let candidate = [&kept[..at], &kept[end..]].concat();
            if fails(&only(&program, &candidate)) {
                kept = candidate;
                progress = true;
            } else {
                at = end;
            }
        }
        piece = match piece {
            1 if progress => 1,
            _ => piece / 2,
        };
    }
    only(&program, &kept)
}

/// Makes the numbers of each operation smaller.
fn smaller(mut program: Program, fails: &mut impl FnMut(&Program) -> bool) -> Program {
    for (handle, index) in places(&program) {
        loop {
            let op = match handle {
                None => &program.ops[index],
                Some(handle) => &program.told[&handle].ops[index],
            };
            let shorter = simpler(op).into_iter().find_map(|op| {
                let mut candidate = program.clone();
                match handle {
                    None => candidate.ops[index] = op,
                    Some(handle) => candidate.told.get_mut(&handle)?.ops[index] = op,
                }
                fails(&candidate).then_some(candidate)
            });
            match shorter {
                Some(shorter) => program = shorter,
                None => break,
            }
        }
    }
    for candidate in
        [Program { statics: 0, ..program.clone() }, Program { pages: 256, ..program.clone() }]
    {
        if candidate != program && fails(&candidate) {
            program = candidate;
        }
    }
    program
}

/// Simpler forms of an operation, the simplest first; each has smaller numbers, so that this comes to an end.
fn simpler(op: &Op) -> Vec<Op> {
    let less = |number: u32, least: u32| {
        let numbers = [least, number / 2, number.saturating_sub(1)];
        numbers.into_iter().filter(move |&less| least <= less && less < number)
    };
    match *op {
        Op::Alloc { name, how, size } => {
            less(size, 0).map(|size| Op::Alloc { name, how, size }).collect()
        }
        Op::Fan { name, count, size } => {
            let fewer = less(count, 0).map(|count| Op::Fan { name, count, size });
            fewer.chain(less(size, 0).map(|size| Op::Fan { name, count, size })).collect()
        }
        Op::Comb { name, count, size } => {
            let fewer = less(count, 0).map(|count| Op::Comb { name, count, size });
            fewer.chain(less(size, 0).map(|size| Op::Comb { name, count, size })).collect()
        }
        Op::Burst { count, size, kind, handle } => {
            let fewer = less(count, 0).map(|count| Op::Burst { count, size, kind, handle });
            let less = less(size, 0).map(|size| Op::Burst { count, size, kind, handle });
            fewer.chain(less).collect()
        }
        Op::Pop(count) => less(count, 1).map(Op::Pop).collect(),
        Op::Grow(pages) => less(pages, 1).map(Op::Grow).collect(),
        Op::Set { slot, value: Word::Number(number) } => {
            less(number, 0).map(|number| Op::Set { slot, value: Word::Number(number) }).collect()
        }
        Op::Store { object, word, value } => {
            less(word, 0).map(|word| Op::Store { object, word, value }).collect()
        }
        Op::Static { word, value } => {
            less(word, 0).map(|word| Op::Static { word, value }).collect()
        }
        Op::Register { object, kind, handle, external: Some(bytes) } => {
            let without = Op::Register { object, kind, handle, external: None };
            let less = less(bytes, 0);
            let sized =
                less.map(|bytes| Op::Register { object, kind, handle, external: Some(bytes) });
            std::iter::once(without).chain(sized).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::How;

    fn alloc(name: u32, size: u32) -> Op {
        Op::Alloc { name, how: How::Alloc, size }
    }

    #[test]
    fn what_does_not_matter_goes_and_the_rest_gets_small() {
        let mut program = Program::new(100, 5000);
        program.ops = (0..200).map(|name| alloc(name, 100)).collect();
        let script = Script { ops: vec![Op::Collect, Op::Pop(5), Op::Trap], catches: true };
        program.told.insert(7, script);
        // Fails where an object of 33 bytes or more is followed by two collections, one of the host's.
        program.ops.insert(150, Op::Collect);
        let mut runs = 0;
        let shrunk = shrink(&program, Duration::from_secs(20), |program| {
            runs += 1;
            let large = |op: &&Op| matches!(op, Op::Alloc { size: 33.., .. });
            program.ops.contains(&Op::Collect)
                && program.ops.iter().any(|op| large(&op))
                && program.told.get(&7).is_some_and(|script| script.ops.contains(&Op::Trap))
        });
        assert_eq!(shrunk.len(), 3, "{shrunk}");
        assert!(shrunk.ops.iter().any(|op| matches!(op, Op::Alloc { size: 33, .. })), "{shrunk}");
        assert!(shrunk.told[&7].catches);
        assert!(runs < 1000, "{runs} runs");
    }

    #[test]
    fn a_program_that_does_not_fail_any_more_stays_as_it_is() {
        let mut program = Program::new(100, 0);
        program.ops = vec![alloc(0, 10)];
        assert_eq!(shrink(&program, Duration::from_secs(1), |_| false), program);
    }
}
