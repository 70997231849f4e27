//! The versions and the machine that a run was measured with.

use std::fs;

/// Name and value of each thing that a figure depends on.
pub fn machine() -> Vec<(String, String)> {
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    });
    let cores = std::thread::available_parallelism().map(|count| count.to_string());
    let unknown = || "unknown".to_owned();
    [
        ("processor", processor.unwrap_or_else(unknown)),
        ("cores", cores.unwrap_or_else(|_| unknown())),
        ("wasmtime", wasmtime_version().unwrap_or_else(unknown)),
    ]
    .map(|(what, which)| (what.to_owned(), which))
    .into()
}

/// From the lock file: the engine does not say.
fn wasmtime_version() -> Option<String> {
    let lock = fs::read_to_string(crate::tools::root().join("Cargo.lock")).ok()?;
    let after = lock.split_once("name = \"wasmtime\"\nversion = \"")?.1;
    Some(after.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_the_engine_is_found() {
        let version = super::wasmtime_version().unwrap();
        assert!(version.split('.').count() == 3, "{version}");
    }
}
