//! An archive (`.a`): rustc reads the files out of it and makes an index of its own.

/// The archive with these files.
pub(crate) fn of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, file) in files {
        let member = format!("{name}/");
        assert!(member.len() <= 16, "longer names need a table of names: {name}");
        // name, time, owner, group, mode, size, end of the header
        let size = file.len();
        let header = format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "644");
        archive.extend(header.as_bytes());
        archive.extend(file);
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}
