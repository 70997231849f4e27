//! The shadow stacks.

use crate::error::Error;
use crate::exports::Ptr;
use crate::instance::Instance;
use crate::scope::RootScope;

impl Instance {
    /// The value of `gc_sp`: the next free slot.
    pub fn sp(&mut self) -> u32 {
        self.exports.sp(&mut self.store)
    }

    /// Sets `gc_sp`. Nothing is checked before the next collection.
    pub fn set_sp(&mut self, sp: u32) {
        self.exports.set_sp(&mut self.store, sp);
    }

    /// The start of the first shadow stack.
    pub fn stack_base(&self) -> u32 {
        self.exports.gc_stack_base
    }

    /// The end of the first shadow stack.
    pub fn stack_limit(&self) -> u32 {
        self.exports.gc_stack_limit
    }

    /// The end of the current shadow stack.
    pub fn stack_end(&mut self) -> u32 {
        self.exports.stack_end(&mut self.store)
    }

    /// Makes a shadow stack of `slots` slots, for a fiber, a coroutine or a suspended call; returns its number. The stack
    /// that a program starts on is number 0.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn stack_new(&mut self, slots: u32) -> Result<u32, Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_new, slots)
    }

    /// Goes on on another shadow stack, where that was left: `gc_sp` is its top from now on. Returns the one that was
    /// current. A [`RootScope`] ends on the stack on which it began.
    ///
    /// # Errors
    ///
    /// If there is no such stack, or if too much was pushed on the one that is left.
    pub fn stack_switch(&mut self, stack: u32) -> Result<u32, Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_switch, stack)
    }

    /// Frees a shadow stack, and the roots on it.
    ///
    /// # Errors
    ///
    /// If there is no such stack, or if it is the current one or number 0.
    pub fn stack_free(&mut self, stack: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_free, stack)
    }

    /// The start of a program's static data.
    pub fn program_base(&self) -> u32 {
        self.exports.gc_program_base
    }

    /// Pushes a root; an error when no slot is free.
    ///
    /// # Errors
    ///
    /// [`Error::ShadowStackFull`] if no slot is free.
    pub fn push_root(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.push_root(&mut self.store, p)
    }

    /// A scope: what is rooted through it stays rooted until it is dropped.
    pub fn scope(&mut self) -> RootScope<'_> {
        RootScope::new(self)
    }
}
