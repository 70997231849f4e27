//! Questions of a host, and linear memory. Looking works after an interruption too.

use runtime::error::ErrorCode;
use runtime::stats::Stat;

use crate::error::Error;
use crate::exports::Ptr;
use crate::instance::Instance;

impl Instance {
    /// A statistic; -1 if the runtime does not know it.
    pub fn stat(&mut self, stat: Stat) -> i64 {
        self.exports.stat(&mut self.store, stat)
    }

    /// The object that an address lies in.
    pub fn base(&mut self, address: u32) -> Option<Ptr> {
        self.exports.base(&mut self.store, address)
    }

    /// The usable size of the object that an address lies in.
    pub fn size(&mut self, address: u32) -> Option<u32> {
        self.exports.size(&mut self.store, address)
    }

    /// Walks the heap and every table: 0, or the code of the first broken invariant.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the tables are so broken that they cannot be walked.
    pub fn verify(&mut self) -> Result<u32, Error> {
        self.exports.verify(&mut self.store)
    }

    /// The last error the runtime stored, and its argument.
    pub fn last_error(&mut self) -> Option<(ErrorCode, u32)> {
        self.exports.last_error(&mut self.store)
    }

    /// Bytes of linear memory.
    pub fn memory_size(&self) -> usize {
        self.exports.memory.data_size(&self.store)
    }

    /// Copies memory out.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn read(&self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        self.exports.read(&self.store, address, into)
    }

    /// Copies into memory.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn write(&mut self, address: u32, from: &[u8]) -> Result<(), Error> {
        self.exports.write(&mut self.store, address, from)
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if it does not lie in memory.
    pub fn read_u32(&self, address: u32) -> Result<u32, Error> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Writes a word.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if it does not lie in memory.
    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.write(address, &value.to_le_bytes())
    }
}
