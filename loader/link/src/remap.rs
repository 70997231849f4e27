//! One module's numbers, as the rewritten code needs them.

use rootstock_program::{Decref, InputError};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ConstExpr, Encode};
use wasmparser::Operator;

use crate::constant::{Constant, Constants};
use crate::module::Module;
use crate::numbers::Numbers;
use crate::space::{ItemId, Origin, Space};

/// All modules of a link and how they hang together.
pub(super) struct Plan<'a> {
    /// The runtime, libraries in the order in which they were given, the program.
    pub(super) modules: Vec<Module<'a>>,
    /// For each module, where each of its imports comes from.
    pub(super) origins: Vec<Vec<Origin>>,
    pub(super) numbers: Numbers,
    pub(super) constants: Constants,
    /// The fate of the runtime's import.
    pub(super) decref: &'a Decref,
}

impl Plan<'_> {
    /// Follows a global to where it is defined; `None` if that is outside.
    pub(super) fn global(&self, (mut at, mut index): ItemId) -> Option<ItemId> {
        while let Some(import) = self.modules[at].import(Space::Global, index) {
            match self.origins[at][import] {
                Origin::Host => return None,
                Origin::Linked(module, target) => (at, index) = (module, target),
            }
        }
        Some((at, index))
    }
}

/// Rewrites what belongs to one module.
pub(super) struct Remap<'p, 'a> {
    pub(super) plan: &'p Plan<'a>,
    /// Whose numbers are read.
    pub(super) at: usize,
}

impl Remap<'_, '_> {
    fn number(&self, space: Space, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.plan.numbers.get(space, (self.at, index)).ok_or_else(|| self.dropped())
    }

    /// Nothing that is kept names what is dropped: this would be a fault of `reach`.
    fn dropped(&self) -> reencode::Error<InputError> {
        let module = &self.plan.modules[self.at];
        reencode::Error::UserError(InputError::new(
            &module.file,
            "something that is used was dropped: a fault of the linker",
        ))
    }

    /// The value of a global of another module, if it never changes.
    ///
    /// Before the GC proposal, constants may name imported globals only, and an import that is linked is none any more.
    fn inlined(&self, index: u32) -> Option<&Constant> {
        let place = self.plan.global((self.at, index)).filter(|place| place.0 != self.at)?;
        self.plan.constants.get(self.plan, place)
    }

    /// Writes a constant expression without its end.
    fn constant(
        &mut self,
        expression: &wasmparser::ConstExpr<'_>,
        into: &mut Vec<u8>,
    ) -> Result<(), reencode::Error<InputError>> {
        let mut operators = expression.get_operators_reader();
        while !operators.is_end_then_eof() {
            let operator = operators.read()?;
            if let Operator::GlobalGet { global_index } = operator
                && let Some(value) = self.inlined(global_index)
            {
                value.encode(into);
            } else {
                self.instruction(operator)?.encode(into);
            }
        }
        Ok(())
    }
}

impl Reencode for Remap<'_, '_> {
    type Error = InputError;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.number(Space::Function, index)
    }

    fn table_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.number(Space::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.number(Space::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.number(Space::Global, index)
    }

    fn tag_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        self.number(Space::Tag, index)
    }

    fn type_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        let known = self.plan.numbers.types[self.at].get(index as usize).copied().flatten();
        known.ok_or_else(|| self.dropped())
    }

    fn data_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        Ok(self.plan.numbers.data[self.at] + index)
    }

    fn element_index(&mut self, index: u32) -> Result<u32, reencode::Error<InputError>> {
        Ok(self.plan.numbers.elements[self.at] + index)
    }

    fn const_expr(
        &mut self,
        expression: wasmparser::ConstExpr<'_>,
    ) -> Result<ConstExpr, reencode::Error<InputError>> {
        let mut bytes = Vec::new();
        self.constant(&expression, &mut bytes)?;
        Ok(ConstExpr::raw(bytes))
    }
}
