//! WASI preview 1 for programs: arguments, environment, folders, standard streams, clocks, random numbers.
//!
//! The functions are `wasmtime-wasi`'s. Three things are this module's own:
//!
//! * **Memory.** WASI finds a program's memory by its export `memory`. A program that imports the runtime's need not
//!   export it: the runtime's memory is taken then.
//! * **Time.** A function that waits (for input, for a clock) is given up when the time of the program's calls is up.
//! * **Output.** What goes to standard output and error counts in [`Config::max_output`](crate::Config::max_output), and
//!   comes in one order with what module `host` prints.
//!
//! A program that imports none of it has none of it: nothing is set up before.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rootstock_program::InputError;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Module, Trap, format_err};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};
use wiggle::GuestMemory;

use crate::state::HostState;

/// The modules that programs import WASI from: preview 1, and what there was before it.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// The surroundings that a program sees through WASI. [`Wasi::default`] shows it nothing.
///
/// ```
/// use rootstock_host::{Config, Instance, Program, Wasi};
///
/// let text = br#"(module
///     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///     (func (export "_start") (call $exit (i32.const 3))))"#;
/// let program = Program::from_bytes("exit.wat", text)?;
/// let mut config = Config::default();
/// // Without this the import is refused.
/// config.wasi = Some(Wasi::default().arguments(["exit"]));
/// let mut instance = Instance::new(&config)?;
/// let program = instance.instantiate(&program)?;
/// let error = program.call(&mut instance, "_start", &[]).unwrap_err();
/// assert!(matches!(error, rootstock_host::Error::Exit(3)));
/// # Ok::<(), rootstock_host::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Wasi {
    given: Arc<Given>,
}

#[derive(Clone, Debug, Default)]
struct Given {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folders: Vec<(PathBuf, String)>,
    input: bool,
}

impl Wasi {
    /// Arguments, of which the first is the program's name.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.given).arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.given).environment.push((name.into(), value.into()));
        self
    }

    /// A folder of the host's that the program may read and change, under the name that it has for the program.
    #[must_use]
    pub fn folder(mut self, path: impl AsRef<Path>, name: impl Into<String>) -> Self {
        let folder = (path.as_ref().to_owned(), name.into());
        Arc::make_mut(&mut self.given).folders.push(folder);
        self
    }

    /// Lets the program read the standard input of this process.
    #[must_use]
    pub fn standard_input(mut self) -> Self {
        Arc::make_mut(&mut self.given).input = true;
        self
    }

    pub(crate) fn build(&self) -> Result<State, InputError> {
        let mut builder = WasiCtxBuilder::new();
        builder.args(&self.given.arguments).envs(&self.given.environment);
        if self.given.input {
            builder.inherit_stdin();
        }
        for (path, name) in &self.given.folders {
            builder.preopened_dir(path, name, FsPerms::ReadWrite).map_err(|error| {
                InputError::new(path.display().to_string(), format!("cannot be opened: {error:#}"))
            })?;
        }
        let streams = BTreeMap::from([(1, Stream::Output), (2, Stream::Error)]);
        Ok(State { context: builder.build_p1(), streams })
    }
}

/// A stream that a program prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// One program's WASI.
pub(crate) struct State {
    context: WasiP1Ctx,
    /// The numbers under which the program has its standard output and error.
    streams: BTreeMap<i32, Stream>,
}

/// Tells whether a module imports any of it.
pub(crate) fn is_imported(module: &Module) -> bool {
    module.imports().any(|import| MODULES.contains(&import.module()))
}

/// Defines one of [`MODULES`].
pub(crate) fn define(linker: &mut Linker<HostState>, module: &str) -> wasmtime::Result<()> {
    if module == MODULES[0] {
        preview_1::define(linker)?;
        newer::define(linker)
    } else {
        preview_0::define(linker)
    }
}

/// The data that a function of WASI works on: the program's memory, and the state of the host.
fn parts<'a>(
    caller: &'a mut Caller<'_, HostState>,
) -> wasmtime::Result<(&'a mut [u8], &'a mut HostState)> {
    caller.data().serves()?;
    let fuel = caller.as_context_mut().hostcall_fuel();
    let memory = memory(caller)?;
    let (memory, state) = memory.data_and_store_mut(caller);
    wasi(state)?.context.set_hostcall_fuel(fuel);
    Ok((memory, state))
}

fn memory(caller: &mut Caller<'_, HostState>) -> wasmtime::Result<Memory> {
    if let Some(Extern::Memory(own)) = caller.get_export("memory") {
        return Ok(own);
    }
    let exports = caller.data().exports.as_ref();
    let shared = exports.map(|exports| exports.memory);
    shared.ok_or_else(|| format_err!("the runtime is not instantiated yet"))
}

fn wasi(state: &mut HostState) -> wasmtime::Result<&mut State> {
    state.wasi.as_deref_mut().ok_or_else(|| format_err!("WASI was not set up"))
}

/// Waits, until the time of the program's calls is up.
fn wait<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    in_tokio(async {
        let Some(deadline) = deadline else { return future.await };
        let in_time = tokio::time::timeout_at(deadline.into(), future).await;
        in_time.unwrap_or_else(|_| Err(Trap::Interrupt.into()))
    })
}

/// Numbers of WASI for what went well, and for an address outside memory.
const SUCCESS: i32 = 0;
const FAULT: i32 = 21;

/// Prints the first of the buffers that is not empty, as a system's `write` may. How many bytes that were is written to
/// `count`.
fn print(
    state: &mut HostState,
    memory: &mut [u8],
    stream: Stream,
    (buffers, len): (i32, i32),
    count: i32,
) -> wasmtime::Result<i32> {
    let word = |memory: &[u8], at: u64| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = memory.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes).into())
    };
    let first = u64::from(buffers.cast_unsigned());
    let mut printed = 0_u32;
    for buffer in 0..u64::from(len.cast_unsigned()) {
        let at = first + buffer * 8;
        let (Some(start), Some(bytes)) = (word(memory, at), word(memory, at + 4)) else {
            return Ok(FAULT);
        };
        if bytes == 0 {
            continue;
        }
        let Some(bytes) = memory.get(start as usize..(start + bytes) as usize) else {
            return Ok(FAULT);
        };
        state.print_to(stream, bytes)?;
        printed = bytes.len() as u32;
        break;
    }
    let at = count.cast_unsigned() as usize;
    let Some(count) = memory.get_mut(at..at.saturating_add(4)) else { return Ok(FAULT) };
    count.copy_from_slice(&printed.to_le_bytes());
    Ok(SUCCESS)
}

/// Functions of a module of WASI with the types of their parameters, by whether they may wait.
macro_rules! functions {
    (
        $module:ident, $define:ident:
        at once { $($sync:ident($($sarg:ident: $sty:ty),*);)* }
        waiting { $($wait:ident($($warg:ident: $wty:ty),*);)* }
    ) => {
        pub(super) fn $define(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
            const NAME: &str = stringify!($module);
            $(linker.func_wrap(
                NAME,
                stringify!($sync),
                |mut caller: Caller<'_, HostState> $(, $sarg: $sty)*| -> wasmtime::Result<i32> {
                    let (memory, state) = parts(&mut caller)?;
                    let mut memory = GuestMemory::Unshared(memory);
                    $module::$sync(&mut wasi(state)?.context, &mut memory $(, $sarg)*)
                },
            )?;)*
            $(linker.func_wrap(
                NAME,
                stringify!($wait),
                |mut caller: Caller<'_, HostState> $(, $warg: $wty)*| -> wasmtime::Result<i32> {
                    let (memory, state) = parts(&mut caller)?;
                    let mut memory = GuestMemory::Unshared(memory);
                    let deadline = state.deadline;
                    let context = &mut wasi(state)?.context;
                    wait(deadline, $module::$wait(context, &mut memory $(, $warg)*))
                },
            )?;)*
            Ok(())
        }
    };
}

/// The functions of both versions.
macro_rules! version {
    ($name:ident, $module:ident, $path:path) => {
        mod $name {
            use $path as $module;

            use super::*;

            functions! {
                $module, define_plain:
                at once {
                    args_get(a: i32, b: i32);
                    args_sizes_get(a: i32, b: i32);
                    environ_get(a: i32, b: i32);
                    environ_sizes_get(a: i32, b: i32);
                    clock_res_get(a: i32, b: i32);
                    clock_time_get(a: i32, b: i64, c: i32);
                    fd_allocate(a: i32, b: i64, c: i64);
                    fd_fdstat_set_flags(a: i32, b: i32);
                    fd_fdstat_set_rights(a: i32, b: i64, c: i64);
                    fd_prestat_get(a: i32, b: i32);
                    fd_prestat_dir_name(a: i32, b: i32, c: i32);
                    fd_tell(a: i32, b: i32);
                    proc_raise(a: i32);
                    sched_yield();
                    random_get(a: i32, b: i32);
                    sock_recv(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
                    sock_send(a: i32, b: i32, c: i32, d: i32, e: i32);
                    sock_shutdown(a: i32, b: i32);
                }
                waiting {
                    fd_advise(a: i32, b: i64, c: i64, d: i32);
                    fd_datasync(a: i32);
                    fd_fdstat_get(a: i32, b: i32);
                    fd_filestat_get(a: i32, b: i32);
                    fd_filestat_set_size(a: i32, b: i64);
                    fd_filestat_set_times(a: i32, b: i64, c: i64, d: i32);
                    fd_pread(a: i32, b: i32, c: i32, d: i64, e: i32);
                    fd_pwrite(a: i32, b: i32, c: i32, d: i64, e: i32);
                    fd_read(a: i32, b: i32, c: i32, d: i32);
                    fd_readdir(a: i32, b: i32, c: i32, d: i64, e: i32);
                    fd_seek(a: i32, b: i64, c: i32, d: i32);
                    fd_sync(a: i32);
                    path_create_directory(a: i32, b: i32, c: i32);
                    path_filestat_get(a: i32, b: i32, c: i32, d: i32, e: i32);
                    path_filestat_set_times(a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32);
                    path_link(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32);
                    path_open(a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32);
                    path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
                    path_remove_directory(a: i32, b: i32, c: i32);
                    path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
                    path_symlink(a: i32, b: i32, c: i32, d: i32, e: i32);
                    path_unlink_file(a: i32, b: i32, c: i32);
                    poll_oneoff(a: i32, b: i32, c: i32, d: i32);
                }
            }

            pub(super) fn define(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
                const NAME: &str = stringify!($module);
                type Cx<'a> = Caller<'a, HostState>;
                define_plain(linker)?;
                // Of codes from 126 on wasmtime-wasi makes a trap, because other systems have no such codes.
                linker.func_wrap(
                    NAME,
                    "proc_exit",
                    |caller: Cx<'_>, code: i32| -> wasmtime::Result<()> {
                        caller.data().serves()?;
                        Err(I32Exit(code).into())
                    },
                )?;
                linker.func_wrap(
                    NAME,
                    "fd_write",
                    |mut caller: Cx<'_>, fd: i32, buffers: i32, len: i32, count: i32| {
                        let (memory, state) = parts(&mut caller)?;
                        if let Some(&stream) = wasi(state)?.streams.get(&fd) {
                            return print(state, memory, stream, (buffers, len), count);
                        }
                        let mut memory = GuestMemory::Unshared(memory);
                        let deadline = state.deadline;
                        let context = &mut wasi(state)?.context;
                        wait(deadline, $module::fd_write(context, &mut memory, fd, buffers, len, count))
                    },
                )?;
                linker.func_wrap(NAME, "fd_close", |mut caller: Cx<'_>, fd: i32| {
                    let (memory, state) = parts(&mut caller)?;
                    let mut memory = GuestMemory::Unshared(memory);
                    let deadline = state.deadline;
                    let wasi = wasi(state)?;
                    let code = wait(deadline, $module::fd_close(&mut wasi.context, &mut memory, fd))?;
                    if code == SUCCESS {
                        wasi.streams.remove(&fd);
                    }
                    Ok(code)
                })?;
                linker.func_wrap(NAME, "fd_renumber", |mut caller: Cx<'_>, from: i32, to: i32| {
                    let (memory, state) = parts(&mut caller)?;
                    let mut memory = GuestMemory::Unshared(memory);
                    let deadline = state.deadline;
                    let wasi = wasi(state)?;
                    let context = &mut wasi.context;
                    let code = wait(deadline, $module::fd_renumber(context, &mut memory, from, to))?;
                    if code == SUCCESS && from != to {
                        match wasi.streams.remove(&from) {
                            Some(stream) => wasi.streams.insert(to, stream),
                            None => wasi.streams.remove(&to),
                        };
                    }
                    Ok(code)
                })?;
                Ok(())
            }
        }
    };
}

version!(preview_0, wasi_unstable, wasmtime_wasi::p0::wasi_unstable);
version!(preview_1, wasi_snapshot_preview1, wasmtime_wasi::p1::wasi_snapshot_preview1);

/// The functions of the newer version alone.
mod newer {
    use wasmtime_wasi::p1::wasi_snapshot_preview1;

    use super::*;

    functions! {
        wasi_snapshot_preview1, define:
        at once { sock_accept(a: i32, b: i32, c: i32); }
        waiting {}
    }
}
