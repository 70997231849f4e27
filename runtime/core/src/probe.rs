//! Open addressing with linear probing: the search that the collector's hash tables share.
//!
//! A table has a power of two of slots, one of them empty at least. What a slot holds is the table's affair: 16 bytes for a
//! root (`root_table`), the number of an entry for a wrapper (`wrap_index`).

/// Spreads a key over 32 bits: Fibonacci hashing (Knuth, volume 3, 6.4), whose good bits are the upper ones.
const fn hash(key: u64) -> u32 {
    let product = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (product >> 32) as u32 ^ (product >> 48) as u32
}

/// The first slot, from the one where a key belongs, at which the search ends.
#[inline(always)]
pub(crate) fn probe(capacity: u32, key: u64, ends: impl Fn(u32) -> bool) -> u32 {
    let mask = capacity - 1;
    let mut slot = hash(key) & mask;
    while !ends(slot) {
        slot = (slot + 1) & mask;
    }
    slot
}
