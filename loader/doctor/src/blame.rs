//! From a fault to its diagnosis: the function that dropped the root, and the one that still used the object.

use rootstock_host::{Frame, wasmtime};

use crate::diagnosis::{Diagnosis, Remedy, Suspect, Touch};
use crate::objects::{Death, Holder, Id, Loss, Object};
use crate::state::State;
use crate::trace::{Site, Trace};

impl State {
    /// Describes what was done to a freed object; `trace` is where. The result stops the program.
    pub(super) fn fault(
        &mut self,
        touch: Touch,
        object: &Object,
        trace: &Trace,
    ) -> wasmtime::Error {
        let Some(death) = object.death.as_deref() else {
            return wasmtime::format_err!("the doctor lost its book");
        };
        let traces = &self.traces;
        let freed = traces.get(death.trace);
        // The first that is known to have believed in it, after the collection.
        let believer = death.carried.as_ref().map_or(trace, |carried| &carried.trace);
        let (culprit, remedy) = self.held(object, death, believer);
        let found = Diagnosis {
            touch,
            touched: traces.frames(trace),
            base: object.base,
            size: object.size,
            allocation: object.number,
            made_by: object.made_by.name(),
            handle: object.handle,
            allocated: traces.frames(traces.get(object.trace)),
            collection: death.collection,
            allocations: death.allocations,
            during: death.during.name(),
            freed: traces.frames(freed),
            carried: death
                .carried
                .as_ref()
                .map(|carried| (carried.at, traces.frames(&carried.trace))),
            culprit,
            remedy,
            last: self.last_root(death),
        };
        let error = wasmtime::format_err!("the program {}", found.touch);
        self.found.get_or_insert(Box::new(found));
        error
    }

    /// The function that held the object without a root for it, at its call that led to the collection, and what it can do.
    fn held(&self, object: &Object, death: &Death, believer: &Trace) -> (Option<Frame>, Remedy) {
        let traces = &self.traces;
        let freed = traces.get(death.trace);
        let frame = |(_, site): (u32, Site)| traces.frame(site);
        let Some(held) = traces.fork(freed, believer) else { return (None, Remedy::PushBefore) };
        let (position, _) = held;
        if position >= death.begun_before {
            return (frame(held), Remedy::PushBefore);
        }
        // It was allocated inside this call of the believer's, who has not had it before.
        let made = traces.get(object.trace);
        let thrown = self.thrown.iter().filter(|&(_, &made)| made >= object.number);
        if let Some(by) = traces.innermost_with(made, position, thrown.map(|(&site, _)| site))
            && let Some(by) = traces.frame(by)
        {
            return (frame(held), Remedy::PinBeforeThrow(by));
        }
        let holder = traces.fork(freed, made).unwrap_or(held);
        (frame(holder), Remedy::PushWhereItIs)
    }

    fn last_root(&self, death: &Death) -> String {
        let slot = |at: u32| (at - self.exports.gc_stack_base) / 4;
        let who = |site: Site| match self.traces.frame(site) {
            Some(frame) => frame.to_string(),
            None => "the host".to_owned(),
        };
        match death.loss {
            Loss::Popped { slot: at, site } => {
                format!("slot {} of the shadow stack, until it was popped: {}", slot(at), who(site))
            }
            Loss::Overwritten { slot: at, site } => format!(
                "slot {} of the shadow stack, until another value was stored there: {}",
                slot(at),
                who(site)
            ),
            Loss::Held { by, collection } => match by {
                Holder::Nobody => {
                    "no collection has seen one: it was in a local or on the operand stack only"
                        .to_owned()
                }
                Holder::Slot(at) => {
                    format!("slot {} of the shadow stack, at collection {collection}", slot(at))
                }
                Holder::Stack(stack, at) => {
                    format!(
                        "the slot at {at:#010x} of shadow stack {stack}, at collection {collection}"
                    )
                }
                Holder::Range(at) => {
                    format!("the word at {at:#010x} of a root range, at collection {collection}")
                }
                Holder::Pin => format!("a pin, at collection {collection}"),
                Holder::InFlight => format!(
                    "its own registration, at collection {collection}; \
                     after that it was in a local or on the operand stack only"
                ),
                Holder::Object(number, offset) => format!(
                    "the object of allocation {number}, {offset} bytes into it, at collection {collection}"
                ),
            },
        }
    }

    /// Notes a suspect.
    pub(super) fn suspect(&mut self, at: u32, id: Id, trace: &Trace) {
        /// More are not kept.
        const KEPT: usize = 16;
        let object = self.objects.get(id);
        let Some(death) = object.death.as_deref() else { return };
        if self.suspects.len() >= KEPT {
            return;
        }
        let traces = &self.traces;
        let innermost = |trace: &Trace| trace.sites.first().and_then(|&site| traces.frame(site));
        self.suspects.push(Suspect {
            slot: (at - self.exports.gc_stack_base) / 4,
            address: object.base,
            pushed: innermost(trace),
            allocation: object.number,
            allocated: innermost(traces.get(object.trace)),
            collection: death.collection,
            freed: innermost(traces.get(death.trace)),
        });
    }
}
