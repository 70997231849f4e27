//! Programs that mean harm, run as `rootstock run` runs any program: the host must come out of it with its limits kept.
//!
//! `rootstock fuzz-modules` makes modules from seeds ([`generate`]) and does with each what the command `run` does: reads it,
//! links it, calls what it exports, reports what came of it, in both formats. Nothing is expected of the program. Of the
//! host it is expected that it does not panic, and that it is done when the program's time is up. Each module is also
//! given to the doctor, whose instrumented copy has to be valid.

pub mod generate;
pub mod lying;
