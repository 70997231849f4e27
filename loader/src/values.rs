//! Wasm values on the command line.

use std::ffi::OsString;

use rootstock_host::signature;
use rootstock_host::wasmtime::{FuncType, Val, ValType};
use serde_json::Value;

/// The words of a command line in which each value of `--invoke` is attached to an option of its own, `--invoke=-1.5e-31`:
/// for the parser a word that begins with a hyphen is an option, unless it is a plain number.
pub(super) fn attached(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    const INVOKE: &str = "--invoke";
    let mut all = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            all.push(word);
            all.extend(words);
            break;
        }
        if word != INVOKE {
            all.push(word);
            continue;
        }
        let mut count = 0;
        while let Some(value) = words.next_if(|word| !is_option(word)) {
            let mut attached = OsString::from(format!("{INVOKE}="));
            attached.push(value);
            all.push(attached);
            count += 1;
        }
        if count == 0 {
            // The parser says what is missing.
            all.push(word);
        }
    }
    all
}

/// Tells whether a word is an option, rather than a negative number in any spelling that [`parse`] takes.
fn is_option(word: &OsString) -> bool {
    let Some(negative) = word.to_str().and_then(|text| text.strip_prefix('-')) else {
        return false;
    };
    let bare = negative.replace('_', "").to_lowercase();
    let is_number = bare.starts_with("0x") || !bare.starts_with('-') && bare.parse::<f64>().is_ok();
    !is_number
}

/// Reads a function's arguments by its type.
pub(super) fn parse(function: &str, ty: &FuncType, args: &[String]) -> Result<Vec<Val>, String> {
    let wanted = ty.params().len();
    if wanted != args.len() {
        let plural = if wanted == 1 { "argument" } else { "arguments" };
        return Err(format!(
            "`{function}` takes {wanted} {plural}, and {} were given: its type is {}",
            args.len(),
            signature(ty)
        ));
    }
    let values = ty.params().zip(args).enumerate();
    values
        .map(|(at, (ty, text))| {
            value(&ty, text)
                .map_err(|cause| format!("argument {} of `{function}`: {cause}", at + 1))
        })
        .collect()
}

fn value(ty: &ValType, text: &str) -> Result<Val, String> {
    match ty {
        ValType::I32 => {
            integer(text, i32::MIN.into(), u32::MAX.into(), "i32").map(|n| Val::I32(n as i32))
        }
        ValType::I64 => {
            integer(text, i64::MIN.into(), u64::MAX.into(), "i64").map(|n| Val::I64(n as i64))
        }
        ValType::F32 => float::<f32>(text, "f32").map(Val::from),
        ValType::F64 => float::<f64>(text, "f64").map(Val::from),
        other => Err(format!("a value of type {other} cannot be given on the command line")),
    }
}

/// Signed or unsigned, decimal or hexadecimal; both ways to write a number of this width are taken.
fn integer(text: &str, min: i128, max: i128, ty: &str) -> Result<i128, String> {
    let bare = text.replace('_', "");
    let (negative, digits) = match bare.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, bare.strip_prefix('+').unwrap_or(&bare)),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        // `from_str_radix` takes a sign, and there has been one.
        Some(hex) if hex.starts_with(['+', '-']) => None,
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None if digits.starts_with(['+', '-']) => None,
        None => digits.parse().ok(),
    };
    let Some(magnitude) = magnitude else {
        return Err(format!("`{text}` is not an integer, and the parameter is an {ty}"));
    };
    let number = if negative { -magnitude } else { magnitude };
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{text} does not fit an {ty}: {min} to {max} do"))
    }
}

fn float<T: std::str::FromStr>(text: &str, ty: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number, and the parameter is an {ty}"))
}

/// A result as text.
pub(super) fn show(value: &Val) -> String {
    match value {
        Val::I32(n) => n.to_string(),
        Val::I64(n) => n.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(bits) => format!("{:#034x}", bits.as_u128()),
        other => {
            let null = other.ref_().is_some_and(|reference| reference.is_null());
            if null { "null".to_owned() } else { "(a reference)".to_owned() }
        }
    }
}

/// A result for programs. Numbers that JSON does not have are strings.
pub(super) fn json(value: &Val) -> Value {
    let number = |n: f64| if n.is_finite() { n.into() } else { n.to_string().into() };
    match value {
        Val::I32(n) => (*n).into(),
        Val::I64(n) => (*n).into(),
        Val::F32(bits) => number(f32::from_bits(*bits).into()),
        Val::F64(bits) => number(f64::from_bits(*bits)),
        other => show(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootstock_host::wasmtime::Engine;

    #[test]
    fn negative_numbers_are_values_and_no_options() {
        let attached = |line: &str| {
            let words = attached(line.split(' ').map(OsString::from));
            let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
            words.join(" ")
        };
        assert_eq!(
            attached(
                "rootstock run p --invoke f -1.5e-31 -inf -nan -.5 -0xff -1_0 2 --eager -- --invoke -1"
            ),
            "rootstock run p --invoke=f --invoke=-1.5e-31 --invoke=-inf --invoke=-nan --invoke=-.5 --invoke=-0xff \
             --invoke=-1_0 --invoke=2 --eager -- --invoke -1"
        );
        for same in [
            "rootstock run --invoke",
            "rootstock run --invoke --json",
            "rootstock run p --invoke=f",
        ] {
            assert_eq!(attached(same), same);
        }
        for option in ["--json", "-h", "-o", "--", "--1", "-"] {
            assert!(is_option(&option.into()), "{option}");
        }
    }

    fn one(ty: ValType, text: &str) -> Result<String, String> {
        let ty = FuncType::new(&Engine::default(), [ty], []);
        parse("f", &ty, &[text.to_owned()]).map(|values| show(&values[0]))
    }

    #[test]
    fn integers_are_taken_signed_and_unsigned_decimal_and_hexadecimal() {
        for (text, shown) in [
            ("0", "0"),
            ("-1", "-1"),
            ("+7", "7"),
            ("1_000", "1000"),
            ("4294967295", "-1"),
            ("0x80000000", "-2147483648"),
            ("-0x80000000", "-2147483648"),
        ] {
            assert_eq!(one(ValType::I32, text).as_deref(), Ok(shown), "{text}");
        }
        assert_eq!(one(ValType::I64, "18446744073709551615").as_deref(), Ok("-1"));
        assert_eq!(
            one(ValType::I64, "-9223372036854775808").as_deref(),
            Ok("-9223372036854775808")
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_range() {
        for (ty, text) in [
            (ValType::I32, "4294967296"),
            (ValType::I32, "-2147483649"),
            (ValType::I64, "18446744073709551616"),
        ] {
            let error = one(ty, text).unwrap_err();
            assert!(
                error.starts_with(&format!("argument 1 of `f`: {text} does not fit")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "x", "1.5", "--1", "0x", "0x-1", "1e3"] {
            let error = one(ValType::I32, text).unwrap_err();
            assert!(
                error.contains("is not an integer, and the parameter is an i32"),
                "{text}: {error}"
            );
        }
        assert!(one(ValType::F64, "1,5").unwrap_err().contains("is not a number"));
        assert_eq!(one(ValType::F64, "-1.5e3").as_deref(), Ok("-1500"));
        assert_eq!(one(ValType::F32, "inf").as_deref(), Ok("inf"));
    }

    #[test]
    fn the_wrong_count_names_the_signature() {
        let ty = FuncType::new(&Engine::default(), [ValType::I32, ValType::F64], [ValType::I64]);
        let error = parse("area", &ty, &["1".to_owned()]).unwrap_err();
        assert_eq!(
            error,
            "`area` takes 2 arguments, and 1 were given: its type is (func (param i32 f64) (result i64))"
        );
    }

    #[test]
    fn vectors_cannot_be_given() {
        assert!(one(ValType::V128, "0").unwrap_err().contains("v128 cannot be given"));
    }
}
