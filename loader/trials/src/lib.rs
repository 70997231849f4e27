//! What is tried to break Rootstock: the runtime, and the host that runs strangers' programs on it.
//!
//! * [`oracle`] runs programs on the runtime and on an independent model of it;
//! * [`stress`] drives the runtime hard with seeded scenarios;
//! * [`hostile`] makes programs that mean harm, for the host to survive.

pub mod hostile;
pub mod oracle;
pub mod stress;
