//! The core's layers: mechanism never calls policy.
//!
//! Rust has no visibility that says so, as both are methods of one struct. So the sources are read: a file of the mechanism
//! names no function that a file of the policy defines.

/// Blocks, cells, bitmaps, tables.
const MECHANISM: [(&str, &str); 15] = [
    ("addr", include_str!("../../src/addr.rs")),
    ("blacklist", include_str!("../../src/blacklist.rs")),
    ("block", include_str!("../../src/block.rs")),
    ("heap", include_str!("../../src/heap.rs")),
    ("large", include_str!("../../src/large.rs")),
    ("lookup", include_str!("../../src/lookup.rs")),
    ("mark", include_str!("../../src/mark.rs")),
    ("probe", include_str!("../../src/probe.rs")),
    ("root_table", include_str!("../../src/root_table.rs")),
    ("runs", include_str!("../../src/runs.rs")),
    ("size_class", include_str!("../../src/size_class.rs")),
    ("sweep", include_str!("../../src/sweep.rs")),
    ("tables", include_str!("../../src/tables.rs")),
    ("wrap_index", include_str!("../../src/wrap_index.rs")),
    ("wrap_table", include_str!("../../src/wrap_table.rs")),
];

/// When to allocate from where, to collect, to notify the host.
const POLICY: [(&str, &str); 6] = [
    ("alloc", include_str!("../../src/alloc.rs")),
    ("collect", include_str!("../../src/collect.rs")),
    ("entry", include_str!("../../src/entry.rs")),
    ("host", include_str!("../../src/host.rs")),
    ("register", include_str!("../../src/register.rs")),
    ("notify", include_str!("../../src/notify.rs")),
];

/// The names of the functions that a source defines.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    let lines = source.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
    lines.filter_map(|rest| rest.split(['(', '<']).next()).filter(|name| !name.contains(' '))
}

/// Tells whether a source calls a method of the runtime, or a function, of this name.
fn calls(source: &str, name: &str) -> bool {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| {
        line.contains(&format!("self.{name}(")) || line.contains(&format!("Runtime::{name}"))
    })
}

#[test]
fn mechanism_never_calls_policy() {
    let mut known = 0;
    for (policy, defines) in POLICY {
        for name in functions(defines) {
            known += 1;
            for (mechanism, source) in MECHANISM {
                assert!(!calls(source, name), "{mechanism}.rs calls `{name}` of {policy}.rs");
            }
        }
    }
    assert!(known > 30, "only {known} functions of the policy were found");
    // The test sees calls: allocation refills runs, and a collection reclaims.
    assert!(calls(POLICY[0].1, "refill") && calls(POLICY[1].1, "reclaim"));
}
