//! The new places of code: from offsets in the old code section to offsets in the new one.

/// The new places of addresses of code.
pub trait Addresses {
    /// The new address of an old one; `None` if no code is there.
    fn get(&self, old: u64) -> Option<u64>;

    /// The start of the module's code.
    fn first(&self) -> Option<u64>;

    /// Where rows begin whose first is for the instruction at `address`: a new address, as is the result.
    fn sequence(&self, address: u64) -> u64 {
        address
    }
}

/// All addresses were too low.
pub(crate) struct Shifted {
    /// By this.
    pub(crate) by: u64,
    /// The starts of functions, ascending.
    pub(crate) functions: Vec<u64>,
}

impl Addresses for Shifted {
    fn get(&self, old: u64) -> Option<u64> {
        Some(old.saturating_add(self.by))
    }

    fn first(&self) -> Option<u64> {
        Some(0)
    }

    /// The engine takes the beginning of a function for the place of its first instruction.
    fn sequence(&self, address: u64) -> u64 {
        let after = self.functions.partition_point(|function| *function <= address);
        after.checked_sub(1).map_or(address, |at| self.functions[at])
    }
}

/// The places of one module's instructions, in ascending order.
///
/// ```
/// use rootstock_program::address::{AddressMap, Addresses};
///
/// let mut moved = AddressMap::new(100);
/// moved.add(101, 11);
/// moved.add(104, 20);
/// assert_eq!((moved.get(1), moved.get(4), moved.get(9)), (Some(11), Some(20), None));
/// ```
pub struct AddressMap {
    /// The offset in the file at which the contents of the old code section begin.
    code: usize,
    places: Vec<(u64, u64)>,
}

impl AddressMap {
    /// No places yet; `code` is where the contents of the old code section begin in the file.
    pub fn new(code: usize) -> Self {
        Self { code, places: Vec::new() }
    }

    /// Notes that what began at `old` in the file begins at `new` in the new section.
    pub fn add(&mut self, old: usize, new: usize) {
        let old = (old - self.code) as u64;
        if self.places.last().is_none_or(|last| last.0 < old) {
            self.places.push((old, new as u64));
        }
    }
}

impl Addresses for AddressMap {
    fn first(&self) -> Option<u64> {
        self.places.first().map(|place| place.1)
    }

    /// One within an instruction stays as far before the next instruction, and within; one
    /// that is no code has none: such are the marks of functions that a linker dropped.
    ///
    /// Addresses of rows are not always those of instructions: `wat` gives each the byte before it. Whoever looks up an
    /// instruction finds the last row that is not after it, and so the row must not move past its beginning.
    fn get(&self, old: u64) -> Option<u64> {
        let at = match self.places.binary_search_by_key(&old, |place| place.0) {
            Ok(at) => return Some(self.places[at].1),
            Err(at) => at,
        };
        let (next_old, next_new) = *self.places.get(at)?;
        let begin = self.places[at.checked_sub(1)?].1;
        let within = (begin + 1).min(next_new.saturating_sub(1));
        Some(next_new.saturating_sub(next_old - old).max(within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_within_an_instruction_stays_as_far_before_the_next() {
        let mut map = AddressMap::new(100);
        // Instructions of 1, 3 and 6 bytes have become 1, 6 and 2.
        for (old, new) in [(101, 11), (102, 12), (105, 18), (105, 99), (111, 20)] {
            map.add(old, new);
        }
        let found: Vec<_> = (0..13).map(|old| map.get(old)).collect();
        let expected = [11, 12, 16, 17, 18, 19, 19, 19, 19, 19, 20].map(Some);
        assert_eq!(found[1..12], expected);
        assert_eq!((found[0], found[12]), (None, None));
        assert_eq!(map.get(u64::from(u32::MAX)), None);
        assert_eq!(map.first(), Some(11));
        assert_eq!(AddressMap::new(0).get(0), None);
    }

    /// Whatever row was the last one at or before an instruction is so afterwards.
    #[test]
    fn no_row_moves_past_an_instruction() {
        let lengths = [(1, 1), (2, 6), (6, 2), (1, 1), (3, 3), (1, 1), (2, 3)];
        let (mut map, mut old, mut new) = (AddressMap::new(0), 7, 40);
        let mut instructions = Vec::new();
        for (before, after) in lengths {
            map.add(old, new);
            instructions.push((old as u64, new as u64));
            (old, new) = (old + before, new + after);
        }
        map.add(old, new);
        for row in 7..old as u64 {
            let moved = map.get(row).expect("it is code");
            for (before, after) in &instructions {
                assert_eq!(row <= *before, moved <= *after, "row {row} at instruction {before}");
            }
        }
    }
}
