//! The findings of the doctor, in words and for programs.

use std::fmt;

use rootstock_host::Frame;
use serde_json::{Value, json};

/// The way in which freed memory was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Touch {
    /// An instruction read it, or wrote to it.
    Access {
        /// True if it was written to.
        writes: bool,
        /// The number of bytes.
        bytes: u32,
        /// The first of them that is freed.
        address: u32,
        /// The instruction's name.
        instruction: String,
    },
    /// Its address was given to this function.
    Passed {
        /// The function: module and name.
        to: String,
        /// The address.
        address: u32,
    },
    /// The handle that it stood for, which died with it, was given to this function.
    Handle {
        /// The function: module and name.
        to: String,
        /// The handle.
        handle: u32,
    },
}

impl fmt::Display for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access { writes, bytes, address, instruction } => {
                let verb = if *writes { "writes to" } else { "reads" };
                write!(f, "{verb} freed memory: {bytes} bytes at {address:#010x} ({instruction})")
            }
            Self::Passed { to, address } => {
                write!(f, "passes a freed object to {to}: {address:#010x}")
            }
            Self::Handle { to, handle } => {
                write!(f, "passes a dead handle to {to}: {handle}, which died with its wrapper")
            }
        }
    }
}

/// The remedy for a missing root: the place where the object is at hand, and can be rooted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The culprit had it before the call that collected, and needs it after: it pushes it before.
    PushBefore,
    /// It was allocated inside the culprit's caller's call. The culprit has it when it makes the call that collects.
    PushWhereItIs,
    /// This function threw it: an exception's payload is no root. It is pinned there, and unpinned by who catches it.
    PinBeforeThrow(Frame),
}

/// A missing root.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The access.
    pub touch: Touch,
    /// Where, innermost first.
    pub touched: Vec<Frame>,
    /// The address of the freed object.
    pub base: u32,
    /// Its usable size.
    pub size: u32,
    /// The number of its allocation, from 1 on.
    pub allocation: u64,
    /// Which function of the runtime made it.
    pub made_by: &'static str,
    /// The kind and the handle that it stood for.
    pub handle: Option<(u32, u32)>,
    /// The calls in which it was allocated.
    pub allocated: Vec<Frame>,
    /// The number of the collection that freed it, how many allocations there had been, and in which function of the
    /// runtime.
    pub collection: u64,
    /// The number of allocations by then.
    pub allocations: u64,
    /// The function of the runtime that collected.
    pub during: &'static str,
    /// The calls in which that came.
    pub freed: Vec<Frame>,
    /// The address at which its own was first stored afterwards, and the calls in which it was.
    pub carried: Option<(u32, Vec<Frame>)>,
    /// The function that needed the object across the collection, at its call that led to it.
    pub culprit: Option<Frame>,
    /// The remedy.
    pub remedy: Remedy,
    /// The last holder of the object.
    pub last: String,
}

impl Diagnosis {
    /// The remedy.
    fn advice(&self) -> String {
        let while_it = format!("while {} collects", self.during);
        match (&self.remedy, &self.culprit) {
            (Remedy::PinBeforeThrow(by), catcher) => {
                let caught = catcher
                    .as_ref()
                    .map_or(String::new(), |frame| format!(", such as {}", name(frame)));
                format!(
                    "{} throws the object, an exception's payload is no root, and nothing else roots it {while_it}: call \
                     gc_pin before `throw`, and gc_unpin where it is caught and needed{caught}",
                    name(by)
                )
            }
            (Remedy::PushWhereItIs, Some(frame)) => format!(
                "{} has the object when it makes this call, and nothing roots it {while_it}: \
                 push it on the shadow stack before",
                name(frame)
            ),
            (_, Some(frame)) => format!(
                "{} needs the object after this call, and nothing roots it {while_it}: \
                 push it on the shadow stack before",
                name(frame)
            ),
            (_, None) => {
                format!("nothing roots the object {while_it}: push it on the shadow stack before")
            }
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let frames = |frames: &[Frame]| -> Value { frames.iter().map(frame_json).collect() };
        let touch = match &self.touch {
            Touch::Access { writes, bytes, address, instruction } => json!({
                "kind": if *writes { "write" } else { "read" },
                "address": address, "bytes": bytes, "instruction": instruction,
            }),
            Touch::Passed { to, address } => {
                json!({ "kind": "passed", "to": to, "address": address })
            }
            Touch::Handle { to, handle } => json!({ "kind": "handle", "to": to, "handle": handle }),
        };
        json!({
            "touch": touch,
            "backtrace": frames(&self.touched),
            "object": {
                "address": self.base, "size": self.size, "allocation": self.allocation,
                "made_by": self.made_by,
                "handle": self.handle.map(|(kind, handle)| json!({ "kind": kind, "handle": handle })),
                "backtrace": frames(&self.allocated),
            },
            "freed": {
                "collection": self.collection, "allocations": self.allocations, "during": self.during,
                "backtrace": frames(&self.freed),
            },
            "carried": self.carried.as_ref().map(|(at, trace)| json!({ "at": at, "backtrace": frames(trace) })),
            "culprit": self.culprit.as_ref().map(frame_json),
            "last_root": self.last,
            "advice": self.advice(),
        })
    }
}

fn name(frame: &Frame) -> String {
    match &frame.function {
        Some(name) => format!("`{name}`"),
        None => format!("function {}", frame.index),
    }
}

fn frame_json(frame: &Frame) -> Value {
    json!({
        "module": frame.module, "function": frame.function, "index": frame.index,
        "offset": frame.offset, "source": frame.source,
    })
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a root is missing: the program {}", self.touch)?;
        frames(f, "touched", &self.touched)?;
        write!(
            f,
            "\n  {:<12}{} bytes at {:#010x}: allocation {}, by {}",
            "object", self.size, self.base, self.allocation, self.made_by
        )?;
        if let Some((kind, handle)) = self.handle {
            write!(f, "; it stood for handle {handle} of kind {kind}")?;
        }
        frames(f, "allocated", &self.allocated)?;
        write!(
            f,
            "\n  {:<12}by collection {}, after {} allocations, in {}",
            "freed", self.collection, self.allocations, self.during
        )?;
        frames(f, "", &self.freed)?;
        if let Some((at, trace)) = &self.carried {
            write!(f, "\n  {:<12}at {at:#010x}, after that", "stored")?;
            frames(f, "", trace)?;
        }
        write!(f, "\n  {:<12}{}", "last root", self.last)?;
        if let Some(culprit) = &self.culprit {
            write!(f, "\n  {:<12}{culprit}", "held across")?;
        }
        write!(f, "\n  {:<12}{}", "what to do", self.advice())
    }
}

/// Frames, each with its number, under a heading.
fn frames(f: &mut fmt::Formatter<'_>, head: &str, frames: &[Frame]) -> fmt::Result {
    for (at, frame) in frames.iter().enumerate() {
        let head = if at == 0 { head } else { "" };
        write!(f, "\n  {head:<12}{at:>2}: {frame}")?;
    }
    Ok(())
}

/// The address of an object that was freed before is pushed as a root: it may be rooted too late, or be a number that looks
/// like it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suspect {
    /// The slot of the shadow stack, from 0 on.
    pub slot: u32,
    /// The address.
    pub address: u32,
    /// The calls in which it was stored in the slot.
    pub pushed: Option<Frame>,
    /// The number of the object's allocation.
    pub allocation: u64,
    /// The calls in which it was allocated.
    pub allocated: Option<Frame>,
    /// The collection that freed it.
    pub collection: u64,
    /// The calls in which that came.
    pub freed: Option<Frame>,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at =
            |frame: &Option<Frame>| frame.as_ref().map_or("the host".to_owned(), Frame::to_string);
        write!(
            f,
            "slot {} of the shadow stack is given {:#010x}, the address of an object that was freed before: a root that \
             comes too late, or a number that looks like one\n  \
             pushed      {}\n  \
             allocated   {} (allocation {})\n  \
             freed       {} (collection {})",
            self.slot,
            self.address,
            at(&self.pushed),
            at(&self.allocated),
            self.allocation,
            at(&self.freed),
            self.collection
        )
    }
}
