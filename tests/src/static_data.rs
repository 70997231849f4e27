//! Programs with static data of any size, which no file in the repository needs to hold.

use std::fmt::Write;

const TEMPLATE: &str = include_str!("../guests/static_data.wat");

/// Bytes that look like anything: text, zeroes, and words that would be addresses in the heap.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_u32;
    let mut data: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    })
    .take(length)
    .collect();
    // each sixteenth word is a likely address: a multiple of 16 above PROGRAM_BASE
    for (number, word) in
        data.chunks_exact_mut(4).enumerate().filter(|(number, _)| number % 16 == 0)
    {
        word.copy_from_slice(&(0x10_0000 + 16 * number as u32).to_le_bytes());
    }
    data
}

/// The guest `static_data.wat` with these bytes in its passive segment.
pub fn module(data: &[u8]) -> String {
    let mut literal = String::with_capacity(data.len() * 3);
    for &byte in data {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => literal.push(byte.into()),
            _ => write!(literal, "\\{byte:02x}").expect("writing to a string does not fail"),
        }
    }
    let length = format!("(global $length i32 (i32.const {}))", data.len());
    let mut text = TEMPLATE.to_owned();
    for (placeholder, value) in [
        ("(global $length i32 (i32.const 0))", length.as_str()),
        ("(data $static \"\")", &format!("(data $static \"{literal}\")")),
    ] {
        assert!(text.contains(placeholder), "static_data.wat has no {placeholder}");
        text = text.replace(placeholder, value);
    }
    text
}
