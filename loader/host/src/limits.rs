//! Bounds on what a program may take from its host: time, fuel, stack, and memory, for which the engine asks before any
//! memory or table grows.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::error::Error;
use crate::state::HostState;

/// The time after which a watchdog looks again after its deadline.
const BEAT: Duration = Duration::from_millis(500);

/// Time of a question to the runtime when a program's own is up. A heap that the program has overwritten may be one that
/// takes for ever to look at.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// Stops a store's calls at a point in time.
///
/// The engine's code looks at an *epoch* that is common to all stores of an engine. From its deadline on, a watchdog's
/// thread advances the epoch now and then; each store's code then asks whether it was meant, and goes on if not.
pub(crate) struct Watchdog {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Wakes the engine's code at `deadline`.
    pub(crate) fn start(engine: &Engine, deadline: Instant) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = {
            let stop = Arc::clone(&stop);
            let engine = engine.clone();
            thread::Builder::new().name("watchdog".into()).spawn(move || {
                let (stopped, changed) = &*stop;
                let mut stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
                while !*stopped {
                    let mut left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        engine.increment_epoch();
                        // Calls that only look may go on for a little; they end at one of the next beats.
                        left = BEAT;
                    }
                    let woken = changed.wait_timeout(stopped, left);
                    stopped = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            })?
        };
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let (stopped, changed) = &*self.stop;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nobody to tell if it did.
            let _ = thread.join();
        }
    }
}

/// Makes a store stop when its own deadline has passed, and only then.
pub(crate) fn obey_deadline(store: &mut Store<HostState>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|cx| match cx.data().deadline {
        Some(deadline) if Instant::now() >= deadline => Err(Trap::Interrupt.into()),
        _ => Ok(UpdateDeadline::Continue(1)),
    });
}

/// Gives a store's calls this much time from now on; they have to be interruptible.
pub(crate) fn watch(
    store: &mut Store<HostState>,
    timeout: Duration,
) -> Result<Option<Watchdog>, Error> {
    // What is too far away to be a point in time is no bound.
    let Some(deadline) = deadline(timeout) else { return Ok(None) };
    store.data_mut().deadline = Some(deadline);
    let started = Watchdog::start(store.engine(), deadline);
    started.map(Some).map_err(|error| Error::Engine {
        what: "the thread that watches the time cannot be started".into(),
        cause: error.to_string(),
    })
}

/// The point in time `timeout` from now; none if that is too far away to be one.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// Runs a function on a thread with a native stack of this size: wasm runs on the stack of its caller, and
/// [`Config::wasm_stack`](crate::Config::wasm_stack) must leave room on it.
///
/// # Errors
///
/// If the thread cannot be started.
pub fn with_stack<T: Send>(bytes: usize, f: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes).spawn_scoped(scope, f)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
