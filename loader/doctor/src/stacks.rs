//! The shadow stacks of a program, which has more than one if it calls `gc_stack_new`.
//!
//! Logs of what was popped and overwritten there are for the first alone; what the others hold is seen at collections.

use std::collections::BTreeMap;

use rootstock_host::exports::{Context, Exports};
use rootstock_host::wasmtime;

use crate::state::State;

/// A stack that has been current.
#[derive(Clone, Copy)]
struct Stack {
    base: u32,
    limit: u32,
    /// `gc_sp` as it was when another became current.
    left: u32,
}

/// The number of the stack that a program starts on.
pub(super) const FIRST: u32 = 0;

pub(super) struct Stacks {
    known: BTreeMap<u32, Stack>,
    current: u32,
}

impl Stacks {
    pub(super) fn new(exports: &Exports) -> Self {
        let base = exports.gc_stack_base;
        let first = Stack { base, limit: exports.gc_stack_limit, left: base };
        Self { known: BTreeMap::from([(FIRST, first)]), current: FIRST }
    }

    /// Tells whether `gc_sp` may be this.
    pub(super) fn may_have(&self, sp: u32) -> bool {
        let stack = self.known.get(&self.current);
        stack.is_some_and(|stack| (stack.base..=stack.limit).contains(&sp)) && sp.is_multiple_of(4)
    }

    /// The top of the first one, if `gc_sp` is this.
    pub(super) fn first_top(&self, sp: u32) -> u32 {
        match self.known.get(&FIRST) {
            Some(first) if self.current != FIRST => first.left,
            _ => sp,
        }
    }

    /// The used part of each, with its number.
    pub(super) fn used(&self, sp: u32) -> impl Iterator<Item = (u32, u32, u32)> {
        let current = self.current;
        self.known.iter().map(move |(&number, stack)| {
            (number, stack.base, if number == current { sp } else { stack.left })
        })
    }
}

impl State {
    pub(super) fn new_stack(&mut self, cx: &mut impl Context, slots: u32) -> wasmtime::Result<u32> {
        let stack = self.exports.gc_stack_new.call(&mut *cx, slots)?;
        // Its memory may have been that of objects whose quarantine is over.
        while let Some((_, id)) = self.objects.dead_in(stack, slots.saturating_mul(4)) {
            let old = self.objects.forget(id);
            self.checks.mark(&mut *cx, old.base, old.size, false)?;
        }
        Ok(stack)
    }

    pub(super) fn switch_stack(
        &mut self,
        cx: &mut impl Context,
        stack: u32,
    ) -> wasmtime::Result<u32> {
        let left = self.exports.sp(&mut *cx);
        let old = self.exports.gc_stack_switch.call(&mut *cx, stack)?;
        if stack != old {
            if let Some(old) = self.stacks.known.get_mut(&old) {
                old.left = left;
            }
            // A new one begins at its first slot.
            let base = self.exports.sp(&mut *cx);
            let limit = self.exports.stack_end(cx);
            self.stacks.known.entry(stack).or_insert(Stack { base, limit, left: base });
            self.stacks.current = stack;
        }
        Ok(old)
    }

    pub(super) fn free_stack(&mut self, cx: &mut impl Context, stack: u32) -> wasmtime::Result<()> {
        self.exports.gc_stack_free.call(cx, stack)?;
        self.stacks.known.remove(&stack);
        Ok(())
    }
}
