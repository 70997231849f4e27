//! The heap from the program's side: objects, wrappers, collections, roots that are no slots, options.

use runtime::error::{ErrorCode, error_info};
use runtime::options::GcOption;

use crate::error::Error;
use crate::exports::Ptr;
use crate::instance::Instance;
use crate::merged::Merged;

impl Instance {
    /// Allocates `size` zeroed bytes that are scanned for pointers.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if there is no memory.
    pub fn alloc(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc(&mut self.store, size)
    }

    /// Allocates `size` bytes that hold no pointers; they are not zeroed.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if there is no memory.
    pub fn alloc_atomic(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc_atomic(&mut self.store, size)
    }

    /// Allocates as [`alloc`](Self::alloc), or says that there is no memory.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps on the way.
    pub fn try_alloc(&mut self, size: u32) -> Result<Option<Ptr>, Error> {
        self.exports.try_alloc(&mut self.store, size)
    }

    /// The same for an object that holds no pointers.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps on the way.
    pub fn try_alloc_atomic(&mut self, size: u32) -> Result<Option<Ptr>, Error> {
        self.exports.try_alloc_atomic(&mut self.store, size)
    }

    /// Makes `p` stand for a handle: the host is notified when `p` is dead.
    ///
    /// An object that holds its handle comes from [`alloc_atomic`](Self::alloc_atomic): a handle may look like an address.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if `p` is no object or has an entry already, or if the table is full.
    pub fn register_wrapper(&mut self, p: Ptr, kind: u32, handle: u32) -> Result<(), Error> {
        self.exports.register_wrapper(&mut self.store, p, kind, handle)
    }

    /// The same, with the size of the host memory behind the handle.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if `p` is no object or has an entry already, or if the table is full.
    pub fn register_wrapper_sized(
        &mut self,
        p: Ptr,
        kind: u32,
        handle: u32,
        external_bytes: u32,
    ) -> Result<(), Error> {
        let params = (p.0, kind, handle, external_bytes);
        self.exports.call(&mut self.store, &self.exports.register_wrapper_sized, params)
    }

    /// Makes `p` stand for a handle, or says why not: the error of the runtime's, which has not trapped.
    ///
    /// # Errors
    ///
    /// If the host's own callback traps on the way.
    pub fn try_register_wrapper(
        &mut self,
        p: Ptr,
        kind: u32,
        handle: u32,
    ) -> Result<Option<ErrorCode>, Error> {
        let function = &self.exports.try_register_wrapper;
        let code = self.exports.call(&mut self.store, function, (p.0, kind, handle))?;
        let row = error_info(code);
        Ok(row.map(|row| row.code).filter(|&code| code != ErrorCode::None))
    }

    /// The kind and the handle that `p` stands for; nothing if it stands for none, or is no object. For a host that keeps
    /// addresses of wrappers, and looks whether they still are some.
    pub fn wrapper(&mut self, p: Ptr) -> Option<(u32, u32)> {
        self.exports.wrapper(&mut self.store, p)
    }

    /// Notifies the host of at most `max` of the dead handles that are queued; returns how many are left. For a host that
    /// has set the option NOTIFY to 0.
    ///
    /// # Errors
    ///
    /// If the host's callback traps.
    pub fn notify(&mut self, max: u32) -> Result<u32, Error> {
        self.exports.notify(&mut self.store, max)
    }

    /// Disposes of a wrapper now; false if `p` has none.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps.
    pub fn release_wrapper(&mut self, p: Ptr) -> Result<bool, Error> {
        self.exports.release_wrapper(&mut self.store, p)
    }

    /// Runs a full collection.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the runtime finds its tables or the shadow stack spoilt, or the host's callback traps.
    pub fn collect(&mut self) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_collect, ())
    }

    /// Tells the host about every wrapper that is left. The handle store's audit counts a handle that is alive after
    /// that as never told. A program that was linked without the runtime's exports cannot be told to.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        if !self.is_complete() {
            return Ok(());
        }
        self.exports.call(&mut self.store, &self.exports.gc_shutdown, ())?;
        if self.merged.as_ref().is_none_or(Merged::notifies_host) {
            self.handles_mut().expect_all_told();
        }
        Ok(())
    }

    /// Says where static data end.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if static data cannot end there, or another end was said before.
    pub fn init(&mut self, static_end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_init, static_end)
    }

    /// Registers a range of words that hold roots.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if it is no range of words in memory, or there is no memory for the table.
    pub fn add_roots(&mut self, start: u32, end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_add_roots, (start, end))
    }

    /// Forgets a range of roots.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if it was not added.
    pub fn remove_roots(&mut self, start: u32, end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_remove_roots, (start, end))
    }

    /// Keeps an object alive until it is unpinned as often as it was pinned.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if `p` is no object, or there is no memory for the table.
    pub fn pin(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_pin, p.0)
    }

    /// Takes one pin back.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if it has none.
    pub fn unpin(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_unpin, p.0)
    }

    /// Sets an option and returns its old value.
    ///
    /// # Errors
    ///
    /// [`Error::OptionRefused`] if the runtime refuses the value.
    pub fn configure(&mut self, option: GcOption, value: u32) -> Result<u32, Error> {
        self.exports.configure(&mut self.store, option, value)
    }
}
