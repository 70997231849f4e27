//! `ABI.md` against the built `runtime.wasm` and against the tables in the code. What the page says is what there is.

use std::collections::BTreeMap;

use rootstock_host::{Instance, RUNTIME_WASM};
use runtime::ABI_VERSION;
use runtime::error::ERRORS;
use runtime::options::OPTIONS;
use runtime::stats::STATS;
use runtime::verify::Invariant;
use tests::Setup;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef, ValType,
    Validator, WasmFeatures,
};

const PAGE: &str = include_str!("../../../ABI.md");

/// Names that the linker exports of its own accord.
const LINKERS: [&str; 2] = ["__data_end", "__heap_base"];

/// The rows of the first table under a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let mut lines = PAGE.lines().skip_while(|line| *line != heading).skip(1);
    let header = lines
        .by_ref()
        .take_while(|line| !line.starts_with('#'))
        .find(|line| line.starts_with('|'))
        .unwrap_or_else(|| panic!("ABI.md has no table under `{heading}`"));
    let columns = cells(header).len();
    let rows: Vec<_> = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    for row in &rows {
        assert_eq!(
            row.len(),
            columns,
            "`{heading}`: a row and the header differ in their cells: {row:?}"
        );
    }
    assert!(!rows.is_empty(), "the table under `{heading}` is empty");
    rows
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What an export or import is, as the page writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Memory,
    Global { mutable: bool },
    Function { params: usize, result: Option<ValType> },
}

impl Kind {
    fn of_page(cell: &str) -> Self {
        match code(cell) {
            "memory" => Self::Memory,
            "global" => Self::Global { mutable: false },
            "mutable global" => Self::Global { mutable: true },
            signature => {
                let (params, result) = match signature.split_once(" -> ") {
                    None => (signature, None),
                    Some((params, "i64")) => (params, Some(ValType::I64)),
                    Some((params, _)) => (params, Some(ValType::I32)),
                };
                let params = params
                    .strip_prefix('(')
                    .and_then(|params| params.strip_suffix(')'))
                    .unwrap_or_else(|| panic!("`{cell}` is no type"));
                let params = params.split(',').filter(|param| !param.trim().is_empty()).count();
                Self::Function { params, result }
            }
        }
    }

    fn of_function(ty: &FuncType) -> Self {
        assert!(
            ty.params().iter().all(|param| *param == ValType::I32),
            "a parameter that is no i32: {ty}"
        );
        assert!(ty.results().len() <= 1, "{ty}");
        Self::Function { params: ty.params().len(), result: ty.results().first().copied() }
    }
}

/// What the built module says of itself.
#[derive(Default)]
struct Module {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    imports: Vec<(String, String, Kind)>,
    /// Type and constant of each global.
    globals: Vec<(Kind, u32)>,
    exports: BTreeMap<String, Kind>,
    values: BTreeMap<String, u32>,
    pages: u64,
    start: bool,
}

impl Module {
    fn read() -> Self {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(RUNTIME_WASM) {
            module.visit(payload.expect("the built module is well-formed"));
        }
        module
    }

    fn visit(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter().flat_map(|group| group.unwrap().into_types()) {
                    match ty.composite_type.inner {
                        CompositeInnerType::Func(ty) => self.types.push(ty),
                        other => panic!("a type that is no function's: {other}"),
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.unwrap();
                    let kind = match import.ty {
                        TypeRef::Func(ty) => {
                            self.functions.push(ty);
                            Kind::of_function(&self.types[ty as usize])
                        }
                        other => panic!(
                            "the runtime imports {}.{}: {other:?}",
                            import.module, import.name
                        ),
                    };
                    self.imports.push((import.module.to_owned(), import.name.to_owned(), kind));
                }
            }
            Payload::FunctionSection(functions) => {
                self.functions.extend(functions.into_iter().map(Result::unwrap))
            }
            Payload::MemorySection(memories) => {
                let memories: Vec<_> = memories.into_iter().map(Result::unwrap).collect();
                assert_eq!(memories.len(), 1, "the one linear memory");
                assert!(
                    !memories[0].memory64 && !memories[0].shared && memories[0].maximum.is_none()
                );
                self.pages = memories[0].initial;
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global.unwrap();
                    assert_eq!(global.ty.content_type, ValType::I32);
                    let Ok(Operator::I32Const { value }) =
                        global.init_expr.get_operators_reader().read()
                    else {
                        panic!("a global that no constant initialises");
                    };
                    self.globals
                        .push((Kind::Global { mutable: global.ty.mutable }, value.cast_unsigned()));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.unwrap();
                    let index = export.index as usize;
                    let kind = match export.kind {
                        ExternalKind::Memory => Kind::Memory,
                        ExternalKind::Func => {
                            Kind::of_function(&self.types[self.functions[index] as usize])
                        }
                        ExternalKind::Global => {
                            self.values.insert(export.name.to_owned(), self.globals[index].1);
                            self.globals[index].0.clone()
                        }
                        other => panic!("the runtime exports a {other:?}: {}", export.name),
                    };
                    self.exports.insert(export.name.to_owned(), kind);
                }
            }
            Payload::StartSection { .. } => self.start = true,
            _ => {}
        }
    }
}

#[test]
fn the_module_exports_what_the_page_says_and_nothing_else() {
    let page: BTreeMap<String, Kind> = table("## Exports")
        .iter()
        .map(|row| (code(&row[0]).to_owned(), Kind::of_page(&row[1])))
        .collect();
    let mut module = Module::read().exports;
    // Phases are for linkers.
    module.retain(|name, _| !LINKERS.contains(&name.as_str()) && !name.starts_with("__phase_"));
    assert_eq!(page, module);
}

#[test]
fn the_module_imports_one_function() {
    let page: Vec<_> = table("## Imports")
        .iter()
        .map(|row| (code(&row[0]).to_owned(), code(&row[1]).to_owned(), Kind::of_page(&row[2])))
        .collect();
    assert_eq!(page.len(), 1);
    assert_eq!(page, Module::read().imports);
}

/// The globals hold the values themselves, from instantiation on: constants of the module, no start function.
#[test]
fn the_globals_hold_the_memory_map() {
    let module = Module::read();
    let value = |name: &str| module.values[name];
    let [base, limit, program] = ["gc_stack_base", "gc_stack_limit", "gc_program_base"].map(value);
    assert!(!module.start, "nothing runs before gc_sp is right");
    assert_eq!(value("gc_sp"), base);
    assert_eq!(program, 0x10_0000);
    assert_eq!(u64::from(program), module.pages * 65_536, "memory ends where static data start");
    assert!(0 < base && base < limit && limit < program);
    assert!((limit - base).is_multiple_of(4));
    let slots = (limit - base) / 4;
    assert!(slots >= 131_072, "{slots} slots");
    // the runtime's own data lie outside the shadow stack, and below the program's
    for name in LINKERS {
        let end = value(name);
        assert!(end < program && !(base < end && end <= limit), "{name} = {end:#x}");
    }
    // and an instance says the same
    let (gc, _) = Setup::new().instance();
    assert_eq!((gc.stack_base(), gc.stack_limit(), gc.program_base()), (base, limit, program));
}

/// The figures that the page's map mentions.
#[test]
fn the_map_on_the_page_has_the_modules_figures() {
    let module = Module::read();
    let slots = (module.values["gc_stack_limit"] - module.values["gc_stack_base"]) / 4;
    let program = module.values["gc_program_base"];
    assert!(
        PAGE.contains(&format!("{},{:03} of them", slots / 1000, slots % 1000)),
        "{slots} slots"
    );
    assert!(PAGE.contains(&format!("gc_program_base = {program:#x}")), "{program:#x}");
}

/// Any engine with the wasm of 2022 can run it.
#[test]
fn the_module_needs_no_feature_beyond_wasm_2() {
    let validated = Validator::new_with_features(WasmFeatures::WASM2).validate_all(RUNTIME_WASM);
    validated.expect("the built module is valid without later features");
}

#[test]
fn the_version_is_the_pages() {
    assert!(PAGE.starts_with(&format!("# The ABI of `runtime.wasm`, version {ABI_VERSION}\n")));
    let row = table("## Exports")
        .into_iter()
        .find(|row| code(&row[0]) == "gc_abi_version")
        .expect("a row");
    assert_eq!(row[2], ABI_VERSION.to_string());
    // the host instantiates no runtime of another version
    Instance::new(&rootstock_host::Config::default())
        .expect("the built runtime has the version of the tables");
}

#[test]
fn the_options_are_the_pages() {
    let code: Vec<_> = OPTIONS
        .iter()
        .map(|row| {
            [
                (row.option as u32).to_string(),
                row.name.to_owned(),
                row.default.to_string(),
                row.min.to_string(),
                row.max.to_string(),
                row.meaning.to_owned(),
            ]
        })
        .collect();
    assert_eq!(table("## Options"), code);
}

#[test]
fn the_statistics_are_the_pages() {
    let code: Vec<_> = STATS
        .iter()
        .map(|row| {
            [
                (row.stat as u32).to_string(),
                row.name.to_owned(),
                row.unit.to_owned(),
                row.meaning.to_owned(),
            ]
        })
        .collect();
    assert_eq!(table("## Statistics"), code);
}

#[test]
fn the_errors_are_the_pages() {
    let code: Vec<_> = ERRORS
        .iter()
        .map(|row| {
            let number = (row.code as u32).to_string();
            [&number, row.name, row.meaning, row.argument, row.advice].map(str::to_owned)
        })
        .collect();
    assert_eq!(table("## Errors"), code);
}

#[test]
fn the_invariants_are_the_pages() {
    let code: Vec<_> = Invariant::ALL
        .iter()
        .map(|(invariant, meaning)| [(*invariant as u32).to_string(), (*meaning).to_owned()])
        .collect();
    assert_eq!(table("### Broken invariants"), code);
}
