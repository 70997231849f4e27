//! What must be equal after each step.

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::model::run::{Runner, STATIC_BYTES, STATIC_WORDS};
use crate::model::state::{HandleState, InFlight};

impl Runner {
    /// Compares everything.
    pub(crate) fn check(&self) {
        self.check_stack();
        self.check_objects();
        self.check_others();
        self.check_stats();
        self.host.check();
    }

    fn check_stack(&self) {
        let base = self.host.regions().stack_base.get();
        let model = self.model.borrow();
        let bytes = 4 * model.stack.len() as u32;
        assert_eq!(self.host.sp(), base + bytes, "gc_sp");
        let words: Vec<u8> = model.stack.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert!(self.host.bytes(base, bytes) == words, "the shadow stack");
    }

    fn check_objects(&self) {
        for (&base, object) in &self.model.borrow().objects {
            assert_eq!(self.host.size(base), object.cell(), "the size of {base:#x}");
            let content = self.host.bytes(base, object.cell());
            assert!(content == object.content, "the content of {base:#x}");
        }
    }

    /// Static data and what somebody else grew.
    fn check_others(&self) {
        let model = self.model.borrow();
        let words: Vec<u8> = model.statics.iter().flat_map(|word| word.to_le_bytes()).collect();
        let used = 4 * STATIC_WORDS as u32;
        assert!(self.host.bytes(self.static_base, used) == words, "static data");
        let rest = self.host.bytes(self.static_base + used, STATIC_BYTES - used);
        assert!(rest == vec![0x5A; rest.len()], "static data that nobody writes to");
        for &(first, pages) in &*self.foreign.borrow() {
            let content = self.host.bytes(first << 16, pages << 16);
            assert!(content == vec![0xF0; content.len()], "the pages of somebody else");
            for block in first * 4..(first + pages) * 4 {
                assert_eq!(self.host.base(block << 14), 0, "an object in them");
            }
        }
    }

    fn check_stats(&self) {
        let model = self.model.borrow();
        let counts = &model.counts;
        let expected = [
            (Stat::LiveBytes, counts.live_bytes),
            (Stat::LiveObjects, counts.live_objects),
            (Stat::AllocatedBytes, counts.allocated_bytes),
            (Stat::AllocatedObjects, counts.allocated_objects),
            (Stat::Collections, counts.collections),
            (Stat::Wrappers, model.handles_in(HandleState::Registered)),
            (Stat::WrappersPeak, counts.peak),
            (Stat::WrappersRegistered, counts.registered),
            (Stat::DeadQueued, model.handles_in(HandleState::Dead)),
            (Stat::StackHighWater, counts.stack_high_water),
            (Stat::ExternalBytes, model.external()),
            (Stat::Pins, model.pins.len() as u64),
            (Stat::RootRanges, model.ranges.len() as u64),
            (Stat::MemoryPages, u64::from(self.host.pages())),
        ];
        for (stat, value) in expected {
            assert_eq!(self.host.stat(stat), value, "{stat:?}");
        }
        let refused = self.host.stat(Stat::NestedRefused);
        let least = counts.nested - counts.believable;
        assert!((least..=counts.nested).contains(&refused), "NestedRefused: {refused}, {counts:?}");
        let told = counts.registered
            - model.handles_in(HandleState::Registered)
            - model.handles_in(HandleState::Dead);
        assert_eq!(self.host.stat(Stat::WrappersTold), told, "WrappersTold");
        let heap = self.host.stat(Stat::HeapBytes);
        assert!(self.host.stat(Stat::PeakBytes) >= heap, "PeakBytes");
        assert!(self.host.stat(Stat::TableBytes) <= heap, "TableBytes");
    }

    /// After a collection the blocks in use are those in which something lives.
    pub(crate) fn check_blocks(&self) {
        let model = self.model.borrow();
        if model.calls.iter().any(|call| matches!(call, InFlight::Unknown(_))) {
            return;
        }
        let tables = self.host.stat(Stat::TableBytes);
        let blocks = (self.host.stat(Stat::HeapBytes) - tables) >> 14;
        assert_eq!(blocks as usize, model.blocks().len(), "blocks of objects");
        if model.option(GcOption::HeapLimit) == 0 {
            assert!(tables <= 1 << 20, "tables of {tables} bytes in a small heap");
        }
    }
}
