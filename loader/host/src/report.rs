//! Traps in words: what happened, what it means, what to do about it, where, and which handles it leaves behind.

use std::collections::BTreeMap;
use std::fmt;

use bytesize::ByteSize;
use runtime::error::{ErrorCode, ErrorInfo};
use runtime::verify::Invariant;
use wasmtime::Trap;

use crate::error::{Frame, TrapReport};
use crate::frames::BACKTRACE_FRAMES;
use crate::handles::{FaultKind, HandleStore, Status};

/// The byte that fills freed cells when POISON is on, and in the doctor's quarantine.
pub const POISON_BYTE: u8 = 0xdb;
/// A word of it.
const POISON: u32 = u32::from_ne_bytes([POISON_BYTE; 4]);

/// A status as part of a sentence.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Live => "it is alive",
        Status::ToldOnce => "the host was told that it is dead",
        Status::ToldTwice => "the host was told twice that it is dead",
        Status::NeverTold => "the host should have been told that it is dead",
        Status::Removed => "the host took it back",
        Status::Unknown => "it was never given out",
    }
}

/// A fault as part of a sentence.
pub fn fault(what: FaultKind) -> String {
    match what {
        FaultKind::ToldTwice => "was told to be dead for the second time".to_owned(),
        FaultKind::Unknown => "was told to be dead, but the host had not made it".to_owned(),
        FaultKind::WrongKind(made) => format!("was told to be dead, but was made with kind {made}"),
    }
}

/// A trap at length. [`Display`](fmt::Display) ends without a newline.
///
/// ```
/// use rootstock_host::report::Report;
/// use rootstock_host::{Config, Instance};
///
/// let mut instance = Instance::new(&Config::default())?;
/// let error = instance.alloc(u32::MAX).unwrap_err();
/// let report = Report {
///     trap: error.trap().expect("the runtime trapped"),
///     handles: instance.handles(),
///     hints: Vec::new(),
/// };
/// assert!(report.to_string().starts_with("SIZE_TOO_LARGE: "));
/// # Ok::<(), rootstock_host::Error>(())
/// ```
pub struct Report<'a> {
    /// The facts about the trap.
    pub trap: &'a TrapReport,
    /// The host's handles at that moment.
    pub handles: &'a HandleStore,
    /// Sentences that only the caller can add, such as which of its own limits was reached.
    pub hints: Vec<String>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trap = self.trap;
        match trap.code {
            Some(row) => {
                write!(f, "{}: {}", row.name, row.meaning)?;
                write!(f, "\n  argument    {}: {}", argument(row, trap.arg), row.argument)?;
                if trap.overrun {
                    write!(f, "\n  found       at the end of the call: {}", trap.message)?;
                }
            }
            None => write!(f, "the program trapped: {}", trap.message)?,
        }
        let advice = advice(trap);
        for (at, line) in advice.iter().chain(&self.hints).enumerate() {
            let head = if at == 0 { "what to do" } else { "" };
            write!(f, "\n  {head:<12}{line}")?;
        }
        backtrace(f, &trap.backtrace)?;
        alive(f, self.handles)
    }
}

/// The argument in the unit that it has.
fn argument(row: &ErrorInfo, arg: u32) -> String {
    match row.code {
        ErrorCode::HeapExhausted | ErrorCode::SizeTooLarge => {
            let signed = arg.cast_signed();
            let size = ByteSize(arg.into()).display().iec();
            if signed < 0 {
                format!("{arg} bytes ({size}; {signed} as a signed number)")
            } else if arg < 1024 {
                format!("{arg} bytes")
            } else {
                format!("{arg} bytes ({size})")
            }
        }
        ErrorCode::WrapTableFull => format!("{arg} entries"),
        ErrorCode::HeapCorrupt => invariant(arg),
        ErrorCode::None => arg.to_string(),
        ErrorCode::ShadowStackOverflow
        | ErrorCode::NotAnObject
        | ErrorCode::AlreadyRegistered
        | ErrorCode::InitTwice
        | ErrorCode::UnpinUnderflow
        | ErrorCode::BadRange => format!("{arg:#010x}"),
    }
}

/// The result of `gc_verify` in words.
pub fn invariant(code: u32) -> String {
    let known = Invariant::ALL.iter().find(|(invariant, _)| *invariant as u32 == code);
    match known {
        Some((_, meaning)) => format!("{code} ({meaning})"),
        None => code.to_string(),
    }
}

fn advice(trap: &TrapReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(row) = trap.code {
        lines.push(row.advice.to_owned());
        match row.code {
            ErrorCode::HeapExhausted => {
                if let Some(size) = trap.refused_growth {
                    let size = ByteSize(size as u64).display().iec();
                    lines.push(format!("the host refused to let memory grow to {size}"));
                }
            }
            ErrorCode::NotAnObject if trap.arg == POISON => {
                lines.push(
                    "the pointer is poison: it was read from an object that had been freed; `rootstock doctor` says which"
                        .into(),
                );
            }
            _ => {}
        }
        return lines;
    }
    match trap.trap {
        Some(Trap::StackOverflow) => {
            lines.push(
                "look for endless recursion; for deep recursion allow a larger native stack".into(),
            );
        }
        Some(Trap::MemoryOutOfBounds) => match faulting_address(&trap.message) {
            Some(address) if is_near_poison(address) => lines.push(format!(
                "the address {address:#x} is poison, {POISON:#x} with an offset: the pointer was read from an object that \
                 had been freed; `rootstock doctor` says which"
            )),
            _ => lines.push(
                "look for a wild or stale pointer; EAGER and POISON show a missing root, `rootstock doctor` says where".into(),
            ),
        },
        Some(Trap::Interrupt) => lines.push("look for an endless loop, or allow more time".into()),
        Some(Trap::OutOfFuel) => lines.push("look for an endless loop, or allow more fuel".into()),
        _ => {}
    }
    lines
}

/// The address that the engine names in its words for an access outside memory.
fn faulting_address(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("wasm address 0x")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u64::from_str_radix(digits, 16).ok()
}

/// Tells whether an address is what a program makes of a pointer that it read from poisoned memory.
fn is_near_poison(address: u64) -> bool {
    /// Fields lie this many bytes behind the pointer to their object.
    const OFFSETS: u64 = 1 << 16;
    (u64::from(POISON)..u64::from(POISON) + OFFSETS).contains(&address)
}

fn backtrace(f: &mut fmt::Formatter<'_>, frames: &[Frame]) -> fmt::Result {
    /// Frames that are shown at each end of a deep recursion.
    const ENDS: usize = 12;
    for (at, frame) in frames.iter().enumerate() {
        if frames.len() > 2 * ENDS && (ENDS..frames.len() - ENDS).contains(&at) {
            if at == ENDS {
                write!(f, "\n{:14}... {} more frames", "", frames.len() - 2 * ENDS)?;
            }
            continue;
        }
        let head = if at == 0 { "backtrace" } else { "" };
        write!(f, "\n  {head:<12}{at:>2}: {frame}")?;
    }
    if frames.len() >= BACKTRACE_FRAMES {
        write!(f, "\n{:14}... and the frames that called these", "")?;
    }
    Ok(())
}

/// The handles that are alive, by kind; the smallest numbers are the oldest.
fn alive(f: &mut fmt::Formatter<'_>, handles: &HandleStore) -> fmt::Result {
    /// Numbers that are shown of a kind.
    const SHOWN: usize = 5;
    if handles.live_count() == 0 {
        return write!(f, "\n  handles     none alive");
    }
    let mut kinds: BTreeMap<u32, (u64, Vec<u32>)> = BTreeMap::new();
    for (number, handle) in handles.live() {
        let (count, first) = kinds.entry(handle.kind).or_default();
        *count += 1;
        if first.len() < SHOWN {
            first.push(number);
        }
    }
    write!(f, "\n  handles     {} alive", handles.live_count())?;
    for (kind, (count, first)) in kinds {
        let first: Vec<String> = first.iter().map(u32::to_string).collect();
        let more = if count > SHOWN as u64 { ", ..." } else { "" };
        write!(f, "\n{:14}kind {kind}: {count} ({}{more})", "", first.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
