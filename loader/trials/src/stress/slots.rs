//! An array of slots in the heap, and a model of what hangs from it.

use rootstock_host::{Instance, Ptr};

use super::cx::{Failure, Outcome, check};

/// The content of one slot.
#[derive(Clone, Copy)]
struct Cell {
    ptr: Ptr,
    size: u32,
    stamp: u64,
}

/// A rooted array object whose words point to objects with known contents.
pub(super) struct Slots {
    array: Ptr,
    cells: Vec<Option<Cell>>,
    expected: Vec<u8>,
    found: Vec<u8>,
}

impl Slots {
    /// Allocates an array of `count` slots, and roots it in a new slot of the shadow stack.
    pub(super) fn new(vm: &mut Instance, count: u32) -> Outcome<Self> {
        let array = vm.alloc(count * 4)?;
        vm.push_root(array)?;
        Ok(Self {
            array,
            cells: vec![None; count as usize],
            expected: Vec::new(),
            found: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    /// The number of slots that hold an object.
    pub(super) fn used(&self) -> u32 {
        self.cells.iter().flatten().count().try_into().unwrap_or(u32::MAX)
    }

    /// Bytes asked for by the objects that the slots hold.
    pub(super) fn bytes(&self) -> u64 {
        self.cells.iter().flatten().map(|cell| u64::from(cell.size)).sum()
    }

    /// The object in a slot, and its size.
    pub(super) fn get(&self, slot: u32) -> Option<(Ptr, u32)> {
        self.cells[slot as usize].map(|cell| (cell.ptr, cell.size))
    }

    /// Puts a fresh object into a slot and fills it with what `stamp` says.
    pub(super) fn put(
        &mut self,
        vm: &mut Instance,
        slot: u32,
        ptr: Ptr,
        size: u32,
        stamp: u64,
    ) -> Outcome<()> {
        pattern(stamp, size, &mut self.expected);
        vm.write(ptr.0, &self.expected)?;
        vm.write_u32(self.word(slot), ptr.0)?;
        self.cells[slot as usize] = Some(Cell { ptr, size, stamp });
        Ok(())
    }

    /// Forgets the object in a slot.
    pub(super) fn clear(&mut self, vm: &mut Instance, slot: u32) -> Outcome<()> {
        vm.write_u32(self.word(slot), 0)?;
        self.cells[slot as usize] = None;
        Ok(())
    }

    /// The word of a slot still holds the pointer, and the object its contents.
    pub(super) fn check(&mut self, vm: &mut Instance, slot: u32) -> Outcome<()> {
        let word = vm.read_u32(self.word(slot))?;
        let Some(cell) = self.cells[slot as usize] else {
            check!(word == 0, "slot {slot}: found {word:#x}, expected no object");
            return Ok(());
        };
        check!(word == cell.ptr.0, "slot {slot}: found {word:#x}, expected {}", cell.ptr);
        pattern(cell.stamp, cell.size, &mut self.expected);
        self.found.resize(self.expected.len(), 0);
        vm.read(cell.ptr.0, &mut self.found)?;
        if self.found != self.expected {
            let at = self.found.iter().zip(&self.expected).position(|(a, b)| a != b);
            return Err(Failure::Check(format!(
                "slot {slot}: the object of {} bytes at {} changed at byte {}",
                cell.size,
                cell.ptr,
                at.unwrap_or_default()
            )));
        }
        Ok(())
    }

    pub(super) fn check_all(&mut self, vm: &mut Instance) -> Outcome<()> {
        (0..self.len()).try_for_each(|slot| self.check(vm, slot))
    }

    fn word(&self, slot: u32) -> u32 {
        self.array.offset(slot * 4).0
    }
}

/// Contents that no other stamp has. Every byte is odd, so that no word of it is the address of
/// an object; what is live can then be counted exactly.
fn pattern(stamp: u64, size: u32, into: &mut Vec<u8>) {
    into.clear();
    let mut state = stamp;
    while into.len() < size as usize {
        // The steps of SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        into.extend_from_slice(&((word ^ (word >> 31)) | 0x0101_0101_0101_0101).to_le_bytes());
    }
    into.truncate(size as usize);
}

/// A fresh object is zeroed.
pub(super) fn check_zeroed(
    vm: &mut Instance,
    ptr: Ptr,
    size: u32,
    buffer: &mut Vec<u8>,
) -> Outcome<()> {
    buffer.clear();
    buffer.resize(size as usize, 0);
    vm.read(ptr.0, buffer)?;
    if let Some(at) = buffer.iter().position(|&byte| byte != 0) {
        return Err(Failure::Check(format!(
            "byte {at} of the fresh object of {size} bytes at {ptr} is {:#x}, not 0",
            buffer[at]
        )));
    }
    Ok(())
}
