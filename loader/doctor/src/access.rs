//! Which instructions reach into memory, where, and what lies above the address on the operand stack.

use wasm_encoder::ValType;
use wasmparser::{MemArg, Operator};

/// An instruction that reads or writes at an address.
pub(super) struct Access {
    pub(super) memarg: MemArg,
    pub(super) writes: bool,
    /// The operands above the address, the lowest first.
    pub(super) operands: &'static [ValType],
}

impl Access {
    /// The number of bytes that it reaches.
    pub(super) fn bytes(&self) -> u32 {
        1 << self.memarg.max_align
    }
}

/// The access that an instruction makes; `None` for one that has no address, or several.
pub(super) fn access(operator: &Operator<'_>) -> Option<Access> {
    let (memarg, name) = address(operator)?;
    Some(Access {
        memarg,
        writes: ["_store", "_rmw"].iter().any(|part| name.contains(part)),
        operands: operands(name),
    })
}

/// An instruction as the text format writes it; only those that reach into memory.
pub(super) fn text(operator: &Operator<'_>) -> String {
    let visitor = match operator {
        Operator::MemoryFill { .. } => "visit_memory_fill",
        Operator::MemoryCopy { .. } => "visit_memory_copy",
        Operator::MemoryInit { .. } => "visit_memory_init",
        other => address(other).map_or("", |(_, visitor)| visitor),
    };
    let mut text = visitor.trim_start_matches("visit_").replacen('_', ".", 1);
    if let Some((ty, rest)) = text.split_once(".atomic_") {
        text = format!(
            "{ty}.atomic.{}",
            rest.replacen('_', ".", usize::from(rest.starts_with("rmw")))
        );
    }
    text
}

/// The operands above the address, by the name of the instruction's visitor: its first word is the type of its values.
fn operands(name: &str) -> &'static [ValType] {
    use ValType::{F32, F64, I32, I64, V128};
    let wide = name.starts_with("visit_i64");
    match name {
        "visit_memory_atomic_notify" => &[I32],
        "visit_memory_atomic_wait32" => &[I32, I64],
        "visit_memory_atomic_wait64" => &[I64, I64],
        _ if name.contains("cmpxchg") => {
            if wide {
                &[I64, I64]
            } else {
                &[I32, I32]
            }
        }
        _ if name.ends_with("_lane") || name == "visit_v128_store" => &[V128],
        _ if !name.contains("_store") && !name.contains("_rmw") => &[],
        _ if wide => &[I64],
        _ if name.starts_with("visit_f32") => &[F32],
        _ if name.starts_with("visit_f64") => &[F64],
        _ => &[I32],
    }
}

/// Finds the immediate `memarg` of any instruction that has one, by the parser's own table of instructions.
macro_rules! find_memarg {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {
        fn address(operator: &Operator<'_>) -> Option<(MemArg, &'static str)> {
            match operator {
                $(Operator::$op $({ $($arg),* })? => {
                    let immediates: &[Option<MemArg>] = &[$($(find_memarg!($arg, $arg)),*)?];
                    immediates.iter().flatten().next().map(|&memarg| (memarg, stringify!($visit)))
                })*
                _ => None,
            }
        }
    };
    (memarg, $value:ident) => {
        Some(*$value)
    };
    ($other:ident, $value:ident) => {{
        let _ = $value;
        None
    }};
}

wasmparser::for_each_operator!(find_memarg);

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload};

    fn each<T>(body: &str, f: impl Fn(&Operator<'_>) -> Option<T>) -> Vec<T> {
        let wasm = wat::parse_str(format!("(module (memory 1) (func {body}))")).unwrap();
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                for operator in body.get_operators_reader().unwrap() {
                    found.extend(f(&operator.unwrap()));
                }
            }
        }
        found
    }

    #[test]
    fn every_kind_of_access_is_known_with_its_size_and_its_operands() {
        let shape = |operator: &Operator<'_>| {
            let access = access(operator)?;
            Some((access.bytes(), access.writes, access.operands.len()))
        };
        assert_eq!(
            each(
                "(drop (i32.load8_u (i32.const 0))) (drop (i64.load align=1 (i32.const 0)))
                 (i64.store16 (i32.const 0) (i64.const 1)) (f32.store (i32.const 0) (f32.const 1))
                 (drop (v128.load32x2_s (i32.const 0))) (drop (v128.load8_splat (i32.const 0)))
                 (v128.store64_lane 1 (i32.const 0) (v128.const i64x2 0 0))
                 (drop (i64.atomic.rmw32.cmpxchg_u (i32.const 0) (i64.const 0) (i64.const 0)))
                 (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))
                 (drop (i32.add (i32.const 0) (memory.size)))",
                shape
            ),
            [
                (1, false, 0),
                (8, false, 0),
                (2, true, 1),
                (4, true, 1),
                (8, false, 0),
                (1, false, 0),
                (8, true, 1),
                (4, true, 2),
                (4, false, 2),
            ]
        );
    }
    #[test]
    fn instructions_have_the_names_of_the_text_format() {
        let body = "(i32.store8 (i32.const 0) (i32.load16_s (i32.const 0)))
                    (drop (i64.atomic.rmw32.add_u (i32.const 0) (i64.const 0)))
                    (drop (i32.atomic.load8_u (i32.const 0)))
                    (drop (memory.atomic.notify (i32.const 0) (i32.const 0)))
                    (v128.store8_lane 3 (i32.const 0) (v128.load8x8_s (i32.const 0)))
                    (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))";
        assert_eq!(
            each(body, |operator| Some(text(operator)).filter(|text| !text.is_empty())),
            [
                "i32.load16_s",
                "i32.store8",
                "i64.atomic.rmw32.add_u",
                "i32.atomic.load8_u",
                "memory.atomic.notify",
                "v128.load8x8_s",
                "v128.store8_lane",
                "memory.copy"
            ]
        );
    }
}
