//! The data of a store: what host functions and limits work on.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::{ResourceLimiter, format_err};

use crate::exports::Exports;
use crate::frames::ModuleInfo;
use crate::handles::HandleStore;
use crate::host::Callback;
use crate::wasi::{self, Stream, Wasi};

/// Bytes of output that are kept for a host that captures it.
const CAPTURE_LIMIT: usize = 256 << 20;

/// The destination of a program's output.
pub(crate) enum Output {
    Stdout(io::BufWriter<io::Stdout>),
    Captured(Vec<u8>),
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout
                .write_all(bytes)
                .map_err(|error| format_err!("cannot write to standard output: {error}")),
            Self::Captured(buffer) if buffer.len() + bytes.len() > CAPTURE_LIMIT => {
                Err(format_err!("the program has printed more than {CAPTURE_LIMIT} bytes"))
            }
            Self::Captured(buffer) => {
                buffer.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl Output {
    /// Writes out the earlier output, so that it comes before what is printed elsewhere now.
    pub(crate) fn flush(&mut self) -> wasmtime::Result<()> {
        match self {
            Self::Captured(_) => Ok(()),
            Self::Stdout(stdout) => stdout
                .flush()
                .map_err(|error| format_err!("cannot write to standard output: {error}")),
        }
    }
}

/// The word at `gc_stack_limit`, as it may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard {
    /// Before the heap is used for the first time.
    pub(crate) unset: u32,
    /// After that. Another build of the runtime may have a word of its own, which is learnt.
    pub(crate) set: u32,
}

/// The data of a store: everything that host functions and limits work on.
pub struct HostState {
    pub(crate) handles: HandleStore,
    pub(crate) callback: Callback,
    /// Set as soon as the runtime is instantiated, which is before any of its code runs.
    pub(crate) exports: Option<Arc<Exports>>,
    /// The modules by the names that messages use.
    pub(crate) modules: Vec<ModuleInfo>,
    pub(crate) output: Output,
    /// When a call is to be interrupted.
    pub(crate) deadline: Option<Instant>,
    pub(crate) memory: MemoryLimit,
    /// The size that memory would have had at the last refusal since the last report.
    pub(crate) refused_growth: Option<usize>,
    /// Set when the runtime failed to answer a question.
    pub(crate) blind: bool,
    /// The part of WASI that programs are shown, if any.
    pub(crate) wasi_given: Option<Wasi>,
    /// Set up when the first program is instantiated that imports it.
    pub(crate) wasi: Option<Box<wasi::State>>,
    /// A question is being asked.
    pub(crate) looking: bool,
    /// Calls that are under way.
    pub(crate) calls: u32,
    pub(crate) guard: Guard,
    /// Bytes that programs may print, and have printed.
    pub(crate) max_output: Option<u64>,
    printed: u64,
    /// True if the engine's code counts fuel. Asking a store that does not is slow: the answer is an error.
    pub(crate) counts_fuel: bool,
}

impl HostState {
    pub(crate) fn new(
        handles: HandleStore,
        callback: Callback,
        max_memory: Option<usize>,
        output: Output,
    ) -> Self {
        Self {
            handles,
            callback,
            exports: None,
            modules: Vec::new(),
            output,
            deadline: None,
            memory: MemoryLimit::of(max_memory),
            refused_growth: None,
            blind: false,
            wasi_given: None,
            wasi: None,
            looking: false,
            calls: 0,
            guard: Guard::default(),
            max_output: None,
            printed: 0,
            counts_fuel: false,
        }
    }

    /// Fails inside a question: what only looks has nothing to do with the host.
    pub(crate) fn serves(&self) -> wasmtime::Result<()> {
        if self.looking {
            return Err(format_err!("the runtime called the host instead of answering a question"));
        }
        Ok(())
    }

    /// Prints for a program.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        self.serves()?;
        self.print_to(Stream::Output, bytes)
    }

    /// Prints for a program to one of its streams. What goes to standard error is not captured.
    pub(crate) fn print_to(&mut self, stream: Stream, bytes: &[u8]) -> wasmtime::Result<()> {
        self.printed = self.printed.saturating_add(bytes.len() as u64);
        match self.max_output {
            Some(max) if self.printed > max => {
                Err(format_err!("the program has printed more than the {max} bytes it may"))
            }
            _ if stream == Stream::Output => self.output.write(bytes),
            _ => {
                self.output.flush()?;
                // Where standard error is closed nobody listens.
                let _ = io::stderr().write_all(bytes);
                Ok(())
            }
        }
    }

    /// Replaces the bound on all memories of the store together.
    pub fn set_max_memory(&mut self, bytes: Option<usize>) {
        self.memory.max = bytes;
    }

    /// Forgets that memory was not allowed to grow: the next report does not speak of it.
    pub fn forget_refusal(&mut self) {
        self.refused_growth = None;
    }

    /// Tells whether `word` is what stands at `gc_stack_limit` while the heap is used, and the shadow stack was not overrun.
    pub fn is_stack_guard(&self, word: u32) -> bool {
        word == self.guard.set
    }

    /// The host's handles.
    pub fn handles(&self) -> &HandleStore {
        &self.handles
    }

    /// The host's handles.
    pub fn handles_mut(&mut self) -> &mut HandleStore {
        &mut self.handles
    }
}

impl Default for HostState {
    fn default() -> Self {
        Self::new(HandleStore::default(), Callback::Plain, None, Output::Captured(Vec::new()))
    }
}

/// A bound on all memories of a store together.
#[derive(Default)]
pub(crate) struct MemoryLimit {
    pub(crate) max: Option<usize>,
    used: usize,
    /// The bytes that the last permission added, to be taken back if growing fails after all.
    pending: usize,
    /// Requests so far, and the numbers of those that are refused whatever the bound.
    pub(crate) asked: u64,
    pub(crate) refused: Range<u64>,
    /// Elements of all tables, and what the last permission added.
    elements: usize,
    pending_elements: usize,
}

/// Elements that all tables together may have where memory is bounded; each takes a pointer or two of the host.
const TABLE_ELEMENTS: usize = 10_000_000;

impl MemoryLimit {
    pub(crate) fn of(max: Option<usize>) -> Self {
        Self { max, ..Self::default() }
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let total = self.memory.used.saturating_add(growth);
        let refused = self.memory.refused.contains(&self.memory.asked);
        self.memory.asked += 1;
        let permitted = !refused && !self.looking && self.memory.max.is_none_or(|max| total <= max);
        if permitted {
            self.memory.used = total;
            self.memory.pending = growth;
        } else {
            self.memory.pending = 0;
            self.refused_growth = Some(total);
        }
        Ok(permitted)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.used -= self.memory.pending;
        self.memory.pending = 0;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let total = self.memory.elements.saturating_add(growth);
        let permitted = !self.looking && (self.memory.max.is_none() || total <= TABLE_ELEMENTS);
        self.memory.pending_elements = if permitted { growth } else { 0 };
        self.memory.elements += self.memory.pending_elements;
        Ok(permitted)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.elements -= self.memory.pending_elements;
        self.memory.pending_elements = 0;
        Ok(())
    }
}
