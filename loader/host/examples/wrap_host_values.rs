//! Gives a program objects that stand for values of the host, which learns when each is dead.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use rootstock_host::{Callback, Config, Instance};

/// The host's number for the kind of a handle.
const FILE: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    // The host's values, by handle.
    let files: Arc<Mutex<HashMap<u32, String>>> = Arc::default();
    let mut config = Config::default();
    config.callback = Callback::custom({
        let files = Arc::clone(&files);
        move |_, _kind, handle| {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            println!("dead: {}", files.remove(&handle).unwrap_or_default());
            Ok(())
        }
    });
    let mut instance = Instance::new(&config)?;

    let mut scope = instance.scope();
    for name in ["a.txt", "b.txt"] {
        // A handle is no pointer, so the object that holds it has none.
        let wrapper = scope.alloc_atomic(4)?;
        let handle = scope.handles_mut().insert(FILE, 0);
        scope.write_u32(wrapper.0, handle)?;
        scope.register_wrapper(wrapper, FILE, handle)?;
        files.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, name.into());
        if name == "a.txt" {
            scope.push(wrapper)?; // a root until the scope ends
        }
    }
    scope.collect()?;
    println!("alive: {}", scope.handles().live_count());
    drop(scope);

    // The rest is told now, so that every value is let go exactly once.
    instance.shutdown()?;
    println!("clean: {}", instance.handles().audit().is_clean());
    Ok(())
}
