//! A word on what is not tested, for each file of tests that needs a tool.

use std::io::Write;

/// Says what is not tested on this machine, and why. It goes to the real standard error, of which the harness of tests keeps
/// nothing back, and .ci/run repeats it at its end.
pub(crate) fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}
