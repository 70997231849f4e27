//! Where code has gone: from offsets in the old code section to offsets in the new one.

/// The places of one module's instructions, in ascending order.
pub(super) struct AddressMap {
    /// Where the contents of the old code section begin in the file.
    code: usize,
    places: Vec<(u64, u64)>,
}

impl AddressMap {
    pub(super) fn new(code: usize) -> Self {
        Self { code, places: Vec::new() }
    }

    /// Notes that what began at `old` in the file begins at `new` in the new section.
    pub(super) fn add(&mut self, old: usize, new: usize) {
        let old = (old - self.code) as u64;
        if self.places.last().is_none_or(|last| last.0 < old) {
            self.places.push((old, new as u64));
        }
    }

    /// Where the module's code begins.
    pub(super) fn first(&self) -> Option<u64> {
        self.places.first().map(|place| place.1)
    }

    /// The new address of an old one. One within an instruction is taken for its beginning, one that is no code for
    /// nothing: such are the marks of functions that a linker dropped.
    pub(super) fn get(&self, old: u64) -> Option<u64> {
        match self.places.binary_search_by_key(&old, |place| place.0) {
            Ok(at) => Some(self.places[at].1),
            Err(0) => None,
            Err(at) if at == self.places.len() => None,
            Err(at) => Some(self.places[at - 1].1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_between_places_are_those_of_the_place_before() {
        let mut map = AddressMap::new(100);
        for (old, new) in [(101, 11), (102, 13), (105, 17), (105, 99)] {
            map.add(old, new);
        }
        let found: Vec<_> = (0..7).map(|old| map.get(old)).collect();
        assert_eq!(found, [None, Some(11), Some(13), Some(13), Some(13), Some(17), None]);
        assert_eq!(map.get(u64::from(u32::MAX)), None);
        assert_eq!(map.first(), Some(11));
        assert_eq!(AddressMap::new(0).get(0), None);
    }
}
