//! Puts the result on disk: whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rootstock_program::InputError;

/// Writes a file in the folder of `path` and gives it its name when all of it is there.
///
/// A target that is no plain file, such as a pipe, is written to directly.
///
/// # Errors
///
/// If the file cannot be written. What was there before is still there then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), InputError> {
    let failed = |error: io::Error| {
        InputError::new(path.display().to_string(), format!("cannot be written: {error}"))
    };
    // A link is followed, so that what it names is replaced and not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(found) if found.is_dir() => {
            return Err(failed(io::Error::other("it is a folder")));
        }
        Ok(found) if !found.is_file() => return fs::write(&target, bytes).map_err(failed),
        _ => {}
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    replace(&target, &folder, bytes).map_err(failed)
}

fn replace(target: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rootstock-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file has them: the mask of the process is applied. One that is replaced keeps its own.
        let mode = fs::metadata(target).map_or(0o666, |found| found.permissions().mode() & 0o7777);
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(target).map(drop).map_err(|error| error.error)
}
