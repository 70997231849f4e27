//! The model of the native tests.

#[path = "../../runtime/core/tests/native/model/check.rs"]
mod check;
#[path = "../../runtime/core/tests/native/model/ops.rs"]
pub(crate) mod ops;
#[path = "../../runtime/core/tests/native/model/run.rs"]
pub(crate) mod run;
#[path = "../../runtime/core/tests/native/model/state.rs"]
mod state;
#[path = "../../runtime/core/tests/native/model/step.rs"]
mod step;
