//! Guests are written once, and specialised for each rival.
//!
//! A guest is a `.wat` with forms that begin with `@`. What a compiler would emit for one allocator and not for another is
//! in such a form, and nothing else differs:
//!
//! | form | becomes |
//! | --- | --- |
//! | `(@imports)` | memory, `$alloc`, and what the discipline needs beside them |
//! | `(@functions)` | where allocations are timed, the function that does so; where cells are taken inline, where from |
//! | `(@alloc $x SIZE)` | `$x` is a new object of a size that the compiler knows: a call of `$alloc`, or a cell taken inline |
//! | `(@rooted ...)` | `...` where a collector finds roots on a shadow stack |
//! | `(@unrooted ...)` | `...` where it does not |
//! | `(@manual ...)` | `...` where objects are freed by hand |
//! | `(@dirty ...)` | `...` where new objects are not zero |
//! | `(@new ...)` | `...`, which makes an object of the engine, timed if allocations are |
//! | `(@push $x)`, `(@set N $x)`, `(@pop N)` | the inline code for the shadow stack; slot 0 is the topmost |
//! | `(@random $x)` | the next of a sequence of random numbers, in `$x` |
//! | `(@size $x)` | 8 to 512, from a random number |
//! | `{NAME}` | a constant of the workload |

use std::collections::BTreeSet;

use thiserror::Error;

/// The way in which a program keeps what it needs and lets go of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// Nothing is done: the allocator never frees.
    None,
    /// Objects are the engine's, which knows what it needs; there is no linear memory.
    Engine,
    /// Roots on a shadow stack below `gc_sp`.
    Rooted,
    /// Each object is freed when it is no longer needed.
    Manual,
}

/// The rival and settings that a guest is specialised for.
#[derive(Clone, Debug)]
pub struct Variant<'a> {
    /// The work of the program beside calling `alloc`.
    pub discipline: Discipline,
    /// True if new objects are zero.
    pub zeroed: bool,
    /// True if the host is called before and after each allocation, to time it.
    pub timed: bool,
    /// True if objects of known sizes are taken inline from the runs that `gc_run` tells ("Allocation without a call" in
    /// ABI.md).
    pub inline: bool,
    /// Constants of the workload.
    pub constants: &'a [(&'a str, u32)],
}

/// Why a template makes no module.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A form that is not in the table.
    #[error("(@{0} ...) is not a form of the guests' language")]
    UnknownForm(String),
    /// A parenthesis too few.
    #[error("(@{0} ...) is not closed")]
    Open(String),
    /// A constant that the workload does not have.
    #[error("the constant {0} is not defined")]
    Constant(String),
    /// A form with the wrong number of arguments.
    #[error("(@{0} ...) does not have the arguments it needs")]
    Arguments(String),
}

/// The text of the module that `source` is for `variant`.
pub fn expand(source: &str, variant: &Variant<'_>) -> Result<String, TemplateError> {
    let text = constants(&without_comments(source), variant)?;
    // Runs are asked for at the end of the module.
    let sizes = if variant.inline { sizes(&text)? } else { BTreeSet::new() };
    forms(&text.replace("(@functions)", &format!("(@functions){}", runs(&sizes))), variant)
}

/// Tells whether a guest makes objects of sizes that a compiler knows.
pub fn knows_sizes(source: &str) -> bool {
    source.contains(ALLOC_FORM)
}

const ALLOC_FORM: &str = "(@alloc ";

/// The sizes that a guest knows.
fn sizes(text: &str) -> Result<BTreeSet<u32>, TemplateError> {
    let forms = text.split(ALLOC_FORM).skip(1);
    forms
        .map(|form| {
            let size = form.split([' ', ')']).nth(1).and_then(|size| size.parse().ok());
            size.ok_or_else(|| TemplateError::Arguments("alloc".to_owned()))
        })
        .collect()
}

/// Comments may hold parentheses that are not closed. No string of a guest holds a semicolon.
fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for line in source.lines() {
        text.push_str(line.split_once(";;").map_or(line, |(code, _)| code));
        text.push('\n');
    }
    text
}

fn constants(source: &str, variant: &Variant<'_>) -> Result<String, TemplateError> {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| TemplateError::Open("{".to_owned()))?;
        let (_, value) = variant
            .constants
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| TemplateError::Constant(name.to_owned()))?;
        text.push_str(before);
        text.push_str(&value.to_string());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn forms(source: &str, variant: &Variant<'_>) -> Result<String, TemplateError> {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("(@") {
        text.push_str(before);
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric())
            .ok_or_else(|| TemplateError::Open(after.to_owned()))?;
        let (name, after) = after.split_at(end);
        let close = closing(after).ok_or_else(|| TemplateError::Open(name.to_owned()))?;
        let body = &after[..close];
        text.push_str(&form(name, body, variant)?);
        rest = &after[close + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// The offset of the parenthesis that closes the form that `text` is inside of.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn form(name: &str, body: &str, variant: &Variant<'_>) -> Result<String, TemplateError> {
    let arguments: Vec<&str> = body.split_whitespace().collect();
    let kept = |keep: bool| if keep { forms(body, variant) } else { Ok(String::new()) };
    let text = match (name, arguments.as_slice()) {
        ("rooted", _) => return kept(variant.discipline == Discipline::Rooted),
        ("unrooted", _) => return kept(variant.discipline != Discipline::Rooted),
        ("dirty", _) => return kept(!variant.zeroed),
        ("manual", _) => return kept(variant.discipline == Discipline::Manual),
        ("new", _) if variant.timed => {
            return Ok(format!("(call $enter){} (call $leave)", forms(body, variant)?));
        }
        ("new", _) => return forms(body, variant),
        ("alloc", [place, size]) => alloc(place, size, variant),
        ("imports", []) => imports(variant),
        ("functions", []) => functions(variant),
        ("push", [value]) => format!(
            "(i32.store (global.get $gc_sp) (local.get {value}))\n\
             (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))"
        ),
        ("pop", [slots]) => {
            let bytes = bytes(name, slots)?;
            format!("(global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const {bytes})))")
        }
        ("set", [slot, value]) => {
            let below = bytes(name, slot)? + 4;
            format!(
                "(i32.store (i32.sub (global.get $gc_sp) (i32.const {below})) (local.get {value}))"
            )
        }
        ("random", [x]) => [("shl", 13), ("shr_u", 17), ("shl", 5)]
            .map(|(shift, by)| {
                format!(
                    "(local.set {x} (i32.xor (local.get {x}) \
                     (i32.{shift} (local.get {x}) (i32.const {by}))))"
                )
            })
            .join("\n"),
        ("size", [x]) => format!(
            "(i32.add (i32.const 8) (i32.shr_u (i32.mul (i32.shr_u (local.get {x}) \
             (i32.const 16)) (i32.const 505)) (i32.const 16)))"
        ),
        ("alloc" | "imports" | "functions" | "push" | "pop" | "set" | "random" | "size", _) => {
            return Err(TemplateError::Arguments(name.to_owned()));
        }
        _ => return Err(TemplateError::UnknownForm(name.to_owned())),
    };
    Ok(text)
}

/// The bytes of a number of slots.
fn bytes(name: &str, slots: &str) -> Result<u32, TemplateError> {
    let slots: u32 = slots.parse().map_err(|_| TemplateError::Arguments(name.to_owned()))?;
    Ok(slots * 4)
}

const ALLOC: &str = "(param i32) (result i32)";

/// The functions that call the allocator and nothing else.
fn allocator(variant: &Variant<'_>) -> &'static str {
    if variant.timed { "$alloc_untimed" } else { "$alloc" }
}

/// A new object, as ABI.md has it where it is inline.
fn alloc(place: &str, size: &str, variant: &Variant<'_>) -> String {
    if !variant.inline {
        return format!("(local.set {place} (call $alloc (i32.const {size})))");
    }
    let call = allocator(variant);
    let run = format!("(global.get $run_{size})");
    let taken = format!(
        "(local.set {place} (i32.load {run}))\n\
         (if (i32.eq (local.get {place}) (i32.load offset=4 {run}))\n\
         (then (local.set {place} (call {call} (i32.const {size}))))\n\
         (else (i32.store {run} (i32.add (local.get {place}) (i32.load offset=12 {run})))))"
    );
    if variant.timed { format!("(call $enter)\n{taken}\n(call $leave)") } else { taken }
}

/// The addresses of the runs, asked for once in the start function.
fn runs(sizes: &BTreeSet<u32>) -> String {
    if sizes.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let mut start = String::new();
    for size in sizes {
        text += &format!("\n(global $run_{size} (mut i32) (i32.const 0))");
        start +=
            &format!("\n(global.set $run_{size} (call $gc_run (i32.const {size}) (i32.const 0)))");
    }
    format!("{text}\n(func $ask_for_runs {start})\n(start $ask_for_runs)")
}

fn imports(variant: &Variant<'_>) -> String {
    let alloc = allocator(variant);
    let mut lines = Vec::new();
    if variant.discipline != Discipline::Engine {
        lines.push(r#"(import "runtime" "memory" (memory 1))"#.to_owned());
        lines.push(format!(r#"(import "runtime" "alloc" (func {alloc} {ALLOC}))"#));
    }
    match variant.discipline {
        Discipline::None | Discipline::Engine => {}
        Discipline::Rooted => {
            lines.push(r#"(import "runtime" "gc_sp" (global $gc_sp (mut i32)))"#.to_owned());
        }
        Discipline::Manual => {
            lines.push(r#"(import "runtime" "free" (func $free (param i32 i32)))"#.to_owned());
        }
    }
    if variant.inline {
        let run = r#"(import "runtime" "gc_run" (func $gc_run (param i32 i32) (result i32)))"#;
        lines.push(run.to_owned());
    }
    if variant.timed {
        lines.push(r#"(import "host" "enter" (func $enter))"#.to_owned());
        lines.push(r#"(import "host" "leave" (func $leave))"#.to_owned());
    }
    lines.join("\n")
}

fn functions(variant: &Variant<'_>) -> String {
    if variant.timed && variant.discipline != Discipline::Engine {
        format!(
            "(func $alloc {ALLOC} (call $enter) (call $alloc_untimed (local.get 0)) (call $leave))"
        )
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(discipline: Discipline) -> Variant<'static> {
        Variant {
            discipline,
            zeroed: true,
            timed: false,
            inline: false,
            constants: &[("SIZE", 16)],
        }
    }

    #[test]
    fn only_what_the_discipline_asks_for_is_kept() {
        let source = "(a (@rooted (@push $p)) (@manual (call $free {SIZE})))";
        let rooted = expand(source, &with(Discipline::Rooted)).unwrap();
        assert!(rooted.contains("$gc_sp") && !rooted.contains("$free"), "{rooted}");
        let manual = expand(source, &with(Discipline::Manual)).unwrap();
        assert_eq!(manual.trim(), "(a   (call $free 16))");
        assert_eq!(expand(source, &with(Discipline::None)).unwrap().trim(), "(a  )");
    }

    #[test]
    fn comments_may_hold_anything() {
        let text = expand("a ;; (@push {NOTHING}\nb", &with(Discipline::None)).unwrap();
        assert_eq!(text, "a \nb\n");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let refused = |source| expand(source, &with(Discipline::Rooted)).unwrap_err();
        assert_eq!(refused("(@pull $p)"), TemplateError::UnknownForm("pull".to_owned()));
        assert_eq!(refused("(@push $p"), TemplateError::Open("push".to_owned()));
        assert_eq!(refused("(@push)"), TemplateError::Arguments("push".to_owned()));
        assert_eq!(refused("(@alloc $p)"), TemplateError::Arguments("alloc".to_owned()));
        assert_eq!(refused("(@set x $p)"), TemplateError::Arguments("set".to_owned()));
        assert_eq!(refused("{COUNT}"), TemplateError::Constant("COUNT".to_owned()));
    }

    #[test]
    fn each_known_size_is_asked_for_once() {
        let source = "(@imports) (@alloc $p {SIZE}) (@alloc $q 8) (@alloc $q 16) (@functions)";
        let called = expand(source, &with(Discipline::Rooted)).unwrap();
        assert!(called.contains("(local.set $q (call $alloc (i32.const 8)))"), "{called}");
        assert!(!called.contains("run_"), "{called}");
        let inline = Variant { inline: true, ..with(Discipline::Rooted) };
        let text = expand(source, &inline).unwrap();
        for size in [8, 16] {
            assert_eq!(text.matches(&format!("(call $gc_run (i32.const {size})")).count(), 1);
        }
        assert_eq!(text.matches("(else (i32.store (global.get $run_16)").count(), 2, "{text}");
        let refused = |source| expand(source, &inline).unwrap_err();
        assert_eq!(refused("(@alloc $p $n)"), TemplateError::Arguments("alloc".to_owned()));
        assert!(knows_sizes(source) && !knows_sizes("(call $alloc (local.get $n))"));
    }

    #[test]
    fn a_timed_guest_calls_the_host_before_and_after() {
        let variant = Variant { timed: true, ..with(Discipline::Engine) };
        let text = expand("(@new (struct.new $t))", &variant).unwrap();
        assert_eq!(text.trim(), "(call $enter) (struct.new $t) (call $leave)");
    }
}
