//! Sizes, times, the runtime's options and files on the command line.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use rootstock_program::text::choice;
use rootstock_program::{InputError, Program};
use runtime::options::{GcOption, OPTIONS};

/// `NAME=VALUE`. The name is taken in any case, and with hyphens; the value may be a size with its unit.
pub(super) fn option(text: &str) -> Result<(GcOption, u32), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("an option is given as NAME=VALUE".to_owned());
    };
    let canonical = name.trim().to_uppercase().replace('-', "_");
    let Some(row) = OPTIONS.iter().find(|row| row.name == canonical) else {
        let names: Vec<String> = OPTIONS.iter().map(|row| row.name.to_owned()).collect();
        return Err(format!("the runtime has no option `{name}`{}", choice(&canonical, &names)));
    };
    let range = format!("{} takes {} to {}", row.name, row.min, row.max);
    let value = value.trim();
    let number = size(value).map_err(|_| format!("`{value}` is not a number; {range}"))?;
    match u32::try_from(number) {
        Ok(number) if (row.min..=row.max).contains(&number) => Ok((row.option, number)),
        _ => Err(format!("{value} is out of range; {range}")),
    }
}

/// Bytes, with a unit or without: `65536`, `64KiB`, `1.5GiB`, `100MB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bare = text.replace('_', "");
    match bare.parse::<ByteSize>() {
        Ok(size) => Ok(size.as_u64()),
        Err(_) => {
            Err("a size is a number with or without a unit: 65536, 64KiB, 1.5GiB, 100MB".to_owned())
        }
    }
}

/// Bytes of native stack.
pub(super) fn stack(text: &str) -> Result<u64, String> {
    /// The engine wants some, and so does every call of the host.
    const LEAST: u64 = 64 << 10;
    match size(text)? {
        bytes if bytes < LEAST => Err("a stack has at least 64KiB".to_owned()),
        bytes => Ok(bytes),
    }
}

/// A limit of time; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeout(pub(super) Option<Duration>);

impl Timeout {
    /// Seconds; 0 is no limit.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "a time is a number of seconds, 0 for no limit".to_owned();
        let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().map_err(|_| wrong())?;
        if seconds == 0.0 {
            return Ok(Self(None));
        }
        Duration::try_from_secs_f64(seconds).map(|time| Self(Some(time))).map_err(|_| wrong())
    }
}

/// Refuses programs whose modules are larger than they may be.
pub(super) fn check_sizes(
    program: &Program,
    libraries: &[(String, Program)],
    max: u64,
) -> Result<(), InputError> {
    for program in std::iter::once(program).chain(libraries.iter().map(|(_, program)| program)) {
        let size = program.wasm().len() as u64;
        if size > max {
            let (size, max) = (ByteSize(size).display().iec(), ByteSize(max).display().iec());
            let cause =
                format!("its module has {size}, and {max} are allowed: --max-module sets it");
            return Err(InputError::new(program.name(), cause));
        }
    }
    Ok(())
}

/// The allocations from `--eager-from` to `--eager-until`; `None` is all.
pub(super) fn window(
    from: Option<u64>,
    until: Option<u64>,
) -> Result<Option<RangeInclusive<u64>>, InputError> {
    if from.is_none() && until.is_none() {
        return Ok(None);
    }
    let (from, until) = (from.unwrap_or(1), until.unwrap_or(u64::MAX));
    if from > until {
        let cause = format!("the window ends before it begins, at allocation {from}");
        return Err(InputError::new(format!("--eager-until {until}"), cause));
    }
    Ok(Some(from..=until))
}

/// `FILE`, or `NAME=FILE`. A file whose own name has an equals sign is given with a name.
pub(super) fn library_path(with: &str) -> (String, &Path) {
    match with.split_once('=') {
        Some((name, path)) => (name.to_owned(), Path::new(path)),
        None => {
            let path = Path::new(with);
            let stem = path.file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), path)
        }
    }
}

/// The program of `--with`, and the name of its module for others.
pub(super) fn library(with: &str) -> Result<(String, Program), InputError> {
    let (name, path) = library_path(with);
    if ["", "runtime", "host"].contains(&name.as_str()) {
        let cause = format!(
            "`{name}` cannot be a program's module name; give another with --with NAME=FILE"
        );
        return Err(InputError::new(path.display().to_string(), cause));
    }
    Ok((name, Program::open(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_by_name_in_any_case() {
        assert_eq!(option("EAGER=1"), Ok((GcOption::Eager, 1)));
        assert_eq!(option("heap-limit=64MiB"), Ok((GcOption::HeapLimit, 64 << 20)));
        assert_eq!(option("wrap_limit = 4_096"), Ok((GcOption::WrapLimit, 4096)));
    }

    #[test]
    fn a_wrong_option_says_what_is_allowed() {
        assert!(option("EAGER").unwrap_err().contains("NAME=VALUE"));
        assert!(option("EGER=1").unwrap_err().ends_with("did you mean `EAGER`?"));
        assert!(option("QUIET=1").unwrap_err().contains("there are: EAGER, POISON"));
        for wrong in ["WRAP_LIMIT=0", "POISON=2", "EAGER=4294967296"] {
            let error = option(wrong).unwrap_err();
            assert!(error.contains("is out of range; "), "{wrong}: {error}");
        }
        assert!(
            option("EAGER=").unwrap_err().contains("is not a number; EAGER takes 0 to 2147483647")
        );
        assert!(option("EAGER=-1").unwrap_err().contains("is not a number"));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert!(size("lots").is_err());
        assert!(size("-1").is_err());
    }

    #[test]
    fn a_stack_cannot_be_tiny() {
        assert_eq!(stack("64KiB"), Ok(65536));
        assert!(stack("0").unwrap_err().contains("at least 64KiB"));
    }

    #[test]
    fn zero_seconds_are_no_limit() {
        let limit = |millis| Ok(Timeout(Some(Duration::from_millis(millis))));
        assert_eq!(Timeout::parse("0"), Ok(Timeout(None)));
        assert_eq!(Timeout::parse("1.5"), limit(1500));
        assert_eq!(Timeout::parse("2s"), limit(2000));
        for wrong in ["-1", "nan", "inf", "soon", ""] {
            assert!(Timeout::parse(wrong).is_err(), "{wrong}");
        }
    }
}
