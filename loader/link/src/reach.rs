//! The parts of the runtime that can be reached from the programs and the exports: the rest is dropped.

use std::collections::BTreeSet;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};

use crate::module::Module;
use crate::space::Space;

/// The parts of one module that are reached.
pub(super) struct Reached {
    live: [Vec<bool>; 5],
    pub(super) types: Vec<bool>,
    /// Functions whose phase is not needed: they are kept where they are called, and reach nothing.
    pub(super) emptied: BTreeSet<u32>,
    waiting: Vec<(Space, u32)>,
}

impl Reached {
    /// Walks from `roots`. Data are kept whole, and so is what they are placed with; tables bring their elements.
    pub(super) fn from(
        module: &Module<'_>,
        roots: impl IntoIterator<Item = (Space, u32)>,
        emptied: BTreeSet<u32>,
    ) -> Result<Self, reencode::Error> {
        let size = |space| module.imported(space) as usize + module.defined(space);
        let mut reached = Self {
            live: Space::ALL.map(|space| vec![false; size(space)]),
            types: vec![false; module.type_count() as usize],
            emptied,
            waiting: Vec::new(),
        };
        for (space, index) in roots {
            reached.reach(space, index);
        }
        if let Some(start) = module.start {
            reached.reach(Space::Function, start);
        }
        if !reached.waiting.is_empty() {
            for data in &module.data {
                utils::parse_data(
                    &mut reached,
                    &mut wasm_encoder::DataSection::new(),
                    data.clone(),
                )?;
            }
        }
        while let Some((space, index)) = reached.waiting.pop() {
            reached.visit(module, space, index)?;
        }
        Ok(reached)
    }

    pub(super) fn is_live(&self, space: Space, index: u32) -> bool {
        self.live[space as usize].get(index as usize).copied().unwrap_or(false)
    }

    fn reach(&mut self, space: Space, index: u32) {
        if let Some(live) = self.live[space as usize].get_mut(index as usize)
            && !*live
        {
            *live = true;
            self.waiting.push((space, index));
        }
    }

    fn visit(
        &mut self,
        module: &Module<'_>,
        space: Space,
        index: u32,
    ) -> Result<(), reencode::Error> {
        if space == Space::Function
            && let Some(ty) = module.function_type(index)
        {
            self.type_index(ty)?;
        }
        let Some(at) = index.checked_sub(module.imported(space)).map(|at| at as usize) else {
            return Ok(());
        };
        match space {
            Space::Function if self.emptied.contains(&index) => {}
            Space::Function => {
                let mut code = wasm_encoder::CodeSection::new();
                utils::parse_function_body(self, &mut code, module.bodies[at].clone())?;
            }
            Space::Global => {
                utils::const_expr(self, module.globals[at].init_expr.clone())?;
            }
            Space::Table => {
                let mut elements = wasm_encoder::ElementSection::new();
                for element in &module.elements {
                    utils::parse_element(self, &mut elements, element.clone())?;
                }
            }
            Space::Tag => {
                self.type_index(module.tags[at].func_type_idx)?;
            }
            Space::Memory => {}
        }
        Ok(())
    }
}

/// Every number that is asked for is reached; the numbers stay what they are, and what is written is thrown away.
impl Reencode for Reached {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        self.reach(Space::Function, index);
        Ok(index)
    }

    fn table_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        self.reach(Space::Table, index);
        Ok(index)
    }

    fn memory_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        self.reach(Space::Memory, index);
        Ok(index)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        self.reach(Space::Global, index);
        Ok(index)
    }

    fn tag_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        self.reach(Space::Tag, index);
        Ok(index)
    }

    fn type_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        if let Some(used) = self.types.get_mut(index as usize) {
            *used = true;
        }
        Ok(index)
    }
}
