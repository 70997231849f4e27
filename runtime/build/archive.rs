//! An archive (`.a`) of one file.

/// The archive: rustc reads the file out of it and makes an index of its own.
pub(crate) fn of_one(name: &str, file: &[u8]) -> Vec<u8> {
    let member = format!("{name}/");
    assert!(member.len() <= 16, "longer names need a table of names: {name}");
    // name, time, owner, group, mode, size, end of the header
    let header = format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "644", file.len());
    let mut archive = [b"!<arch>\n", header.as_bytes(), file].concat();
    if archive.len() % 2 == 1 {
        archive.push(b'\n');
    }
    archive
}
