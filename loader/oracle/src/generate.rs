//! Random programs, made up while they run: the generator sees the model, so that it names objects that are alive more
//! often than not.
//!
//! Each program draws its own weights first, and leaves some kinds of operation out altogether: programs that are
//! different in kind find more than many that are alike.

use std::collections::VecDeque;
use std::convert::Infallible;

use rand::{Rng, RngExt, SeedableRng, TryRng};
use rand_pcg::Pcg64;
use runtime::options::GcOption;
use runtime::size_class::{CELL_SIZE, END_CLASS, FIRST_CLASS};

use crate::model::{Model, Object};
use crate::program::{How, Name, Op, Program, STATIC_WORDS, Word};

/// Kinds of operation with their usual weights. The first is always there.
const WEIGHTS: [(Kind, u32); 18] = [
    (Kind::Alloc, 60),
    (Kind::Push, 14),
    (Kind::Set, 12),
    (Kind::Pop, 16),
    (Kind::Store, 40),
    (Kind::Static, 8),
    (Kind::Roots, 4),
    (Kind::Pin, 6),
    (Kind::Unpin, 5),
    (Kind::Register, 24),
    (Kind::Release, 8),
    (Kind::Collect, 8),
    (Kind::Shutdown, 1),
    (Kind::Configure, 6),
    (Kind::Memory, 3),
    (Kind::Ask, 6),
    (Kind::Bad, 3),
    (Kind::Many, 1),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Alloc,
    Push,
    Set,
    Pop,
    Store,
    Static,
    Roots,
    Pin,
    Unpin,
    Register,
    Release,
    Collect,
    Shutdown,
    Configure,
    Memory,
    Ask,
    Bad,
    Many,
}

/// The source of choices.
enum Choices {
    Random(Pcg64),
    /// A fuzzer's; zeros when they are used up.
    Bytes(VecDeque<u8>),
}

impl TryRng for Choices {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if let Self::Random(random) = self {
            return random.try_next_u32();
        }
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        match self {
            Self::Random(random) => random.try_next_u64(),
            // Choices are among few: no more bytes for them than need be.
            Self::Bytes(_) => self.try_next_u32().map(u64::from),
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self {
            Self::Random(random) => random.try_fill_bytes(bytes),
            Self::Bytes(given) => {
                bytes.fill_with(|| given.pop_front().unwrap_or(0));
                Ok(())
            }
        }
    }
}

/// Makes up the operations of a program while it runs.
pub struct Generator {
    rng: Choices,
    weights: [u32; WEIGHTS.len()],
    next_name: Name,
    next_handle: u32,
    /// Of a hundred callbacks, how many do something.
    busy: u32,
    /// Of a hundred of these, how many trap.
    traps: u32,
    catches: bool,
    /// The operations left in the callback's script, by depth.
    scripts: Vec<u32>,
    /// True if sizes are small ones only.
    small: bool,
}

impl Generator {
    /// The generator of one case, and the host of its program.
    pub fn new(seed: u64, case: u64) -> (Self, Program) {
        let seed = seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self::of(Choices::Random(Pcg64::seed_from_u64(seed)))
    }

    /// The generator whose choices are these bytes, and the host of its program.
    pub fn of_bytes(bytes: &[u8]) -> (Self, Program) {
        Self::of(Choices::Bytes(VecDeque::from(bytes.to_vec())))
    }

    /// Tells whether there is nothing left to choose by.
    pub(crate) fn is_over(&self) -> bool {
        matches!(&self.rng, Choices::Bytes(bytes) if bytes.is_empty())
    }

    fn of(mut rng: Choices) -> (Self, Program) {
        let weights = WEIGHTS.map(|(kind, weight)| match rng.random_range(0..8) {
            0 | 1 if kind != Kind::Alloc => 0,
            2 => weight * 3,
            _ => weight,
        });
        let pages = *pick(&mut rng, &[24, 32, 48, 100, 256, 1024]);
        let statics = *pick(&mut rng, &[0, 256, 5000, 5000, 70_000]);
        let generator = Self {
            weights,
            next_name: 0,
            next_handle: 1,
            busy: *pick(&mut rng, &[0, 20, 60]),
            traps: *pick(&mut rng, &[0, 0, 10, 40]),
            catches: false,
            scripts: Vec::new(),
            small: rng.random_bool(0.3),
            rng,
        };
        (generator, Program::new(pages, statics))
    }

    /// The options that a program starts with.
    pub(crate) fn first(&mut self) -> Vec<Op> {
        let least = *pick(&mut self.rng, &[0, 0, 32 << 10, 64 << 10, 256 << 10]);
        let mut ops = vec![Op::Configure(GcOption::MinHeap as u32, least)];
        for _ in 0..self.rng.random_range(0..3) {
            ops.push(self.configure());
        }
        if self.rng.random_range(0..4) == 0 {
            ops.push(Op::Configure(GcOption::MarkStackLimit as u32, 0));
        }
        if self.rng.random_range(0..8) == 0 {
            ops.push(Op::Configure(GcOption::Eager as u32, 1));
        }
        ops
    }

    /// The next thing that the program does.
    pub(crate) fn next(&mut self, model: &Model) -> Op {
        let total: u32 = self.weights.iter().sum();
        let mut left = self.rng.random_range(0..total);
        let mut chosen = Kind::Alloc;
        for ((kind, _), weight) in WEIGHTS.iter().zip(self.weights) {
            if left < weight {
                chosen = *kind;
                break;
            }
            left -= weight;
        }
        self.op(chosen, model)
    }

    /// The next thing that the host does in a callback; nothing when it is done.
    pub(crate) fn next_of_host(&mut self, model: &Model, depth: usize, index: usize) -> Option<Op> {
        if index == 0 {
            self.scripts.truncate(depth - 1);
            self.scripts.resize(depth, 0);
            let busy = self.rng.random_range(0..100) < self.busy >> (depth - 1);
            self.scripts[depth - 1] = if busy { self.rng.random_range(1..8) } else { 0 };
            self.catches = self.rng.random();
        }
        let left = self.scripts.get_mut(depth - 1)?;
        *left = left.checked_sub(1)?;
        let trap = *left == 0 && self.rng.random_range(0..100) < self.traps;
        Some(if trap { Op::Trap } else { self.next(model) })
    }

    /// Tells whether the host catches traps in the script that was just begun.
    pub(crate) fn catches(&self) -> bool {
        self.catches
    }

    fn op(&mut self, kind: Kind, model: &Model) -> Op {
        match kind {
            Kind::Alloc => self.alloc(),
            Kind::Push => Op::Push(self.word(model)),
            Kind::Set => {
                let slots = u32::try_from(model.stack.len()).unwrap_or(u32::MAX).max(1);
                Op::Set { slot: self.rng.random_range(0..slots), value: self.word(model) }
            }
            Kind::Pop => Op::Pop(self.rng.random_range(0..6)),
            Kind::Store => match self.live(model) {
                Some(object) => Op::Store {
                    object,
                    word: self.rng.random_range(0..5000),
                    value: self.word(model),
                },
                None => self.alloc(),
            },
            Kind::Static => {
                Op::Static { word: self.rng.random_range(0..STATIC_WORDS), value: self.word(model) }
            }
            Kind::Roots => self.roots(model),
            Kind::Pin => Op::Pin(self.pointer(model)),
            Kind::Unpin => Op::Unpin(self.pinned(model)),
            Kind::Register => self.register(model),
            Kind::Release => Op::Release(self.pointer(model)),
            Kind::Collect if self.rng.random_range(0..4) == 0 => {
                Op::Notify(*pick(&mut self.rng, &[0, 1, 3, u32::MAX]))
            }
            Kind::Collect => Op::Collect,
            Kind::Shutdown => Op::Shutdown,
            Kind::Configure => self.configure(),
            Kind::Memory => match self.rng.random_range(0..4) {
                0 => Op::Limit(*pick(&mut self.rng, &[20, 24, 32, 64, 256, 1024])),
                _ => Op::Grow(self.rng.random_range(0..4)),
            },
            Kind::Ask => Op::Ask(self.word(model)),
            Kind::Bad => self.bad(model),
            Kind::Many => self.many(model),
        }
    }

    fn name(&mut self) -> Name {
        self.next_name += 1;
        self.next_name - 1
    }

    fn handles(&mut self, count: u32) -> u32 {
        self.next_handle += count;
        self.next_handle - count
    }

    fn alloc(&mut self) -> Op {
        let how = match self.rng.random_range(0..10) {
            0..5 => How::Alloc,
            5 | 6 => How::Atomic,
            7 if self.rng.random() => How::Try,
            7 => How::TryAtomic,
            8 => How::Inline,
            _ => How::InlineAtomic,
        };
        Op::Alloc { name: self.name(), how, size: self.size() }
    }

    fn size(&mut self) -> u32 {
        let edge = |rng: &mut Choices| {
            let cell = u32::from(*pick(rng, &CELL_SIZE[FIRST_CLASS..END_CLASS]));
            (cell + rng.random_range(0..3)) - 1
        };
        match self.rng.random_range(0..100) {
            0..60 => self.rng.random_range(0..65),
            60..75 => edge(&mut self.rng),
            _ if self.small => self.rng.random_range(0..33),
            75..90 => self.rng.random_range(65..8200),
            90..97 => self.rng.random_range(8193..100_000),
            97..99 => self.rng.random_range(100_000..2 << 20),
            _ => *pick(
                &mut self.rng,
                &[u32::MAX, u32::MAX - 16_383, 1 << 31, (1 << 31) - 1, 3 << 29, 1 << 26],
            ),
        }
    }

    /// The name of an object that is alive, if a few tries find one.
    fn live(&mut self, model: &Model) -> Option<Name> {
        for _ in 0..8 {
            let name = self.any_name()?;
            if model.names.get(&name).is_some_and(|base| model.objects.contains_key(base)) {
                return Some(name);
            }
        }
        None
    }

    /// The name of any object, the later ones more often.
    fn any_name(&mut self) -> Option<Name> {
        let recent = self.next_name.min(40);
        match self.next_name {
            0 => None,
            all if self.rng.random() => Some(all - 1 - self.rng.random_range(0..recent)),
            all => Some(self.rng.random_range(0..all)),
        }
    }

    /// The address of an object that is alive, more often than not.
    fn pointer(&mut self, model: &Model) -> Word {
        if self.rng.random_range(0..10) == 0 {
            return self.word(model);
        }
        self.live(model).map_or(Word::Number(0), |name| Word::Object(name, 0))
    }

    fn pinned(&mut self, model: &Model) -> Word {
        let pinned = model.pins.len();
        if pinned != 0 && self.rng.random_range(0..4) != 0 {
            let index = self.rng.random_range(0..pinned);
            let base = model.pins.keys().nth(index).copied().unwrap_or_default();
            let name = model.names.iter().find(|&(_, &at)| at == base);
            return name.map_or(Word::Number(base), |(&name, _)| Word::Object(name, 0));
        }
        self.pointer(model)
    }

    /// Any word: an object's address, one inside an object, one where an object was, a number.
    fn word(&mut self, model: &Model) -> Word {
        let live = self.live(model);
        match (self.rng.random_range(0..20), live) {
            (0..14, Some(name)) => Word::Object(name, 0),
            (14 | 15, Some(name)) => {
                let bytes = model.names.get(&name).and_then(|base| model.objects.get(base));
                let bytes = bytes.map_or(1, Object::bytes);
                Word::Object(name, self.rng.random_range(0..=bytes))
            }
            (16 | 17, _) => self.any_name().map_or(Word::Number(0), |name| Word::Object(name, 0)),
            // Often an address in the heap, of an object or not.
            (18, _) => {
                Word::Number((model.static_base & !0xFFFF) + 8 * self.rng.random_range(0..0x1_0000))
            }
            _ => Word::Number(self.rng.random()),
        }
    }

    fn roots(&mut self, model: &Model) -> Op {
        if !model.ranges.is_empty() && self.rng.random() {
            let (start, end) = model.ranges[self.rng.random_range(0..model.ranges.len())];
            return Op::RemoveRoots(start - model.static_base, end - model.static_base);
        }
        let start = self.rng.random_range(0..STATIC_WORDS);
        let end = self.rng.random_range(start..STATIC_WORDS) + 1;
        Op::AddRoots(4 * start, 4 * end)
    }

    fn register(&mut self, model: &Model) -> Op {
        let external = match self.rng.random_range(0..6) {
            0 => Some(self.rng.random_range(0..1_000_000)),
            1 => Some(self.rng.random_range(0..100)),
            _ => None,
        };
        let (object, kind) = (self.pointer(model), self.rng.random_range(0..9));
        let handle = self.handles(1);
        if external.is_none() && self.rng.random_range(0..4) == 0 {
            return Op::TryRegister { object, kind, handle };
        }
        Op::Register { object, kind, handle, external }
    }

    fn configure(&mut self) -> Op {
        let options: [(GcOption, &[u32]); 13] = [
            (GcOption::Eager, &[0, 0, 0, 1, 2, 3, 7]),
            (GcOption::Poison, &[0, 1]),
            (GcOption::Verify, &[0, 1]),
            (GcOption::Interior, &[0, 1]),
            (GcOption::LargeInterior, &[0, 1, 256, 20_000]),
            (GcOption::Blacklist, &[0, 1]),
            (GcOption::Notify, &[0, 1]),
            (GcOption::MarkStackLimit, &[0, 16_384, 1 << 20, 0x7FFF_FFFF]),
            (GcOption::HeapLimit, &[0, 0, 200_000, 400_000, 1 << 20, 4 << 20]),
            (GcOption::WrapLimit, &[1, 2, 4, 8, 4096, 1 << 20]),
            (GcOption::GrowthPercent, &[1, 50, 100, 1000]),
            (GcOption::MinHeap, &[0, 0, 32 << 10, 256 << 10, 2 << 20]),
            (GcOption::MaxPages, &[20, 24, 32, 64, 32_768, 65_536]),
        ];
        let (option, values) = *pick(&mut self.rng, &options);
        Op::Configure(option as u32, *pick(&mut self.rng, values))
    }

    /// Calls that a sound program does not make.
    fn bad(&mut self, model: &Model) -> Op {
        let rng = &mut self.rng;
        match rng.random_range(0..8) {
            0 => Op::AddRoots(rng.random_range(0..300), rng.random_range(0..300)),
            1 => Op::AddRoots(rng.random(), rng.random()),
            2 => Op::RemoveRoots(4 * rng.random_range(0..STATIC_WORDS), 4096),
            3 => Op::Init(*pick(rng, &[0, 5000, 256, 70_000, 123])),
            4 => Op::Configure(rng.random_range(0..12), rng.random()),
            5 => Op::CollectWithSp(rng.random()),
            6 => Op::CollectWithoutGuard,
            _ => Op::Unpin(self.pointer(model)),
        }
    }

    /// Many objects at once: what makes tables grow and the mark stack overflow.
    fn many(&mut self, model: &Model) -> Op {
        let size = self.rng.random_range(0..40);
        if matches!(model.option(GcOption::Eager), 1..1000) || !model.calls.is_empty() {
            return Op::Burst { count: 20, size, kind: 1, handle: self.handles(20) };
        }
        if self.rng.random() {
            let count = *pick(&mut self.rng, &[100, 600, 1500, 5000]);
            let kind = self.rng.random_range(0..9);
            return Op::Burst { count, size, kind, handle: self.handles(count) };
        }
        let count = *pick(&mut self.rng, &[100, 1000, 5000, 9000]);
        let name = self.name();
        if self.rng.random() {
            return Op::Fan { name, count, size };
        }
        Op::Comb { name, count, size }
    }
}

fn pick<'a, T>(rng: &mut impl Rng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}
