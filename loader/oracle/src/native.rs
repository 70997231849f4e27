//! The core over a memory of this process, as a machine.
//!
//! A trap is an unwinding here, as it is in an engine: of the host in its callback, or of the callback that has found a
//! difference. The runtime is never borrowed meanwhile, so it stays usable.

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use runtime::addr::Addr;
use runtime::error::{Failed, Failure};
use runtime::host::{self, Host};
use runtime::memory::Memory;
use runtime::native::NativeMemory;
use runtime::runtime::Runtime;

use crate::generate::Generator;
use crate::machine::{Answer, Machine, Step, Stop, fault};
use crate::model::Rules;
use crate::program::Program;
use crate::runner::Runner;
use crate::{Verdict, execute};

/// Pages of address space for each memory: as many as a host lets one grow to at most. Miri writes each byte of them.
const PAGES: u32 = if cfg!(miri) { 128 } else { 1024 };

/// Runs a program.
pub fn run(program: &Program, rules: &Rules) -> Verdict {
    start(program.clone(), None, rules, program.ops.len())
}

/// Makes up the random program number `number` of a seed, of `ops` operations, and runs it.
pub fn case(seed: u64, number: u64, ops: usize, rules: &Rules) -> Verdict {
    let (generator, program) = Generator::new(seed, number);
    start(program, Some(generator), rules, ops)
}

/// Makes up a program whose choices are these bytes, of at most `most` operations, and runs it: for a fuzzer that looks for
/// bytes that reach new code.
pub fn case_of_bytes(bytes: &[u8], most: usize, rules: &Rules) -> Verdict {
    let (generator, program) = Generator::of_bytes(bytes);
    start(program, Some(generator), rules, most)
}

/// Runs `ops` operations of a program; a generator makes them up, if there is one.
pub fn start(program: Program, generator: Option<Generator>, rules: &Rules, ops: usize) -> Verdict {
    let mut memory = NativeMemory::new(PAGES);
    memory.set_limit(program.pages);
    let native =
        Rc::new(Native { runtime: RefCell::new(Runtime::new(memory)), runner: RefCell::default() });
    let machine = &mut NativeMachine(Rc::clone(&native));
    let runner = match Runner::new(machine, program.clone(), generator, rules.clone()) {
        Ok(runner) => Rc::new(runner),
        Err(stop) => return Verdict::unstarted(program, stop),
    };
    *native.runner.borrow_mut() = Some(Rc::clone(&runner));
    let verdict = execute(&runner, machine, ops);
    // The two hold each other.
    *native.runner.borrow_mut() = None;
    verdict
}

/// The one host of a runtime.
struct Native {
    runtime: RefCell<Runtime<NativeMemory>>,
    /// The runner that the callback belongs to; none before the first operation.
    runner: RefCell<Option<Rc<Runner>>>,
}

/// A way to the host, which is its own.
struct Callee(Rc<Native>);

impl Host for Callee {
    type Memory = NativeMemory;

    fn with<R>(&self, f: impl FnOnce(&mut Runtime<NativeMemory>) -> R) -> R {
        f(&mut self.0.runtime.borrow_mut())
    }

    fn decref(&self, kind: u32, handle: u32) {
        let runner = self.0.runner.borrow().clone();
        let Some(runner) = runner else { return };
        if let Err(stop) = runner.told(&mut NativeMachine(Rc::clone(&self.0)), kind, handle) {
            resume_unwind(Box::new(stop));
        }
    }
}

/// The core over a memory of this process.
struct NativeMachine(Rc<Native>);

impl NativeMachine {
    fn with<R>(&self, f: impl FnOnce(&mut Runtime<NativeMemory>) -> R) -> R {
        f(&mut self.0.runtime.borrow_mut())
    }

    fn memory<R>(&self, f: impl FnOnce(&mut NativeMemory) -> R) -> R {
        self.with(|runtime| f(runtime.memory_mut()))
    }

    /// Calls an operation that may call the host back, and fails with the reason stored.
    fn call<T>(&mut self, call: impl FnOnce(&Callee) -> Result<T, Failed>) -> Step<Answer<T>> {
        let host = Callee(Rc::clone(&self.0));
        match catch_unwind(AssertUnwindSafe(|| call(&host))) {
            Ok(Ok(result)) => Ok(Ok(result)),
            Ok(Err(_)) => match self.last_error()? {
                Some(failure) => Ok(Err(failure)),
                None => fault("a bare trap: no error is stored"),
            },
            Err(payload) => match payload.downcast::<Stop>() {
                Ok(stop) => Err(*stop),
                Err(payload) => fault(format!("the core panicked: {}", said(&*payload))),
            },
        }
    }

    fn object(&mut self, alloc: impl FnOnce(&Callee) -> Addr) -> Step<Answer<u32>> {
        let object = self.call(|host| Ok(alloc(host)))?;
        match object {
            Ok(Addr::NULL) => match self.last_error()? {
                Some(failure) => Ok(Err(failure)),
                None => fault("an allocation returned null, and no error is stored"),
            },
            Ok(object) => Ok(Ok(object.get())),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

/// The words of a panic.
fn said(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

impl Machine for NativeMachine {
    fn refuel(&mut self) {}

    fn alloc(&mut self, size: u32) -> Step<Answer<u32>> {
        self.object(|host| host::alloc(host, size, false))
    }

    fn alloc_atomic(&mut self, size: u32) -> Step<Answer<u32>> {
        self.object(|host| host::alloc(host, size, true))
    }

    fn try_alloc(&mut self, size: u32, atomic: bool) -> Step<Answer<u32>> {
        self.object(|host| host::alloc_slow(host, size, atomic))
    }

    fn run(&mut self, _: u32, _: bool) -> Step<u32> {
        Ok(0)
    }

    fn register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>> {
        self.call(|callee| host::register(callee, Addr::new(ptr), kind, handle))
    }

    fn register_sized(
        &mut self,
        ptr: u32,
        kind: u32,
        handle: u32,
        external: u32,
    ) -> Step<Answer<()>> {
        self.call(|callee| {
            host::register(callee, Addr::new(ptr), kind, handle)?;
            callee.with(|runtime| runtime.set_external(external));
            Ok(())
        })
    }

    fn try_register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>> {
        // The export takes the slow path each time.
        self.call(|callee| {
            let again =
                || callee.with(|runtime| runtime.register_fast(Addr::new(ptr), kind, handle));
            host::register_slow(callee, Addr::new(ptr), || _ = again())
        })
    }

    fn wrapper(&mut self, ptr: u32) -> Step<Option<(u32, u32)>> {
        let entry = self.with(|runtime| runtime.wrapper(Addr::new(ptr)));
        let word = |offset| self.memory(|memory| memory.load32(entry, offset));
        Ok((!entry.is_null()).then(|| (word(0), word(4))))
    }

    fn release(&mut self, ptr: u32) -> Step<Answer<u32>> {
        self.call(|callee| host::release(callee, Addr::new(ptr)).map(u32::from))
    }

    fn collect(&mut self) -> Step<Answer<()>> {
        self.call(host::collect)
    }

    fn notify(&mut self, most: u32) -> Step<Answer<u32>> {
        self.call(|callee| host::notify(callee, most))
    }

    fn shutdown(&mut self) -> Step<Answer<()>> {
        self.call(host::shutdown)
    }

    fn init(&mut self, static_end: u32) -> Step<Answer<()>> {
        self.call(|callee| callee.with(|runtime| runtime.init(Addr::new(static_end))))
    }

    fn add_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(|callee| {
            callee.with(|runtime| runtime.add_roots(Addr::new(start), Addr::new(end)))
        })
    }

    fn remove_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>> {
        self.call(|callee| {
            callee.with(|runtime| runtime.remove_roots(Addr::new(start), Addr::new(end)))
        })
    }

    fn pin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(|callee| callee.with(|runtime| runtime.pin(Addr::new(ptr))))
    }

    fn unpin(&mut self, ptr: u32) -> Step<Answer<()>> {
        self.call(|callee| callee.with(|runtime| runtime.unpin(Addr::new(ptr))))
    }

    fn configure(&mut self, option: u32, value: u32) -> Step<i32> {
        Ok(self.with(|runtime| runtime.configure(option, value)))
    }

    fn raw_stat(&mut self, number: u32) -> Step<i64> {
        Ok(self.with(|runtime| runtime.stat(number)))
    }

    fn base(&mut self, at: u32) -> Step<u32> {
        Ok(self.with(|runtime| runtime.base(Addr::new(at))).get())
    }

    fn size(&mut self, at: u32) -> Step<u32> {
        Ok(self.with(|runtime| runtime.size(Addr::new(at))))
    }

    fn verify(&mut self) -> Step<u32> {
        Ok(self.with(|runtime| runtime.verify()))
    }

    fn last_error(&mut self) -> Step<Option<Failure>> {
        Ok(self.with(|runtime| runtime.failure()))
    }

    fn pages(&self) -> u32 {
        self.memory(|memory| memory.pages())
    }

    fn bytes(&self, at: u32, length: u32) -> Step<Cow<'_, [u8]>> {
        match self.memory(|memory| memory.bytes(Addr::new(at), length)) {
            Some(bytes) => Ok(Cow::Owned(bytes)),
            None => fault(format!("{length} bytes at {at:#x} are not in memory")),
        }
    }

    fn write(&mut self, at: u32, word: u32) -> Step<()> {
        self.bytes(at, 4)?;
        self.memory(|memory| memory.store32(Addr::new(at), 0, word));
        Ok(())
    }

    fn fill(&mut self, at: u32, length: u32, byte: u8) -> Step<()> {
        self.bytes(at, length)?;
        self.memory(|memory| memory.fill(Addr::new(at), length, byte));
        Ok(())
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        self.memory(|memory| memory.grow(pages))
    }

    fn limit(&mut self, pages: u32) {
        self.memory(|memory| memory.set_limit(pages));
    }

    fn sp(&mut self) -> u32 {
        self.memory(|memory| memory.sp()).get()
    }

    fn set_sp(&mut self, sp: u32) {
        self.memory(|memory| memory.set_sp(Addr::new(sp)));
    }

    fn stack_base(&self) -> u32 {
        self.memory(|memory| memory.regions().stack_base).get()
    }

    fn stack_limit(&self) -> u32 {
        self.memory(|memory| memory.regions().stack_limit).get()
    }

    fn program_base(&self) -> u32 {
        self.memory(|memory| memory.regions().program_base).get()
    }
}
