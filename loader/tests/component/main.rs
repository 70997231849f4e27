//! Programs that become components: linked with the runtime and a small library, encoded by `wit-component`, and run by
//! wasmtime and, where npm's `jco` is installed, by node.

mod build;
#[path = "../common/mod.rs"]
mod common;
mod engine;
mod node;

use engine::{Host, Words};

/// The options of the runtime that the tests set, by their numbers in the ABI.
mod option {
    pub(crate) const EAGER: u32 = 0;
    pub(crate) const POISON: u32 = 1;
    pub(crate) const VERIFY: u32 = 2;
    pub(crate) const NOTIFY: u32 = 10;
}

fn words(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("word {n}; ")).collect()
}

/// Calls the component as a host does: 3,000 strings and 100 things each time. Every thing is dropped once, and none that
/// is in use.
fn drive(component: &[u8], options: &[(u32, u32)], rounds: u32) -> Host {
    const THINGS: u32 = 100;
    let mut component = Words::new(component);
    for (option, value) in options {
        component.configure(*option, *value);
    }
    let words = words(3000);
    for round in 1..=rounds {
        assert_eq!(component.join(&words, THINGS), words.concat());
        assert_eq!(component.sum(), THINGS * (THINGS - 1) / 2, "things in use are not dropped");
        assert!(component.host().alive() >= THINGS as usize);
        assert!(component.host().made == THINGS * round);
    }
    component.collect();
    assert_eq!(component.host().alive(), THINGS as usize, "the last ones are in use");
    assert_eq!(component.join(&[], 0), "");
    component.collect();
    assert_eq!(component.host().alive(), 0);
    component.into_host()
}

#[test]
fn a_list_of_3000_strings_and_100_things_pass_into_a_component() {
    for component in build::all() {
        let host = drive(&component, &[], 60);
        assert!(host.dropped_in_calls > 1000, "collections of the program's own find dead things");
    }
}

#[test]
fn a_collection_at_each_allocation_frees_no_argument() {
    let eager = [(option::POISON, 1), (option::VERIFY, 1), (option::EAGER, 50)];
    for component in build::all() {
        drive(&component, &eager, 2);
    }
}

/// The reason for it all: a runtime that notifies at once calls out of the component where it may not.
#[test]
fn a_notification_inside_cabi_realloc_ends_the_component() {
    for component in build::all() {
        let mut component = Words::new(&component);
        component.join(&["before".to_owned()], 10);
        component.join(&[], 0);
        component.configure(option::NOTIFY, 1);
        component.configure(option::EAGER, 1);
        let error = component.try_join(&["after".to_owned()], 0).expect_err("it calls out");
        assert!(error.contains("cannot leave component instance"), "{error}");
    }
}

#[test]
fn arguments_of_all_sizes_are_kept_and_let_go_of() {
    for component in build::all() {
        let mut component = Words::new(&component);
        component.configure(option::EAGER, 7);
        component.configure(option::POISON, 1);
        for count in [0, 1, 63, 64, 65, 4096, 4097, 20_000, 5] {
            let words = words(count);
            assert_eq!(component.join(&words, 0), words.concat());
        }
        let large = vec!["ä".repeat(300_000), String::new(), "ß".repeat(2_000_000)];
        assert_eq!(component.join(&large, 0), large.concat());
        component.configure(option::EAGER, 0);
        let before = component.pages();
        for _ in 0..30 {
            assert_eq!(component.join(&large, 0).len(), 4_600_000);
        }
        assert!(
            component.pages() <= 3 * before,
            "{before} pages have become {}",
            component.pages()
        );
    }
}
