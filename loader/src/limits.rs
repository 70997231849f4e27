//! The limits of a program, for each command that runs one.

use bytesize::ByteSize;
use rootstock_host::wasmtime::Trap;
use rootstock_host::{Config, TrapReport};

use crate::options::Timeout;

/// The native stack that the thread that runs wasm needs besides wasm's own.
pub(super) const HOST_STACK: usize = 4 << 20;

/// Bounds on a program. The commands say what each is by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes that the program and the runtime may have.
    pub(super) max_memory: u64,
    /// Bytes that a program's module may have.
    pub(super) max_module: u64,
    /// Bytes that the program may print.
    pub(super) max_output: u64,
    /// Handles that the program may have alive at once.
    pub(super) max_handles: u64,
    /// Time that the program may run.
    pub(super) timeout: Timeout,
    /// Bytes of native stack for the program's calls.
    pub(super) stack: u64,
}

impl Limits {
    /// A configuration with these bounds, and nothing else.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.max_memory = Some(self.max_memory);
        config.max_handles = Some(self.max_handles);
        config.max_output = Some(self.max_output);
        config.timeout = self.timeout.0;
        config.wasm_stack = wasm_stack(self.stack);
        config
    }

    /// The limit that was reached at a trap, which only the command knows.
    pub(super) fn hints(&self, trap: &TrapReport) -> Vec<String> {
        let mut hints = Vec::new();
        match trap.trap {
            Some(Trap::Interrupt) => {
                let time = self.timeout.0.unwrap_or_default().as_secs_f64();
                hints.push(format!("the limit was {time} s: --timeout sets it"));
            }
            Some(Trap::StackOverflow) => {
                let size = ByteSize(self.stack).display().iec();
                hints.push(format!("the limit was {size}: --stack sets it"));
            }
            _ => {}
        }
        if trap.refused_growth.is_some() {
            let size = ByteSize(self.max_memory).display().iec();
            hints.push(format!("memory is limited to {size}: --max-memory sets it"));
        }
        hints
    }
}

/// The bytes of `--stack` as the engine takes them.
pub(super) fn wasm_stack(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
