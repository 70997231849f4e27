//! Much of one thing: linking takes time in proportion to it, and no more native stack.

use std::sync::mpsc;
use std::time::Duration;

use rootstock_host::{Error, Program};
use rootstock_link::{LinkOutput, Linker};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Module, NameMap, NameSection, ProducersField, ProducersSection, TagKind, TagSection, TagType,
    TypeSection, ValType,
};

const MANY: u32 = 100_000;

/// A debug build on a busy machine links each of these programs in a second or two.
const LONGEST: Duration = Duration::from_secs(60);

/// What recursion over a hundred thousand things does not fit in.
const STACK: usize = 1 << 20;

/// The sections of a program that allocates, to which more is added.
struct Parts {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tags: TagSection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
    customs: Vec<(String, Vec<u8>)>,
    names: NameSection,
    producers: ProducersSection,
}

const ALLOC: u32 = 0;
/// Of type `() -> ()`.
const NOTHING: u32 = 1;

impl Parts {
    fn new() -> Self {
        let mut parts = Self {
            types: TypeSection::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            tags: TagSection::new(),
            globals: GlobalSection::new(),
            exports: ExportSection::new(),
            elements: ElementSection::new(),
            code: CodeSection::new(),
            data: DataSection::new(),
            customs: Vec::new(),
            names: NameSection::new(),
            producers: ProducersSection::new(),
        };
        parts.types.ty().function([ValType::I32], [ValType::I32]);
        parts.types.ty().function([], []);
        parts.imports.import("runtime", "alloc", EntityType::Function(0));
        parts
    }

    /// The memory of the runtime, for programs with data.
    fn memory(&mut self) {
        let memory = wasm_encoder::MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        self.imports.import("runtime", "memory", memory);
    }

    /// A function that does nothing, the only one unless others were added; its number.
    fn function(&mut self) {
        self.functions.function(NOTHING);
        let mut body = Function::new([]);
        body.instructions().i32_const(8).call(ALLOC).drop().end();
        self.code.function(&body);
    }

    fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        module.section(&self.tags).section(&self.globals).section(&self.exports);
        module.section(&self.elements);
        module.section(&wasm_encoder::DataCountSection { count: self.data.len() });
        module.section(&self.code).section(&self.data);
        for (name, data) in &self.customs {
            module.section(&CustomSection { name: name.into(), data: data.into() });
        }
        module.section(&self.names).section(&self.producers);
        module.finish()
    }
}

/// Links a program with `n` of something.
#[track_caller]
fn linked(n: u32, add: impl FnOnce(&mut Parts, u32)) -> Result<LinkOutput, Error> {
    let mut parts = Parts::new();
    add(&mut parts, n);
    let wasm = parts.finish();
    let (sender, receiver) = mpsc::channel();
    let builder = std::thread::Builder::new().stack_size(STACK);
    builder
        .spawn(move || {
            let program = Program::from_bytes("many.wasm", &wasm).map_err(Error::from);
            let _ = sender.send(program.and_then(|program| Ok(Linker::new().link(&program)?)));
        })
        .expect("a thread can be started");
    receiver.recv_timeout(LONGEST).expect("it is linked in time")
}

#[track_caller]
fn links(add: impl FnOnce(&mut Parts, u32)) -> LinkOutput {
    linked(MANY, add).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refusal(n: u32, add: impl FnOnce(&mut Parts, u32)) -> String {
    let error = linked(n, add).expect_err("it is refused");
    assert!(error.is_bad_input(), "{error}");
    error.to_string()
}

fn constant() -> GlobalType {
    GlobalType { val_type: ValType::I32, mutable: false, shared: false }
}

/// Each global is the one before it, and data lie where the last says.
#[test]
fn globals_of_globals() {
    links(|parts, n| {
        parts.globals.global(constant(), &ConstExpr::i32_const(0x10_0000));
        for before in 0..n - 1 {
            parts.globals.global(constant(), &ConstExpr::global_get(before));
        }
        parts.data.active(0, &ConstExpr::global_get(n - 1), *b"data");
        parts.memory();
        parts.function();
    });
}

/// Each global is twice the one before it, so that following each use would take 2^n steps.
#[test]
fn globals_that_name_another_twice() {
    let sums = |base: i32| {
        move |parts: &mut Parts, n| {
            parts.globals.global(constant(), &ConstExpr::i32_const(base));
            for before in 0..n - 1 {
                let twice = ConstExpr::global_get(before).with_global_get(before).with_i32_add();
                parts.globals.global(constant(), &twice);
            }
            parts.data.active(0, &ConstExpr::global_get(n - 1), *b"data");
            parts.memory();
            parts.function();
        }
    };
    // 2^20 is where a program's data begin, and 2^40 is 0 in 32 bits.
    linked(21, sums(1)).unwrap_or_else(|error| panic!("{error}"));
    let words = refusal(MANY, sums(1));
    assert!(words.contains("overlaps the runtime's own memory"), "{words}");
}

#[test]
fn functions_with_names_and_types() {
    links(|parts, n| {
        let mut names = NameMap::new();
        for function in 0..n {
            parts.function();
            names.append(1 + function, &format!("f{function}"));
        }
        parts.names.functions(&names);
        // Different ones: the digits of the number are the types of the parameters.
        const DIGITS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
        for ty in 0..n {
            let params: Vec<_> = (0..9).map(|at| DIGITS[(ty >> (2 * at)) as usize % 4]).collect();
            parts.types.ty().function(params, []);
        }
    });
}

/// Functions of one name keep it: the section allows that, and linkers write it for what is local to a file.
#[test]
fn functions_of_one_name() {
    let output = links(|parts, n| {
        let mut names = NameMap::new();
        for function in 0..n {
            parts.function();
            names.append(1 + function, "again");
        }
        parts.names.functions(&names);
    });
    let seen = crate::seen(output.wasm());
    let again = seen.functions.iter().filter(|(_, name)| name == "again").count();
    assert_eq!(again, MANY as usize);
    assert!(seen.functions.iter().all(|(_, name)| !name.starts_with('.')));
}

#[test]
fn imports_and_exports() {
    links(|parts, n| {
        let mut names = NameMap::new();
        for import in 0..n / 2 {
            parts.imports.import("env", &format!("f{import}"), EntityType::Function(NOTHING));
            parts.imports.import("env", &format!("g{import}"), constant());
            names.append(1 + import, &format!("import {import}"));
        }
        for function in 0..n / 2 {
            parts.function();
            names.append(1 + n / 2 + function, &format!("function {function}"));
            parts.exports.export(&format!("f{function}"), ExportKind::Func, 1 + n / 2 + function);
            let global = parts.globals.len() + n / 2;
            parts.globals.global(constant(), &ConstExpr::global_get(function));
            parts.exports.export(&format!("g{function}"), ExportKind::Global, global);
        }
        parts.names.functions(&names);
    });
}

#[test]
fn imports_that_are_not_there() {
    let words = refusal(MANY, |parts, n| {
        for import in 0..n {
            parts.imports.import("runtime", &format!("f{import}"), EntityType::Function(NOTHING));
        }
        parts.function();
    });
    assert!(words.contains("100000 imports") && words.contains("99990 more"), "{words}");
    assert!(words.len() < 10_000, "{} bytes", words.len());
}

/// As many as a module may have are too many beside the runtime's own.
#[test]
fn segments() {
    let data = |parts: &mut Parts, n| {
        for _ in 0..n {
            parts.data.passive(*b"data");
        }
        parts.function();
    };
    links(|parts, n| data(parts, n - 100));
    let words = refusal(MANY, data);
    assert!(words.contains("many.wasm") && words.contains("data segments"), "{words}");
    let words = refusal(MANY + 1, data);
    assert!(words.contains("many.wasm") && words.contains("data"), "{words}");
    links(|parts, n| {
        parts.function();
        for _ in 0..n - 100 {
            parts.elements.passive(Elements::Functions((&[1][..]).into()));
        }
    });
}

#[test]
fn custom_sections_and_producers() {
    let output = links(|parts, n| {
        parts.function();
        let mut field = ProducersField::new();
        for at in 0..n {
            parts.customs.push((format!("custom {at}"), b"kept".to_vec()));
            field.value(&format!("tool {at}"), "1");
        }
        parts.producers.field("processed-by", &field);
    });
    let seen = crate::seen(output.wasm());
    let kept = seen.customs.iter().filter(|(name, _)| name.starts_with("custom ")).count();
    assert_eq!(kept, MANY as usize);
}

#[test]
fn tags_and_locals_and_blocks() {
    let function = |locals: u32| {
        move |parts: &mut Parts, n: u32| {
            for _ in 0..n {
                parts.tags.tag(TagType { kind: TagKind::Exception, func_type_idx: NOTHING });
            }
            parts.functions.function(NOTHING);
            // each a declaration of its own
            let types = [ValType::I32, ValType::I64];
            let mut body = Function::new((0..locals).map(|at| (1, types[at as usize % 2])));
            for _ in 0..n {
                body.instructions().block(wasm_encoder::BlockType::Empty);
            }
            body.instructions().i32_const(0).br_table((0..n).rev(), 0);
            for _ in 0..n {
                body.instructions().end();
            }
            body.instructions().end();
            parts.code.function(&body);
        }
    };
    links(function(50_000));
    let words = refusal(MANY, function(50_001));
    assert!(words.contains("many.wasm") && words.contains("locals"), "{words}");
}
