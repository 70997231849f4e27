//! Random programs against a model that knows what is reachable.
//!
//! The model has the same objects, words, roots, pins and wrappers as the heap. Every word that is no pointer is odd,
//! so that nothing but a pointer can look like one and what the collector finds alive is known exactly. After each
//! step the told handles must be dead ones, and after each collection the living must be the reachable, word for word.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use loader::{Callback, Error, Instance, Ptr};
use proptest::prelude::*;
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Setup, Told};

mod steps;

use steps::{GLOBALS, Step, step};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Number(u32),
    To(usize),
}

struct Object {
    at: Ptr,
    atomic: bool,
    words: Vec<Word>,
    handle: Option<u32>,
}

struct Model {
    gc: Instance,
    told: Told,
    /// Calls until the host traps in its callback; 0 is never.
    trap: Arc<AtomicU32>,
    /// By number; an object that is dead stays, and nothing reachable points at it.
    objects: Vec<Object>,
    stack: Vec<Word>,
    globals: [Word; GLOBALS],
    pins: HashMap<usize, u32>,
    handles: u32,
    /// Handles whose objects are registered, with the objects.
    registered: HashMap<u32, usize>,
    told_so_far: BTreeSet<u32>,
}

const KIND: u32 = 7;
const TRAP: &str = "the host traps in its callback";

impl Model {
    fn new(setup: &Setup) -> Self {
        let told = Told::default();
        let trap = Arc::new(AtomicU32::new(0));
        let (record, countdown) = (told.clone(), trap.clone());
        let mut gc = setup.callback(Callback::custom(move |_, kind, handle| {
            record.push(kind, handle);
            let left = countdown.load(Ordering::Relaxed);
            countdown.store(left.saturating_sub(1), Ordering::Relaxed);
            if left == 1 { Err(tests::host_error(TRAP)) } else { Ok(()) }
        }));
        let base = gc.program_base();
        gc.init(base + 4 * GLOBALS as u32).unwrap();
        gc.add_roots(base, base + 4 * GLOBALS as u32).unwrap();
        Self {
            gc,
            told,
            trap,
            objects: Vec::new(),
            stack: Vec::new(),
            globals: [Word::Number(0); GLOBALS],
            pins: HashMap::new(),
            handles: 0,
            registered: HashMap::new(),
            told_so_far: BTreeSet::new(),
        }
    }

    fn reachable(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<usize> = self.pins.keys().copied().collect();
        waiting.extend(self.stack.iter().chain(&self.globals).filter_map(|word| match word {
            Word::To(object) => Some(*object),
            Word::Number(_) => None,
        }));
        while let Some(object) = waiting.pop() {
            if found.insert(object) && !self.objects[object].atomic {
                waiting.extend(self.objects[object].words.iter().filter_map(|word| match word {
                    Word::To(to) => Some(*to),
                    Word::Number(_) => None,
                }));
            }
        }
        found
    }

    fn pick(&self, number: usize) -> Option<usize> {
        let reachable = self.reachable();
        reachable.iter().nth(number.checked_rem(reachable.len())?).copied()
    }

    /// A reachable object with at least one word that is scanned, and one of its words.
    fn pick_word(&self, holder: usize, word: usize) -> Option<(usize, usize)> {
        let holders: Vec<usize> = self
            .reachable()
            .into_iter()
            .filter(|object| {
                !self.objects[*object].atomic && !self.objects[*object].words.is_empty()
            })
            .collect();
        let holder = holders[holder.checked_rem(holders.len())?];
        Some((holder, word % self.objects[holder].words.len()))
    }

    fn raw(&self, word: Word) -> u32 {
        match word {
            Word::Number(value) => value,
            Word::To(object) => self.objects[object].at.0,
        }
    }

    /// Allocates, checks that it is zero, and fills it with odd numbers.
    fn allocate(&mut self, size: u32, atomic: bool) -> Option<usize> {
        let at = self.attempt(|gc| if atomic { gc.alloc_atomic(size) } else { gc.alloc(size) })?;
        let mut bytes = vec![0; size as usize];
        if !atomic {
            self.gc.read(at.0, &mut bytes).unwrap();
            assert!(
                bytes.iter().all(|byte| *byte == 0),
                "a new object of {size} bytes at {at} is not zero"
            );
        }
        let number = self.objects.len();
        let words: Vec<Word> = (0..size / 4)
            .map(|word| Word::Number((number as u32) << 12 | (word & 0x7ff) << 1 | 1))
            .collect();
        for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&self.raw(*word).to_le_bytes());
        }
        self.gc.write(at.0, &bytes).unwrap();
        self.objects.push(Object { at, atomic, words, handle: None });
        Some(number)
    }

    fn set_word(&mut self, holder: usize, word: usize, to: Word) {
        self.objects[holder].words[word] = to;
        self.gc.write_u32(self.objects[holder].at.0 + 4 * word as u32, self.raw(to)).unwrap();
    }

    fn push(&mut self, word: Word) {
        self.gc.push_root(Ptr(self.raw(word))).unwrap();
        self.stack.push(word);
    }

    /// Calls the runtime; `None` if the host trapped in its callback. Any other failure is a fault.
    fn attempt<T>(&mut self, call: impl FnOnce(&mut Instance) -> Result<T, Error>) -> Option<T> {
        let sp = self.gc.sp();
        match call(&mut self.gc) {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(error.to_string().contains(TRAP), "{error}");
                // what a host does after any trap
                self.gc.set_sp(sp);
                None
            }
        }
    }

    fn run(&mut self, step: &Step) {
        let collections = self.gc.stat(Stat::Collections);
        // a collection that told everything there was to tell
        let mut complete = false;
        match *step {
            Step::Alloc { size, atomic } => {
                if let Some(object) = self.allocate(size, atomic) {
                    self.push(Word::To(object));
                }
            }
            Step::Hang { size, holder, word } => {
                if let Some((holder, word)) = self.pick_word(holder, word)
                    && let Some(object) = self.allocate(size, false)
                {
                    self.set_word(holder, word, Word::To(object));
                }
            }
            Step::Link { to, holder, word } => {
                if let (Some(to), Some((holder, word))) =
                    (self.pick(to), self.pick_word(holder, word))
                {
                    self.set_word(holder, word, Word::To(to));
                }
            }
            Step::Number { value, holder, word } => {
                if let Some((holder, word)) = self.pick_word(holder, word) {
                    self.set_word(holder, word, Word::Number(value | 1));
                }
            }
            Step::Slot { slot, to } => {
                if let (Some(slot), Some(to)) = (slot.checked_rem(self.stack.len()), self.pick(to))
                {
                    self.stack[slot] = Word::To(to);
                    let at = self.gc.stack_base() + 4 * slot as u32;
                    self.gc.write_u32(at, self.objects[to].at.0).unwrap();
                }
            }
            Step::Pop { count } => {
                let left = self.stack.len().saturating_sub(count);
                self.stack.truncate(left);
                self.gc.set_sp(self.gc.stack_base() + 4 * left as u32);
            }
            Step::Junk { value } => self.push(Word::Number(value | 1)),
            Step::Global { word, to } => {
                let to = to.and_then(|to| self.pick(to)).map_or(Word::Number(0), Word::To);
                self.globals[word] = to;
                let at = self.gc.program_base() + 4 * word as u32;
                self.gc.write_u32(at, self.raw(to)).unwrap();
            }
            Step::Pin { object } => {
                if let Some(object) = self.pick(object) {
                    self.gc.pin(self.objects[object].at).unwrap();
                    *self.pins.entry(object).or_default() += 1;
                }
            }
            Step::Unpin { object } => {
                let mut pinned: Vec<usize> = self.pins.keys().copied().collect();
                pinned.sort_unstable();
                if let Some(at) = object.checked_rem(pinned.len()) {
                    let object = pinned[at];
                    self.gc.unpin(self.objects[object].at).unwrap();
                    let count = self.pins.get_mut(&object).unwrap();
                    *count -= 1;
                    if *count == 0 {
                        self.pins.remove(&object);
                    }
                }
            }
            Step::Register { object, sized } => {
                if let Some(object) =
                    self.pick(object).filter(|object| self.objects[*object].handle.is_none())
                {
                    self.handles += 1;
                    let (at, handle) = (self.objects[object].at, self.handles);
                    let registered = self.attempt(|gc| match sized {
                        0 => gc.register_wrapper(at, KIND, handle),
                        bytes => gc.register_wrapper_sized(at, KIND, handle, bytes),
                    });
                    // where the host trapped, it was while it was told of others
                    if registered.is_some() {
                        self.objects[object].handle = Some(handle);
                        self.registered.insert(handle, object);
                    }
                }
            }
            Step::Release { object } => {
                if let Some(object) = self.pick(object) {
                    let (at, handle) =
                        (self.objects[object].at, self.objects[object].handle.take());
                    let released = self.attempt(|gc| gc.release_wrapper(at));
                    assert!(released.is_none_or(|released| released == handle.is_some()));
                    if let Some(handle) = handle {
                        assert!(
                            self.told.contains(KIND, handle),
                            "a released wrapper is told at once"
                        );
                        self.registered.remove(&handle);
                        self.told_so_far.insert(handle);
                    }
                }
            }
            Step::Garbage { count, size } => {
                for _ in 0..count {
                    self.attempt(|gc| gc.alloc(size));
                }
            }
            Step::Collect => complete = self.attempt(Instance::collect).is_some(),
            Step::Trap { calls } => self.trap.store(calls, Ordering::Relaxed),
            Step::Eager { every } => {
                self.gc.configure(GcOption::Eager, every).unwrap();
            }
        }
        let collected = self.gc.stat(Stat::Collections) > collections;
        self.hear(complete);
        if collected {
            self.compare(matches!(step, Step::Collect));
        }
    }

    /// What was told must be dead, and told for the first time; after a collection, all that is dead must be told.
    fn hear(&mut self, all: bool) {
        let reachable = self.reachable();
        for (kind, handle) in self.told.take() {
            assert_eq!(kind, KIND);
            match self.registered.remove(&handle) {
                Some(object) => {
                    assert!(
                        !reachable.contains(&object),
                        "handle {handle} was told while its wrapper was reachable"
                    );
                    assert!(self.told_so_far.insert(handle), "handle {handle} was told twice");
                    self.objects[object].handle = None;
                }
                // a released one, which the step itself has heard
                None => assert!(
                    self.told_so_far.contains(&handle),
                    "handle {handle} was never registered"
                ),
            }
        }
        assert_eq!(
            self.gc.stat(Stat::WrappersTold),
            self.told_so_far.len() as i64,
            "as many calls as handles told"
        );
        let queued = self.gc.stat(Stat::DeadQueued);
        assert_eq!(self.gc.stat(Stat::Wrappers) + queued, self.registered.len() as i64);
        if all {
            assert_eq!(queued, 0);
            let overdue: Vec<_> =
                self.registered.iter().filter(|(_, object)| !reachable.contains(object)).collect();
            assert!(overdue.is_empty(), "dead, collected and not told: {overdue:?}");
        }
    }

    /// The heap after a collection: every reachable object as the model has it; if nothing was allocated since,
    /// nothing else.
    fn compare(&mut self, exactly: bool) {
        assert_eq!(self.gc.verify().unwrap(), 0);
        let reachable = self.reachable();
        let mut bytes = 0;
        let mut seen = HashSet::new();
        for &number in &reachable {
            let object = &self.objects[number];
            assert!(seen.insert(object.at), "two reachable objects at {}", object.at);
            assert_eq!(self.gc.base(object.at.0), Some(object.at), "object {number} was reclaimed");
            bytes += i64::from(self.gc.size(object.at.0).unwrap());
            let mut found = vec![0; 4 * object.words.len()];
            self.gc.read(object.at.0, &mut found).unwrap();
            for (word, found) in object.words.iter().zip(found.chunks_exact(4)) {
                assert_eq!(
                    found,
                    self.raw(*word).to_le_bytes(),
                    "a word of object {number} at {}",
                    object.at
                );
            }
        }
        if exactly {
            let live = (self.gc.stat(Stat::LiveObjects), self.gc.stat(Stat::LiveBytes));
            assert_eq!(live, (reachable.len() as i64, bytes), "found alive, and reachable");
            for number in (0..self.objects.len()).filter(|number| !reachable.contains(number)) {
                // its place is free, or part of something that is alive
                let found = self.gc.base(self.objects[number].at.0);
                assert!(found.is_none_or(|at| seen.contains(&at)), "object {number} was kept");
            }
        }
    }
}

fn check(setup: &Setup, steps: &[Step]) {
    let mut model = Model::new(setup);
    for step in steps {
        model.run(step);
    }
    model.run(&Step::Trap { calls: 0 });
    model.run(&Step::Collect);
    model.gc.shutdown().unwrap();
    model.told.take().into_iter().for_each(|(_, handle)| {
        assert!(model.registered.remove(&handle).is_some(), "handle {handle} was told twice");
    });
    assert!(model.registered.is_empty(), "not told by gc_shutdown: {:?}", model.registered);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_agree_with_the_model(steps in prop::collection::vec(step(), 1..400)) {
        check(&Setup::new().option(GcOption::MinHeap, 64 << 10), &steps);
    }

    #[test]
    fn random_programs_agree_with_the_model_when_freed_cells_are_poisoned_and_marking_has_no_memory(
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let setup = Setup::new()
            .option(GcOption::Poison, 1)
            .option(GcOption::Verify, 1)
            .option(GcOption::MarkStackLimit, 0)
            .option(GcOption::MinHeap, 0);
        check(&setup, &steps);
    }

    #[test]
    fn random_programs_agree_with_the_model_when_each_allocation_collects(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        check(&Setup::new().option(GcOption::Eager, 1).option(GcOption::Poison, 1), &steps);
    }
}
