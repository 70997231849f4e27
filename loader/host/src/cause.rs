//! The engine's reasons in words.

use std::fmt;

use wasmtime::Trap;

/// The engine's words for a backtrace, as a link of an error's chain.
const BACKTRACE: &str = "error while executing at wasm backtrace";

/// The text of a link, up to where it turns out to be a backtrace: that one names functions in the words of C++, and a
/// name can be made that takes for ever to be put in those.
#[derive(Default)]
struct Link(String);

impl fmt::Write for Link {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.starts_with(BACKTRACE) { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The engine's reason in words, without the parts that a report gives apart.
pub(crate) fn cause(error: &wasmtime::Error) -> String {
    let mut links: Vec<String> = Vec::new();
    for link in error.chain() {
        let mut text = Link::default();
        let whole = fmt::write(&mut text, format_args!("{link}")).is_ok();
        if whole && links.last() != Some(&text.0) {
            links.push(text.0);
        }
    }
    match error.downcast_ref::<Trap>() {
        // The trap is the innermost link; what the engine adds to it are details.
        Some(&trap) => {
            links.pop();
            let details =
                if links.is_empty() { String::new() } else { format!(" ({})", links.join(": ")) };
            format!("{}{details}", reason(trap))
        }
        None => links.join(": "),
    }
}

fn reason(trap: Trap) -> String {
    match trap {
        Trap::Interrupt => "it ran past its time limit".to_owned(),
        Trap::OutOfFuel => "it has used up its fuel".to_owned(),
        Trap::StackOverflow => "the native stack is exhausted".to_owned(),
        other => {
            let words = other.to_string();
            words.strip_prefix("wasm trap: ").map_or(words.clone(), str::to_owned)
        }
    }
}
