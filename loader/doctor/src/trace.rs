//! Call stacks of instrumented programs: read from the memory of `checks.wat`, and kept once each.

use std::collections::HashMap;
use std::sync::Arc;

use rootstock_host::Frame;

use crate::origin::Origin;
use crate::place::CodePlace;

/// The call stack has room for this many calls; of a deeper one the innermost are known.
pub(super) const STACK_CALLS: u32 = 1 << 20;
/// Bytes of a call: its site, and how many allocations there had been when it began.
pub(super) const CALL_BYTES: u32 = 8;
/// Innermost calls that are kept of a stack for later.
const KEPT: usize = 16;
/// With more different stacks than this, only the innermost call is kept of each.
const MANY: usize = 200_000;
/// Frames of a report, at each end of a deep stack.
const SHOWN: usize = 16;

/// A site; 0 is none.
pub(super) type Site = u32;

/// A call stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Trace {
    /// The number of calls that were under way.
    pub(super) depth: u32,
    /// The sites of the innermost ones, the innermost first.
    pub(super) sites: Vec<Site>,
}

impl Trace {
    /// Reads the innermost `most` calls of `depth`.
    pub(super) fn read(stack: &[u8], depth: u32, most: usize) -> Self {
        let count = most.min(depth as usize).min(STACK_CALLS as usize);
        let sites = (0..count as u32).map(|back| {
            let at = (depth - 1 - back) % STACK_CALLS * CALL_BYTES;
            word(stack, at)
        });
        Self { depth, sites: sites.collect() }
    }

    /// The number of `depth` calls that had begun before the allocation of this number.
    pub(super) fn begun_before(stack: &[u8], depth: u32, allocation: u64) -> u32 {
        let known = depth.min(STACK_CALLS);
        let mut before = depth;
        for position in (depth - known..depth).rev() {
            let made = word(stack, position % STACK_CALLS * CALL_BYTES + 4);
            if u64::from(made) < allocation {
                break;
            }
            before = position;
        }
        before
    }

    /// The same stack with an instruction of its innermost function on top.
    pub(super) fn with(mut self, site: Site) -> Self {
        self.sites.insert(0, site);
        self.depth += 1;
        self
    }

    /// The site that is `position` calls away from the outermost, if it was kept.
    fn at(&self, position: u32) -> Option<Site> {
        let back = self.depth.checked_sub(position + 1)?;
        self.sites.get(back as usize).copied()
    }
}

/// A word of the call stack's memory.
fn word(stack: &[u8], at: u32) -> u32 {
    let at = at as usize;
    stack.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap_or_default()))
}

/// A call stack that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TraceId(u32);

/// Everything known about sites, and the call stacks that are kept.
#[derive(Default)]
pub(super) struct Traces {
    /// By site, less one: which program, and where in it.
    places: Vec<(u16, CodePlace)>,
    origins: Vec<Arc<Origin>>,
    known: HashMap<Arc<Trace>, TraceId>,
    kept: Vec<Arc<Trace>>,
}

impl Traces {
    /// The first site that is free.
    pub(super) fn next_site(&self) -> Site {
        self.places.len() as Site + 1
    }

    /// Adds a program, whose sites begin at [`Self::next_site`].
    pub(super) fn add(&mut self, origin: Arc<Origin>, places: Vec<CodePlace>) {
        let program = self.origins.len() as u16;
        self.origins.push(origin);
        self.places.extend(places.into_iter().map(|place| (program, place)));
    }

    /// Keeps the call stack that `depth` and the call stack's memory say.
    pub(super) fn keep(&mut self, stack: &[u8], depth: u32) -> TraceId {
        let most = if self.kept.len() < MANY { KEPT } else { 1 };
        let mut trace = Trace::read(stack, depth, most);
        if most == 1 {
            trace.depth = 1;
        }
        if let Some(&id) = self.known.get(&trace) {
            return id;
        }
        let id = TraceId(self.kept.len() as u32);
        let trace = Arc::new(trace);
        self.kept.push(Arc::clone(&trace));
        self.known.insert(trace, id);
        id
    }

    pub(super) fn get(&self, id: TraceId) -> &Trace {
        &self.kept[id.0 as usize]
    }

    /// The innermost function of a call stack, more than `calls` calls away from the outermost, that one of these sites
    /// is in.
    pub(super) fn innermost_with(
        &self,
        trace: &Trace,
        calls: u32,
        sites: impl Iterator<Item = Site> + Clone,
    ) -> Option<Site> {
        let function = |site| self.place(site).map(|(program, place)| (program, place.function));
        (calls + 1..trace.depth).rev().filter_map(|position| trace.at(position)).find_map(|site| {
            let wanted = function(site)?;
            sites.clone().find(|&other| function(other) == Some(wanted))
        })
    }

    fn place(&self, site: Site) -> Option<(u16, CodePlace)> {
        self.places.get(site.checked_sub(1)? as usize).copied()
    }

    /// A site as a frame.
    pub(super) fn frame(&self, site: Site) -> Option<Frame> {
        let (program, place) = self.place(site)?;
        Some(self.origins[program as usize].frame_at(place))
    }

    /// The instruction at a site, by its name.
    pub(super) fn instruction(&self, site: Site) -> Option<String> {
        let (program, place) = self.place(site)?;
        self.origins[program as usize].instruction(place)
    }

    /// A call stack as frames, innermost first; of a deep one both ends.
    pub(super) fn frames(&self, trace: &Trace) -> Vec<Frame> {
        let count = trace.sites.len();
        let shown =
            trace.sites.iter().enumerate().filter(|&(at, _)| at < SHOWN || at + SHOWN >= count);
        shown.filter_map(|(_, &site)| self.frame(site)).collect()
    }

    /// The point at which two call stacks part: the innermost function that both are in, by how many calls it is away from the
    /// outermost, and the site in the first of them.
    pub(super) fn fork(&self, first: &Trace, second: &Trace) -> Option<(u32, Site)> {
        let function = |site| self.place(site).map(|(program, place)| (program, place.function));
        let from = first.depth - first.sites.len() as u32;
        let mut fork = None;
        for position in from..first.depth.min(second.depth) {
            let (Some(mine), Some(theirs)) = (first.at(position), second.at(position)) else {
                continue;
            };
            if function(mine).is_none() || function(mine) != function(theirs) {
                break;
            }
            fork = Some((position, mine));
            if mine != theirs {
                break;
            }
        }
        fork
    }
}
