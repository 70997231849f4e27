//! The values of globals that never change: what initialisers of other modules and places of data are made of.
//!
//! A constant expression names only globals before it, so one pass over the modules finds them all.

use wasm_encoder::{Encode, Instruction};
use wasmparser::{ConstExpr, Operator};

use crate::remap::{Plan, Remap};
use crate::space::{ItemId, Space};

/// Bytes that the code of a value may have. What is longer stays where it is, or it could double with each module.
const LONGEST: usize = 64;

/// A value that does not depend on where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    I32(u32),
    I64(u64),
    /// Code by the numbers of the merged module.
    Code(Vec<u8>),
}

impl Constant {
    /// Writes the instructions that give it.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::I32(value) => Instruction::I32Const(value.cast_signed()).encode(into),
            Self::I64(value) => Instruction::I64Const(value.cast_signed()).encode(into),
            Self::Code(code) => into.extend_from_slice(code),
        }
    }
}

/// For each module, the values of the globals that it defines.
#[derive(Default)]
pub(super) struct Constants(Vec<Vec<Option<Constant>>>);

impl Constants {
    /// Finds them, with everything else of the plan decided.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let mut constants = Self::default();
        for (at, module) in plan.modules.iter().enumerate() {
            constants.0.push(Vec::with_capacity(module.globals.len()));
            for global in &module.globals {
                let value = (!global.ty.mutable)
                    .then(|| constants.evaluate(plan, at, &global.init_expr))
                    .flatten();
                constants.0[at].push(value);
            }
        }
        constants
    }

    /// The value of a global at the place where it is defined.
    pub(super) fn get(&self, plan: &Plan<'_>, (at, index): ItemId) -> Option<&Constant> {
        let defined = index.checked_sub(plan.modules[at].imported(Space::Global))?;
        self.0.get(at)?.get(defined as usize)?.as_ref()
    }

    /// The value of a constant expression of module `at`; `None` if it is long, or means something of its module.
    pub(super) fn evaluate(
        &self,
        plan: &Plan<'_>,
        at: usize,
        expression: &ConstExpr<'_>,
    ) -> Option<Constant> {
        let mut stack = Vec::new();
        let mut operators = expression.get_operators_reader();
        while !operators.is_end_then_eof() {
            let operator = operators.read().ok()?;
            let value = match operator {
                Operator::I32Const { value } => Constant::I32(value.cast_unsigned()),
                Operator::I64Const { value } => Constant::I64(value.cast_unsigned()),
                Operator::GlobalGet { global_index } => match plan.global((at, global_index)) {
                    Some(place) => self.get(plan, place)?.clone(),
                    None => code(plan, at, operator)?,
                },
                Operator::F32Const { .. }
                | Operator::F64Const { .. }
                | Operator::V128Const { .. }
                | Operator::RefNull { .. }
                | Operator::RefFunc { .. } => code(plan, at, operator)?,
                Operator::I32Add
                | Operator::I32Sub
                | Operator::I32Mul
                | Operator::I64Add
                | Operator::I64Sub
                | Operator::I64Mul => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    match folded(&operator, &left, &right) {
                        Some(value) => value,
                        None => joined(&code(plan, at, operator)?, &left, &right)?,
                    }
                }
                _ => return None,
            };
            stack.push(value);
        }
        stack.pop()
    }
}

/// One instruction by the numbers of the merged module; `None` if it names what was dropped.
fn code(plan: &Plan<'_>, at: usize, operator: Operator<'_>) -> Option<Constant> {
    use wasm_encoder::reencode::Reencode;
    let mut bytes = Vec::new();
    Remap { plan, at }.instruction(operator).ok()?.encode(&mut bytes);
    Some(Constant::Code(bytes))
}

fn folded(operator: &Operator<'_>, left: &Constant, right: &Constant) -> Option<Constant> {
    Some(match (operator, left, right) {
        (Operator::I32Add, Constant::I32(a), Constant::I32(b)) => Constant::I32(a.wrapping_add(*b)),
        (Operator::I32Sub, Constant::I32(a), Constant::I32(b)) => Constant::I32(a.wrapping_sub(*b)),
        (Operator::I32Mul, Constant::I32(a), Constant::I32(b)) => Constant::I32(a.wrapping_mul(*b)),
        (Operator::I64Add, Constant::I64(a), Constant::I64(b)) => Constant::I64(a.wrapping_add(*b)),
        (Operator::I64Sub, Constant::I64(a), Constant::I64(b)) => Constant::I64(a.wrapping_sub(*b)),
        (Operator::I64Mul, Constant::I64(a), Constant::I64(b)) => Constant::I64(a.wrapping_mul(*b)),
        _ => return None,
    })
}

fn joined(operator: &Constant, left: &Constant, right: &Constant) -> Option<Constant> {
    let mut bytes = Vec::new();
    for part in [left, right, operator] {
        part.encode(&mut bytes);
    }
    (bytes.len() <= LONGEST).then_some(Constant::Code(bytes))
}
