//! Runs a program on the runtime and on the model, and compares them after each step.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use rootstock_core::addr::BLOCK_SIZE;
use rootstock_core::error::{ErrorCode, Failure};
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;
use crate::model::state::{Call, Handle, HandleState, Model, cell_for};
use crate::model::{Op, Word};

/// Words of static data.
const STATIC_WORDS: usize = 64;

/// Runs a program to its end, and shuts down.
pub(crate) fn run(ops: &[Op]) {
    let runner = Runner::new();
    let end = [Op::Collect, Op::Shutdown, Op::Pop(u8::MAX), Op::Collect];
    for op in ops.iter().chain(&end) {
        runner.step(*op);
        runner.check();
    }
    let told = runner.model().handles_in(HandleState::Told);
    assert_eq!(told as usize, runner.model().handles.len(), "all handles are told");
}

struct Runner {
    host: TestHost,
    /// Not borrowed while the runtime runs, as the host's callback needs it.
    model: Rc<RefCell<Model>>,
    static_base: u32,
}

/// If there was a collection since the last look, does one in the model.
fn sync(host: &TestHost, model: &mut Model) {
    let collections = host.stat(Stat::Collections);
    if collections != model.counts.collections {
        model.counts.collections = collections;
        model.collect();
    }
}

/// The host is notified of a handle.
fn told(host: &TestHost, model: &mut Model, kind: u32, handle: u32) {
    sync(host, model);
    let released = model.call.releases == Some(handle);
    let may = model.call.asks || released || model.option(GcOption::Notify) == 1;
    assert!(may, "told of handle {handle}, which NOTIFY leaves queued");
    let entry = model.handles.get_mut(handle as usize).expect("a handle that exists");
    assert_eq!(entry.kind, kind, "the kind of handle {handle}");
    assert_eq!(entry.state, HandleState::Dead, "the state of handle {handle}");
    entry.state = HandleState::Told;
}

impl Runner {
    fn new() -> Self {
        let host = TestHost::with_pages(128);
        let model = Rc::new(RefCell::new(Model::new(STATIC_WORDS)));
        let shared = Rc::clone(&model);
        host.on_decref(move |host, kind, handle| {
            told(host, &mut shared.borrow_mut(), kind, handle);
        });
        let static_base = host.regions().program_base.get();
        host.init(static_base + 4 * STATIC_WORDS as u32).expect("the first init");
        Self { host, model, static_base }
    }

    fn model(&self) -> RefMut<'_, Model> {
        self.model.borrow_mut()
    }

    /// Calls the runtime: the result, and the number of collections.
    fn call<T>(&self, call: Call, f: impl FnOnce(&TestHost) -> T) -> (T, u64) {
        let before = self.model().counts.collections;
        self.model().call = call;
        let result = f(&self.host);
        let model = &mut *self.model();
        sync(&self.host, model);
        model.call = Call::default();
        (result, model.counts.collections - before)
    }

    fn static_word(&self, word: usize) -> u32 {
        self.static_base + 4 * word as u32
    }

    fn resolve(&self, word: Word) -> u32 {
        let model = self.model();
        let object =
            |index: u16| model.objects.iter().nth(usize::from(index) % model.objects.len().max(1));
        match word {
            // Far above the heap, or the null guard.
            Word::Number(number) if number % 2 == 0 => 0x8000_0000 | u32::from(number),
            Word::Number(number) => u32::from(number),
            Word::Base(index) => object(index).map_or(0, |(&base, _)| base),
            Word::Inside(index, at) => {
                object(index).map_or(0, |(&base, object)| base + u32::from(at) % object.cell())
            }
            Word::Grave(index) => {
                let graves = model.graves.len().max(1);
                model.graves.get(usize::from(index) % graves).copied().unwrap_or(0)
            }
        }
    }

    fn step(&self, op: Op) {
        match op {
            Op::Alloc { size, atomic, rooted } => self.alloc(size, atomic, rooted),
            Op::Push(value) => self.push(self.resolve(value)),
            Op::Overwrite { slot, value } => {
                let value = self.resolve(value);
                let height = self.model().stack.len();
                if height != 0 {
                    let slot = usize::from(slot) % height;
                    let base = self.host.regions().stack_base.get();
                    self.host.write(base + 4 * slot as u32, value);
                    self.model().stack[slot] = value;
                }
            }
            Op::Pop(slots) => {
                let slots = usize::from(slots).min(self.model().stack.len());
                let height = self.model().stack.len() - slots;
                self.model().stack.truncate(height);
                self.host.pop(slots as u32);
            }
            Op::Write { object, word, value } => self.write(object, word, value),
            Op::WriteStatic { word, value } => {
                let (word, value) = (usize::from(word) % STATIC_WORDS, self.resolve(value));
                self.host.write(self.static_word(word), value);
                self.model().statics[word] = value;
            }
            Op::AddRange { start, words } => {
                let start = usize::from(start) % STATIC_WORDS;
                let end = start + 1 + usize::from(words) % (STATIC_WORDS - start);
                let result = self.host.add_roots(self.static_word(start), self.static_word(end));
                result.expect("a range, and memory to note it");
                self.model().ranges.push((start, end));
            }
            Op::RemoveRange(which) => {
                let count = self.model().ranges.len();
                if count != 0 {
                    let (start, end) = self.model().ranges.swap_remove(usize::from(which) % count);
                    let result =
                        self.host.remove_roots(self.static_word(start), self.static_word(end));
                    result.expect("a range that was added");
                }
            }
            Op::Pin(word) => self.pin(word),
            Op::Unpin(word) => self.unpin(word),
            Op::Register { object, kind, external } => self.register(object, kind, external),
            Op::Release(word) => self.release(word),
            Op::Collect => self.collect(),
            Op::Shutdown => {
                self.model().kill_handles();
                self.call(Call { asks: true, ..Call::default() }, TestHost::shutdown);
                assert_eq!(self.model().handles_in(HandleState::Dead), 0);
            }
            Op::Notify(max) => {
                let queued = self.model().handles_in(HandleState::Dead);
                let asks = Call { asks: true, ..Call::default() };
                let (left, collections) = self.call(asks, |host| host.notify(max));
                assert_eq!(u64::from(left), queued.saturating_sub(u64::from(max)), "left");
                assert_eq!(u64::from(left), self.model().handles_in(HandleState::Dead));
                assert_eq!(collections, 0);
            }
            Op::LookUp(word) => {
                let ptr = self.resolve(word);
                let model = self.model();
                let known = model.objects.get(&ptr).and_then(|object| object.handle);
                let expected = known.map(|handle| (model.handles[handle as usize].kind, handle));
                assert_eq!(self.host.wrapper_entry(ptr), expected, "the entry of {ptr:#x}");
            }
            Op::Configure(option, value) => {
                let old = self.host.configure(option, value);
                let known = &mut self.model().options[option as usize];
                assert_eq!(old, *known, "the old value of {option:?}");
                *known = value;
            }
        }
    }

    fn alloc(&self, size: u32, atomic: bool, rooted: bool) {
        let (object, collections) = self.call(Call::default(), |host| host.try_alloc(size, atomic));
        let object = object.expect("memory for all that a program allocates");
        assert!(collections != 0 || self.model().option(GcOption::Eager) != 1, "EAGER is 1");
        let align = if size >= 16 { 16 } else { 8 };
        assert!(object.is_multiple_of(align), "alloc({size}) = {object:#x} is misaligned");
        assert!(object >= self.static_word(STATIC_WORDS), "{object:#x} is in static data");
        let cell = self.host.size(object);
        assert_eq!(cell, cell_for(size), "the cell of alloc({size})");
        assert_eq!(self.host.base(object + cell - 1), object, "the base of the last byte");
        if atomic {
            // Not zeroed: give it a content of our own.
            self.host.fill(object, cell, object as u8 | 1);
        }
        let content = self.host.bytes(object, cell);
        assert!(atomic || content == vec![0; cell as usize], "alloc({size}) is not zeroed");
        self.model().add_object(object, content, atomic);
        if rooted {
            self.push(object);
        }
    }

    fn push(&self, root: u32) {
        self.host.push(root);
        self.model().stack.push(root);
    }

    fn write(&self, object: u16, word: u16, value: Word) {
        let (base, value) = (self.resolve(Word::Base(object)), self.resolve(value));
        if let Some(object) = self.model().objects.get_mut(&base) {
            let at = usize::from(word) % (object.content.len() / 4) * 4;
            object.content[at..at + 4].copy_from_slice(&value.to_le_bytes());
            self.host.write(base + at as u32, value);
        }
    }

    fn pin(&self, word: Word) {
        let word = self.resolve(word);
        let expected = if self.model().objects.contains_key(&word) {
            *self.model().pins.entry(word).or_default() += 1;
            Ok(())
        } else {
            Err(Failure::new(ErrorCode::NotAnObject, word))
        };
        assert_eq!(self.host.pin(word), expected, "pin {word:#x}");
    }

    fn unpin(&self, word: Word) {
        let word = self.resolve(word);
        let model = &mut *self.model();
        let expected = match model.pins.get_mut(&word) {
            Some(count) => {
                *count -= 1;
                Ok(())
            }
            None if model.objects.contains_key(&word) => {
                Err(Failure::new(ErrorCode::UnpinUnderflow, word))
            }
            None => Err(Failure::new(ErrorCode::NotAnObject, word)),
        };
        model.pins.retain(|_, count| *count != 0);
        assert_eq!(self.host.unpin(word), expected, "unpin {word:#x}");
    }

    fn register(&self, object: Word, kind: u32, external: u32) {
        let ptr = self.resolve(object);
        let handle = self.model().handles.len() as u32;
        let held = self.model().objects.get(&ptr).map(|object| object.handle);
        let registers = held.map(|_| ptr);
        let (result, collections) = self.call(Call { registers, ..Call::default() }, |host| {
            host.try_register_sized(ptr, kind, handle, external)
        });
        let expected = match held {
            None => Err(Failure::new(ErrorCode::NotAnObject, ptr)),
            Some(Some(_)) => Err(Failure::new(ErrorCode::AlreadyRegistered, ptr)),
            Some(None) => Ok(()),
        };
        assert_eq!(result, expected, "register {ptr:#x}");
        let model = &mut *self.model();
        if result.is_ok() {
            assert!(collections != 0 || model.option(GcOption::Eager) != 1, "EAGER is 1");
            model.handles.push(Handle { kind, external, state: HandleState::Registered });
            model.objects.get_mut(&ptr).expect("the object registered").handle = Some(handle);
            model.counts.registered += 1;
            model.counts.peak = model.counts.peak.max(model.handles_in(HandleState::Registered));
        } else {
            assert_eq!(collections, 0, "collections in a registration that is refused");
        }
    }

    fn release(&self, word: Word) {
        let ptr = self.resolve(word);
        let held = self.model().objects.get_mut(&ptr).map(|object| object.handle.take());
        let releases = held.flatten();
        if let Some(handle) = releases {
            self.model().handles[handle as usize].state = HandleState::Dead;
        }
        let call = Call { releases, ..Call::default() };
        let (result, collections) = self.call(call, |host| host.release(ptr));
        let expected = match held {
            None => Err(Failure::new(ErrorCode::NotAnObject, ptr)),
            Some(handle) => Ok(handle.is_some()),
        };
        assert_eq!(result, expected, "release {ptr:#x}");
        assert_eq!(collections, 0);
        if let Some(handle) = releases {
            let state = self.model().handles[handle as usize].state;
            assert_eq!(state, HandleState::Told, "release tells the host at once");
        }
    }

    fn collect(&self) {
        let ((), collections) = self.call(Call::default(), TestHost::collect);
        assert_ne!(collections, 0, "gc_collect collects");
        let model = self.model();
        let dead = model.handles_in(HandleState::Dead);
        assert!(dead == 0 || model.option(GcOption::Notify) == 0, "all are told");
        let tables = self.host.stat(Stat::TableBytes);
        let blocks = (self.host.stat(Stat::HeapBytes) - tables) / u64::from(BLOCK_SIZE);
        assert_eq!(blocks as usize, model.blocks(), "blocks of objects");
        assert!(tables <= 1 << 20, "tables of {tables} bytes in a small heap");
    }

    /// Compares all that the model knows.
    fn check(&self) {
        let model = self.model();
        let bytes = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let (stack, base) = (bytes(&model.stack), self.host.regions().stack_base.get());
        assert_eq!(self.host.sp(), base + stack.len() as u32, "gc_sp");
        assert!(self.host.bytes(base, stack.len() as u32) == stack, "the shadow stack");
        let statics = bytes(&model.statics);
        let found = self.host.bytes(self.static_base, statics.len() as u32);
        assert!(found == statics, "static data");
        for (&base, object) in &model.objects {
            assert_eq!(self.host.size(base), object.cell(), "the size of {base:#x}");
            let content = self.host.bytes(base, object.cell());
            assert!(content == object.content, "the content of {base:#x}");
        }
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
            (Stat::WrappersTold, model.handles_in(HandleState::Told)),
            (Stat::DeadQueued, model.handles_in(HandleState::Dead)),
            (Stat::StackHighWater, counts.stack_high_water),
            (Stat::ExternalBytes, model.external()),
            (Stat::Pins, model.pins.len() as u64),
            (Stat::RootRanges, model.ranges.len() as u64),
            (Stat::MemoryPages, u64::from(self.host.pages())),
            (Stat::NestedRefused, 0),
        ];
        for (stat, value) in expected {
            assert_eq!(self.host.stat(stat), value, "{stat:?}");
        }
        let heap = self.host.stat(Stat::HeapBytes);
        assert!(self.host.stat(Stat::PeakBytes) >= heap, "PeakBytes");
        assert!(self.host.stat(Stat::TableBytes) <= heap, "TableBytes");
        self.host.check();
    }
}
