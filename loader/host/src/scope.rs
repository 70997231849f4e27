//! Roots that last as long as a Rust scope.

use std::ops::{Deref, DerefMut};

use crate::error::Error;
use crate::exports::Ptr;
use crate::instance::Instance;

/// An instance whose `gc_sp` is restored when the scope ends: what was pushed through it is a root until then.
///
/// Scopes nest: `scope.scope()` is one inside this one.
///
/// ```
/// use rootstock_host::{Config, Instance};
///
/// let mut instance = Instance::new(&Config::default())?;
/// let mut scope = instance.scope();
/// let object = scope.alloc(8)?;
/// scope.push(object)?;
/// scope.collect()?;
/// assert_eq!(scope.base(object.0), Some(object));
/// drop(scope);
/// instance.collect()?;
/// assert_eq!(instance.base(object.0), None);
/// # Ok::<(), rootstock_host::Error>(())
/// ```
pub struct RootScope<'a> {
    instance: &'a mut Instance,
    sp: u32,
}

impl<'a> RootScope<'a> {
    pub(crate) fn new(instance: &'a mut Instance) -> Self {
        let sp = instance.sp();
        Self { instance, sp }
    }

    /// Roots an object until the scope ends, and hands it back.
    ///
    /// # Errors
    ///
    /// [`Error::ShadowStackFull`] if no slot is free.
    pub fn push(&mut self, p: Ptr) -> Result<Ptr, Error> {
        self.instance.push_root(p)?;
        Ok(p)
    }
}

impl Drop for RootScope<'_> {
    fn drop(&mut self) {
        self.instance.set_sp(self.sp);
    }
}

impl Deref for RootScope<'_> {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        self.instance
    }
}

impl DerefMut for RootScope<'_> {
    fn deref_mut(&mut self) -> &mut Instance {
        self.instance
    }
}
