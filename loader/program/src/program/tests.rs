use super::*;

fn open(text: &str) -> Result<Program, InputError> {
    Program::from_bytes("test.wat", text.as_bytes())
}

/// The error of a program that must not be taken.
#[track_caller]
fn refusal(result: Result<Program, InputError>) -> String {
    let Err(error) = result else { panic!("it was taken") };
    error.to_string()
}

#[test]
fn text_is_told_from_binary_by_its_contents() {
    let wasm = wat::parse_str("(module)").unwrap();
    for (name, bytes) in [
        ("a.wasm", &wasm[..]),
        ("a.wat", &wasm),
        ("a", b"(module)"),
        ("a.txt", b"\n\t(module)"),
        ("a.wasm", b";; a comment\n(module)"),
    ] {
        assert!(Program::from_bytes(name, bytes).is_ok(), "{name}");
    }
}

#[test]
fn what_is_neither_text_nor_binary_is_shown_by_its_first_bytes() {
    let text = refusal(Program::from_bytes("a.out", b"\x7fELF\x02"));
    assert!(text.starts_with("a.out: neither a wasm module"), "{text}");
    assert!(text.ends_with("it begins with 7f 45 4c 46"), "{text}");
    assert_eq!(refusal(Program::from_bytes("a.wasm", b"")), "a.wasm: the file is empty");
    assert_eq!(refusal(Program::from_bytes("a.wat", b"")), "a.wat: the file is empty");
    let text = refusal(Program::from_bytes("a.wat", b"(module \xff)"));
    assert_eq!(text, "a.wat: it is not UTF-8, as text is");
}

#[test]
fn errors_of_the_text_name_line_and_column() {
    let text = refusal(open("(module\n  (func (i32.konst 1)))"));
    assert!(text.contains("test.wat:2:10"), "{text}");
}

#[test]
fn every_prefix_of_a_module_is_refused_or_valid() {
    let wasm =
        wat::parse_str(r#"(module (func (export "f") (param i32)) (memory 1) (data "abc"))"#)
            .unwrap();
    let mut valid = 0;
    for end in 1..wasm.len() {
        match Program::from_bytes("cut.wasm", &wasm[..end]) {
            Ok(_) => valid += 1,
            Err(error) => assert!(error.to_string().starts_with("cut.wasm: "), "{error}"),
        }
    }
    // Where a section ends, what follows is not missed before the engine looks.
    assert!(valid < 10, "{valid} prefixes were taken");
}

#[test]
fn modules_that_cannot_be_programs_are_named_for_what_they_are() {
    let text = refusal(open("(component)"));
    assert!(text.contains("a component, not a core module"), "{text}");
    let text = refusal(open(r#"(module (@custom "linking" "\02"))"#));
    assert!(text.contains("an object file, not a module"), "{text}");
    let own = r#"(module (import "runtime" "alloc" (func (param i32) (result i32))) (memory 1))"#;
    let text = refusal(open(own));
    assert!(text.contains("it defines its own memory"), "{text}");
    // One that has nothing to do with the runtime may.
    assert!(open("(module (memory 1))").is_ok());
}
