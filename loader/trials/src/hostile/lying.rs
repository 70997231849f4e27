//! Linked programs whose runtime lies: what the host asks of it traps, never ends, answers nonsense, or is not there.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, Ieee32, Ieee64, InstructionSink, Module, RawSection, ValType,
};
use wasmparser::{CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};

/// The fate of an export of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: it stays as it is.
    Truth,
    /// It is not exported.
    Absent,
    /// Another thing is exported under its name.
    OtherType,
    /// It traps.
    Trap,
    /// It never ends.
    Endless,
    /// It calls itself.
    Recursion,
    /// It returns this number.
    Nonsense(i32),
    /// It takes all the memory there is.
    Growth,
    /// It calls each function of the host that takes numbers only.
    CallsHost,
    /// It fills memory from this address on before it does what it should.
    Spoils(i32),
    /// It moves `gc_sp` before it does what it should.
    Moves(i32),
}

/// All of them, once each.
pub const LIES: [Lie; 11] = [
    Lie::Truth,
    Lie::Absent,
    Lie::OtherType,
    Lie::Trap,
    Lie::Endless,
    Lie::Recursion,
    Lie::Nonsense(-7),
    Lie::Growth,
    Lie::CallsHost,
    Lie::Spoils(4096),
    Lie::Moves(3),
];

/// The facts about a module that are needed beforehand.
#[derive(Default)]
struct Outline {
    /// Parameters and results of each type; none of those that are no functions'.
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    /// The type of each function, and the number of those that are imported.
    functions: Vec<u32>,
    imported: u32,
    globals: u32,
    gc_sp: Option<u32>,
}

impl Outline {
    fn read(wasm: &[u8]) -> Option<Self> {
        let mut outline = Self::default();
        let types = |types: &[wasmparser::ValType]| -> Option<Vec<ValType>> {
            types.iter().map(|&ty| RoundtripReencoder.val_type(ty).ok()).collect()
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::TypeSection(groups) => {
                    for ty in groups.into_iter().flatten().flat_map(|group| group.into_types()) {
                        outline.types.push(match &ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => {
                                (types(ty.params())?, types(ty.results())?)
                            }
                            _ => Default::default(),
                        });
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import.ok()?.ty {
                            TypeRef::Func(ty) => outline.functions.push(ty),
                            TypeRef::Global(_) => outline.globals += 1,
                            _ => {}
                        }
                    }
                    outline.imported = outline.functions.len() as u32;
                }
                Payload::FunctionSection(functions) => {
                    outline.functions.extend(functions.into_iter().flatten());
                }
                Payload::GlobalSection(globals) => outline.globals += globals.count(),
                Payload::ExportSection(exports) => {
                    let mut exports = exports.into_iter().flatten();
                    outline.gc_sp = exports
                        .find(|export| export.name.ends_with("gc_sp"))
                        .map(|export| export.index);
                }
                _ => {}
            }
        }
        Some(outline)
    }

    fn body(&self, lie: Lie, function: u32, own: u32) -> Function {
        let (params, results) = &self.types[self.functions[function as usize] as usize];
        let mut body = Function::new([]);
        let code = &mut body.instructions();
        let arguments = |code: &mut InstructionSink<'_>| {
            for param in 0..params.len() as u32 {
                code.local_get(param);
            }
        };
        let mut answer = 3;
        match lie {
            Lie::Truth | Lie::Absent | Lie::OtherType => {}
            Lie::Trap => {
                code.unreachable();
            }
            Lie::Endless => {
                code.loop_(wasm_encoder::BlockType::Empty).br(0).end();
            }
            Lie::Recursion => {
                arguments(code);
                code.call(own);
                for _ in results {
                    code.drop();
                }
            }
            Lie::Nonsense(number) => answer = number,
            Lie::Growth => {
                code.loop_(wasm_encoder::BlockType::Empty);
                code.i32_const(16).memory_grow(0).i32_const(-1).i32_ne().br_if(0).end();
            }
            Lie::CallsHost => self.calls(code),
            Lie::Spoils(at) => {
                code.i32_const(at).i32_const(0x5a).i32_const(9000).memory_fill(0);
            }
            Lie::Moves(by) => {
                if let Some(sp) = self.gc_sp {
                    code.global_get(sp).i32_const(by).i32_add().global_set(sp);
                }
            }
        }
        if matches!(lie, Lie::Spoils(_) | Lie::Moves(_)) {
            arguments(code);
            code.call(function);
        } else {
            for &result in results {
                constant(code, result, answer);
            }
        }
        code.end();
        body
    }

    fn calls(&self, code: &mut InstructionSink<'_>) {
        for import in 0..self.imported {
            let (params, results) = &self.types[self.functions[import as usize] as usize];
            if params.iter().any(|ty| matches!(ty, ValType::Ref(_) | ValType::V128)) {
                continue;
            }
            for &param in params {
                constant(code, param, 1);
            }
            code.call(import);
            for _ in results {
                code.drop();
            }
        }
    }
}

fn constant(code: &mut InstructionSink<'_>, ty: ValType, number: i32) {
    match ty {
        ValType::I32 => code.i32_const(number),
        ValType::I64 => code.i64_const(number.into()),
        ValType::F32 => code.f32_const(Ieee32::from(number as f32)),
        ValType::F64 => code.f64_const(Ieee64::from(f64::from(number))),
        _ => code.unreachable(),
    };
}

/// A linked module in which `lie` says what becomes of each export whose name begins with `gc_`, or is another of the
/// runtime's; none if it cannot be read.
pub fn module(wasm: &[u8], mut lie: impl FnMut(&str) -> Lie) -> Option<Vec<u8>> {
    let outline = Outline::read(wasm)?;
    let is_runtimes =
        |name: &str| rootstock_built::runtime_exports().any(|known| name.ends_with(known));
    let mut new = Vec::new();
    let mut constants = Vec::new();
    let mut exports = ExportSection::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(Payload::ExportSection(section)) = payload else { continue };
        for export in section.into_iter().flatten() {
            let kind = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
                ExternalKind::Global => ExportKind::Global,
                ExternalKind::Memory => ExportKind::Memory,
                ExternalKind::Table => ExportKind::Table,
                ExternalKind::Tag => ExportKind::Tag,
            };
            let lie = if is_runtimes(export.name) { lie(export.name) } else { Lie::Truth };
            match (lie, kind) {
                (Lie::Absent, _) => {}
                (Lie::OtherType, ExportKind::Func) if outline.gc_sp.is_some() => {
                    exports.export(export.name, ExportKind::Global, outline.gc_sp.unwrap_or(0));
                }
                (Lie::OtherType, _) => {
                    exports.export(export.name, ExportKind::Func, outline.imported);
                }
                (Lie::Nonsense(number), ExportKind::Global) => {
                    exports.export(export.name, kind, outline.globals + constants.len() as u32);
                    constants.push((number, export.name.ends_with("gc_sp")));
                }
                (Lie::Truth, _)
                | (
                    _,
                    ExportKind::Global | ExportKind::Memory | ExportKind::Table | ExportKind::Tag,
                ) => {
                    exports.export(export.name, kind, export.index);
                }
                (lie, ExportKind::Func) => {
                    let own = outline.functions.len() as u32 + new.len() as u32;
                    exports.export(export.name, kind, own);
                    new.push((export.index, outline.body(lie, export.index, own)));
                }
            }
        }
    }
    rewritten(wasm, &outline, &exports, &new, &constants)
}

fn rewritten(
    wasm: &[u8],
    outline: &Outline,
    exports: &ExportSection,
    new: &[(u32, Function)],
    constants: &[(i32, bool)],
) -> Option<Vec<u8>> {
    let mut module = Module::new();
    let mut code = CodeSection::new();
    let mut left = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::FunctionSection(section) => {
                let mut functions = FunctionSection::new();
                RoundtripReencoder.parse_function_section(&mut functions, section).ok()?;
                for (function, _) in new {
                    functions.function(outline.functions[*function as usize]);
                }
                module.section(&functions);
            }
            Payload::GlobalSection(section) => {
                let mut globals = GlobalSection::new();
                RoundtripReencoder.parse_global_section(&mut globals, section).ok()?;
                for &(number, mutable) in constants {
                    let ty = GlobalType { val_type: ValType::I32, mutable, shared: false };
                    globals.global(ty, &ConstExpr::i32_const(number));
                }
                module.section(&globals);
            }
            Payload::ExportSection(_) => {
                module.section(exports);
            }
            Payload::CodeSectionStart { count, .. } => left = count,
            Payload::CodeSectionEntry(body) => {
                code.raw(&wasm[body.range()]);
                left -= 1;
                if left == 0 {
                    for (_, body) in new {
                        code.function(body);
                    }
                    module.section(&code);
                }
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Some(module.finish())
}
