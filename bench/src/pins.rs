//! The versions of tools, as `tools/pins.txt` names them.

/// The page.
const PINS: &str = include_str!("../../tools/pins.txt");

/// A tool.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// Its name in scripts.
    pub name: &'static str,
    /// Which registry it comes from.
    pub from: &'static str,
    /// The folder that it is installed into, below `target/`, or the command that it is.
    pub at: &'static str,
    /// The package that brings it.
    pub package: &'static str,
    /// The version that is meant.
    pub version: &'static str,
}

/// All tools, in the order of the page. A line that is no row is left out; a test finds it.
pub fn all() -> impl Iterator<Item = Pin> {
    rows().filter_map(|row| match row.split_whitespace().collect::<Vec<_>>()[..] {
        [name, from, at, package, version] => Some(Pin { name, from, at, package, version }),
        _ => None,
    })
}

/// The version of a tool; none if the page has no such tool.
pub fn version(name: &str) -> Option<&'static str> {
    all().find(|pin| pin.name == name).map(|pin| pin.version)
}

fn rows() -> impl Iterator<Item = &'static str> {
    PINS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::rival;
    use crate::tools::root;

    #[test]
    fn each_line_is_a_row_and_each_name_is_one_tool() {
        assert_eq!(all().count(), rows().count());
        assert_eq!(all().map(|pin| pin.name).collect::<BTreeSet<_>>().len(), rows().count());
        for Pin { name, from, version, .. } in all() {
            assert!(
                ["npm", "pypi", "crates", "debian", "machine"].contains(&from),
                "{name}: {from}"
            );
            let is_number = version.split('.').all(|part| part.parse::<u32>().is_ok());
            assert!(is_number || from == "debian" && version == "*", "{name}: {version}");
        }
    }

    /// Tests in wasm run only with the runner of the very version that they were built with.
    #[test]
    fn the_runner_of_wasm_bindgen_is_that_of_the_lock_file() {
        let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        let locked = format!(
            "name = \"wasm-bindgen\"\nversion = \"{}\"\n",
            version("wasm-bindgen-cli").unwrap()
        );
        assert!(lock.contains(&locked), "tools/pins.txt has another wasm-bindgen than Cargo.lock");
    }

    #[test]
    fn the_rival_is_called_by_its_version() {
        let vera = rival::all().into_iter().find(|rival| rival.id == "vera").unwrap();
        assert_eq!(vera.title, format!("Vera {}", version("vera").unwrap()));
    }

    /// What a script or a test installs is named by the page alone.
    #[test]
    fn no_other_file_pins_a_package() {
        let mut found = Vec::new();
        for folder in [".ci", "bench", "fuzz", "js", "release", "tests", "tools"] {
            search(&root().join(folder), &mut found);
        }
        assert!(found.is_empty(), "a version beside tools/pins.txt: {found:#?}");
    }

    fn search(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if name != "target" && name != "node_modules" {
                    search(&path, found);
                }
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for pin in all().filter(|pin| pin.from != "machine") {
                for sign in ["@", "=="] {
                    let pinned = format!("{}{sign}", pin.package);
                    for (at, _) in text.match_indices(&pinned) {
                        if text[at + pinned.len()..].starts_with(|next: char| next.is_ascii_digit())
                        {
                            found.push(format!("{}: {pinned}", path.display()));
                        }
                    }
                }
            }
        }
    }
}
