//! Objects in flight: allocated by a call that has not returned yet, because it is telling the host something. Nobody has
//! been given them, and if the host traps nobody ever is.

use runtime::size_class::MAX_SMALL;
use runtime::stats::Stat;

use crate::machine::{Machine, Step, Stop, fault};
use crate::model::InFlight;
use crate::runner::{Runner, State};

impl Runner {
    /// The object that the current call has allocated, and not returned yet, is counted.
    pub(crate) fn note_in_flight(&self, m: &mut dyn Machine) -> Step<()> {
        let mut state = self.state();
        let bytes = m.stat(Stat::AllocatedBytes)?;
        let State { model, frames, pace, .. } = &mut *state;
        let Some(bytes) = bytes.checked_sub(model.counts.allocated_bytes) else {
            return fault("ALLOCATED_BYTES has shrunk");
        };
        let Some(call) = model.calls.last().copied() else { return Ok(()) };
        if bytes == 0 || call != InFlight::Nothing {
            return Ok(());
        }
        let atomic = frames.last().and_then(|frame| frame.allocates);
        let (Some(atomic), Ok(bytes)) = (atomic, u32::try_from(bytes)) else {
            return fault(format!("{bytes} bytes were allocated by a call that allocates nothing"));
        };
        model.count_allocated(bytes);
        pace.allocated(bytes, atomic);
        model.calls.pop();
        model.calls.push(InFlight::Unknown(bytes));
        Ok(())
    }

    /// Finds the object that a call in progress has allocated and its caller has not heard of, if there is one: the
    /// one object of its size that the model does not know.
    pub(crate) fn find_in_flight(&self, m: &mut dyn Machine) -> Step<()> {
        let mut state = self.state();
        let State { model, frames, .. } = &mut *state;
        let unknown = model.calls.iter().position(|call| matches!(call, InFlight::Unknown(_)));
        let Some(index) = unknown else { return Ok(()) };
        let InFlight::Unknown(bytes) = model.calls[index] else { return Ok(()) };
        let (cells, step) = if bytes <= MAX_SMALL { (16_384 / bytes, bytes) } else { (1, 0) };
        let mut found = None;
        for block in model.static_base / 16_384..m.pages() * 4 {
            for at in (0..cells).map(|cell| block * 16_384 + cell * step) {
                if m.base(at)? != at || model.objects.contains_key(&at) || m.size(at)? != bytes {
                    continue;
                }
                if let Some(other) = found.replace(at) {
                    return fault(format!("{other:#x} and {at:#x} are objects of nobody's"));
                }
            }
        }
        let Some(base) = found else {
            return fault(format!("an object of {bytes} bytes was allocated, and is nowhere"));
        };
        let atomic = frames.get(index).and_then(|frame| frame.allocates).unwrap_or(false);
        let content = m.bytes(base, bytes)?.to_vec();
        model.add_object(base, content, atomic).map_err(Stop::Fault)?;
        model.hidden.insert(base);
        model.calls[index] = InFlight::Known(base);
        Ok(())
    }
}
