//! Debug information, after all code has moved.

use crate::*;

/// A trap in a merged module is at the line where it was, though all code has moved and calls have other lengths.
#[test]
fn debug_information_moves_with_the_code() {
    let calls = "    (drop (call $alloc (i32.const 8)))\n".repeat(60);
    let wat = format!(
        "(module {IMPORTS}\n  (func $before\n{calls}  )\n  (func $inner (param i32) (result i32)\n{calls}    local.get 0\n    i32.const 0\n    \
         i32.div_u)\n  (func (export \"main\") (result i32)\n    (call $before)\n    (call $inner (i32.const 1))))"
    );
    let line =
        |what: &str| wat.lines().position(|line| line.contains(what)).expect("it is there") + 1;
    let (output, wasm, errors) = link_text("lines", &wat, &[]);
    assert_eq!(errors, "");
    assert!(seen(&wasm).custom(".debug_line").is_some());
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("program.wat:{}:", line("i32.div_u"))), "{errors}");
    assert!(errors.contains(&format!("program.wat:{}:", line("(call $inner"))), "{errors}");

    let (_, wasm, _) = link_text("no-lines", &wat, &["--strip"]);
    let seen = seen(&wasm);
    assert!(seen.customs.iter().all(|(name, _)| !name.starts_with(".debug_") && name != "name"));
}

/// An empty function has a file and no line.
#[test]
fn an_empty_function_does_not_cost_the_debug_information() {
    let wat = format!("(module {IMPORTS} (func (export \"main\")))");
    let (_, wasm, errors) = link_text("empty-function", &wat, &[]);
    assert_eq!(errors, "");
    assert!(seen(&wasm).custom(".debug_info").is_some());
}

#[test]
fn debug_information_that_cannot_be_read_is_dropped() {
    let wat = format!(
        r#"(module {IMPORTS} (@custom ".debug_info" "\ff\00\00\00nonsense") (func (export "main")))"#
    );
    let folder = folder("bad-dwarf");
    let program = folder.join("program.wasm");
    std::fs::write(&program, wasm(&wat)).unwrap();
    let (wasm, errors) = link(&program, &folder.join("out.wasm"), &[]);
    assert!(errors.contains("debug information is dropped"), "{errors}");
    assert!(seen(&wasm).custom(".debug_info").is_none());
}

/// The range of lines that a special opcode can advance by is the module's to choose. Found by `fuzz-modules`.
#[test]
fn a_strange_encoding_of_lines_is_no_panic() {
    let folder = folder("strange-lines");
    let (text, program) = (folder.join("program.wat"), folder.join("program.wasm"));
    let wat = format!("(module {IMPORTS} (func (export \"main\")\n nop\n nop))");
    std::fs::write(&text, wat).unwrap();
    let good = rootstock_host::Program::open(text).unwrap().wasm().to_vec();
    let sections = Parser::new(0).parse_all(&good).map(|payload| payload.unwrap());
    let mut tables = sections.filter_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == ".debug_line" => {
            Some(section.data_offset())
        }
        _ => None,
    });
    let table = tables.next().expect("text gets DWARF");
    // After the length, the version (with 5: the sizes of addresses and segments), the length of the header, and
    // four bytes of which the last is where the range starts, -5 in most.
    let range = table + 4 + 2 + if good[table + 4] == 5 { 2 } else { 0 } + 4 + 4;
    assert_eq!(good[range - 1] as i8, gimli::LineEncoding::default().line_base);
    for strange in [0, 1, 4, 128, 133, 255] {
        let mut bad = good.clone();
        bad[range] = strange;
        assert_ne!(bad, good);
        std::fs::write(&program, &bad).unwrap();
        let (_, errors) = link(&program, &folder.join("out.wasm"), &[]);
        assert!(!errors.contains("panicked"), "{strange}: {errors}");
    }
}

/// What a module's DWARF says: rows of the line table with the instruction at their address, and functions with the
/// instructions that they begin with.
#[derive(Debug, PartialEq)]
struct Told {
    rows: Vec<(u8, u64, u64, bool)>,
    /// Name, line, and the byte at its address: the size of the whole, or the number of its locals.
    functions: Vec<(String, u64, u8)>,
    scopes: usize,
}

fn told(wasm: &[u8]) -> Told {
    let mut code = &[][..];
    let mut start = 0;
    // where functions, their code and their instructions begin
    let mut places = Vec::new();
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("the module can be read") {
            Payload::CodeSectionStart { range, .. } => {
                start = range.start;
                code = &wasm[range];
                places.push(1);
            }
            Payload::CodeSectionEntry(body) => {
                places.push(body.range().start - start);
                let mut operators = body.get_operators_reader().unwrap();
                while !operators.eof() {
                    places.push(operators.original_position() - start);
                    operators.read().unwrap();
                }
                places.push(body.range().end - start);
            }
            Payload::CustomSection(section) => sections.push((section.name(), section.data())),
            _ => {}
        }
    }
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let found = sections.iter().find(|(name, _)| *name == id.name());
        Ok(gimli::EndianSlice::new(found.map_or(&[][..], |found| found.1), gimli::LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).expect("there are sections");
    // `wat` gives the last byte of an instruction as its address, which is as good as the first
    let opcode = |address: u64| {
        let at = places.partition_point(|place| *place as u64 <= address);
        code[places[at.checked_sub(1).expect("no code is there")]]
    };
    let mut told = Told { rows: Vec::new(), functions: Vec::new(), scopes: 0 };
    let mut units = dwarf.units();
    while let Some(unit) = units.next().unwrap() {
        let unit = dwarf.unit(unit).unwrap();
        let mut rows = unit.line_program.clone().expect("each unit has lines").rows();
        while let Some((_, row)) = rows.next_row().unwrap() {
            if !row.end_sequence() {
                let column = match row.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(column) => column.get(),
                };
                let line = row.line().map_or(0, std::num::NonZeroU64::get);
                told.rows.push((opcode(row.address()), line, column, row.is_stmt()));
            }
        }
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs().unwrap() {
            scope(&dwarf, &unit, entry, &opcode, &mut told);
        }
    }
    told
}

type Slice<'a> = gimli::EndianSlice<'a, gimli::LittleEndian>;

fn scope<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &gimli::Unit<Slice<'a>>,
    entry: &gimli::DebuggingInformationEntry<Slice<'a>>,
    opcode: &impl Fn(u64) -> u8,
    told: &mut Told,
) {
    if entry.tag() == gimli::constants::DW_TAG_compile_unit {
        // `wat` writes its address as a number, which this reader does not take
        return;
    }
    let mut ranges = dwarf.die_ranges(unit, entry).unwrap();
    while let Some(range) = ranges.next().unwrap() {
        assert!(range.begin < range.end);
        opcode(range.end - 1);
        told.scopes += 1;
    }
    if entry.tag() != gimli::constants::DW_TAG_subprogram {
        return;
    }
    let low = entry.attr_value(gimli::constants::DW_AT_low_pc);
    let name = entry.attr_value(gimli::constants::DW_AT_name);
    if let (Some(low), Some(name)) = (low, name)
        && let Some(low) = dwarf.attr_address(unit, low).unwrap()
    {
        let name = dwarf.attr_string(unit, name).unwrap().to_string_lossy().into_owned();
        let line = entry.attr_value(gimli::constants::DW_AT_decl_line);
        let line = line.and_then(|value| value.udata_value()).unwrap_or(0);
        told.functions.push((name, line, opcode(low)));
    }
}

/// Rows, functions and scopes say the same of the same instructions before and after.
#[track_caller]
fn assert_told_alike(before: &[u8], after: &[u8]) {
    let (before, after) = (told(before), told(after));
    assert!(before.rows.len() > 10, "{} rows", before.rows.len());
    assert_eq!(before, after);
}

/// For each instruction of the last `functions` functions, the line that a debugger finds for it; all, without a number.
fn lines(wasm: &[u8], functions: Option<usize>) -> Vec<Vec<Option<(u32, u32)>>> {
    let mut start = 0;
    let mut instructions = Vec::new();
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("the module can be read") {
            Payload::CodeSectionStart { range, .. } => start = range.start,
            Payload::CodeSectionEntry(body) => {
                let mut places = Vec::new();
                let mut operators = body.get_operators_reader().unwrap();
                while !operators.eof() {
                    places.push((operators.original_position() - start) as u64);
                    operators.read().unwrap();
                }
                instructions.push(places);
            }
            Payload::CustomSection(section) => sections.push((section.name(), section.data())),
            _ => {}
        }
    }
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let found = sections.iter().find(|(name, _)| *name == id.name());
        Ok(gimli::EndianSlice::new(found.map_or(&[][..], |found| found.1), gimli::LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let context = addr2line::Context::from_dwarf(dwarf).unwrap();
    let line = |at: &u64| {
        let found = context.find_location(*at).unwrap()?;
        Some((found.line?, found.column?))
    };
    let skipped = functions.map_or(0, |functions| instructions.len() - functions);
    let lines = instructions.iter().skip(skipped);
    lines.map(|places| places.iter().map(line).collect()).collect()
}

/// Instructions of one byte and of more, with lines of their own, found where they are and not at the next.
#[test]
fn every_instruction_is_at_the_line_that_it_was_at() {
    let wat = "(module
        (import \"runtime\" \"alloc\" (func $alloc (param i32) (result i32)))
        (func $f (param i32) (result i32)
            local.get 0
            call $alloc
            drop
            i32.const 1
            nop
            i32.const 300
            i32.eqz
            drop
            unreachable)
        (func (export \"main\") (result i32)
            i32.const -4
            call $f
            i32.const 2
            i32.add))";
    let (output, merged, _) = link_text("every-line", wat, &[]);
    let program = rootstock_host::Program::open(output.with_file_name("program.wat")).unwrap();
    let before = lines(program.wasm(), None);
    assert_eq!(before, lines(&merged, Some(before.len())));
    for name in ["closures.wat", "table.wat", "reclaim.wat", "every_export.wat"] {
        let program = rootstock_host::Program::open(guest(name)).unwrap();
        let (merged, _) =
            link(&guest(name), &folder(&format!("every-line-{name}")).join("out.wasm"), &[]);
        let before = lines(program.wasm(), None);
        let known = before.iter().flatten().filter(|line| line.is_some()).count();
        assert!(known > 10, "{name}: {known}");
        assert_eq!(before, lines(&merged, Some(before.len())), "{name}");
    }
}

#[test]
fn every_row_is_at_the_instruction_that_it_was_at() {
    for name in ["closures.wat", "table.wat", "reclaim.wat"] {
        let program = rootstock_host::Program::open(guest(name)).unwrap();
        let (merged, _) =
            link(&guest(name), &folder(&format!("rows-{name}")).join("out.wasm"), &[]);
        assert_told_alike(program.wasm(), &merged);
    }
}

const C: &str = r#"
__attribute__((import_module("runtime"), import_name("alloc"))) extern void *gc_alloc(unsigned);
static int divide(int a, int b) {
  int *cell = gc_alloc(8);
  *cell = a;
  for (int i = 0; i < b; i++) {
    int *other = gc_alloc(4);
    *other = i;
    if (i == 3)
      __builtin_trap();
  }
  return *cell / b;
}
__attribute__((noinline)) static int middle(int a) { return divide(a, 10) + 1; }
__attribute__((export_name("go"))) int go(void) {
  int r = middle(7);
  return r * 2;
}
"#;

/// As clang writes it: inlined functions, lists of ranges and locations, the stack pointer as a global.
#[test]
fn debug_information_of_c_moves_with_the_code() {
    if Command::new("clang").arg("--version").output().is_err() {
        left_out("debug information of C, as clang is not installed");
        return;
    }
    let folder = folder("c");
    std::fs::write(folder.join("program.c"), C).unwrap();
    let linker = rust_wasm_ld();
    for (level, version) in [("-O0", "-gdwarf-4"), ("-O1", "-gdwarf-4"), ("-O2", "-gdwarf-5")] {
        run_tool(Command::new("clang").current_dir(&folder).args([
            "--target=wasm32",
            "-g",
            version,
            level,
            "-c",
            "program.c",
            "-o",
            "program.o",
        ]));
        run_tool(Command::new(&linker).current_dir(&folder).args([
            "--no-entry",
            "--import-memory=runtime,memory",
            "--global-base=1048576",
            "-zstack-size=65536",
            "program.o",
            "-o",
            "program.wasm",
        ]));
        let output = folder.join("out.wasm");
        let (merged, errors) = link(&folder.join("program.wasm"), &output, &["--export-runtime"]);
        assert_eq!(errors, "");
        let program = std::fs::read(folder.join("program.wasm")).unwrap();
        assert_told_alike(&program, &merged);
        let before = lines(&program, None);
        assert_eq!(before, lines(&merged, Some(before.len())));
        let places = |file: &Path| {
            let done = rootstock(["run", file.to_str().unwrap(), "--invoke", "go"]);
            let errors = text(&done.stderr);
            let places = errors.split_whitespace().filter(|word| word.contains("program.c:"));
            places.map(str::to_owned).collect::<Vec<_>>()
        };
        let found = places(&output);
        assert!(
            found.len() > 1 && found.iter().any(|place| place.contains("program.c:16:")),
            "{found:?}"
        );
        assert_eq!(found, places(&folder.join("program.wasm")));
    }
}

/// The linker that comes with Rust.
fn rust_wasm_ld() -> PathBuf {
    let print = |what: &str| {
        let output = Command::new("rustc").args(["--print", what]).output().expect("rustc runs");
        text(&output.stdout).trim().to_owned()
    };
    let (sysroot, host) = (print("sysroot"), print("host-tuple"));
    Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/gcc-ld/wasm-ld")
}

#[track_caller]
fn run_tool(command: &mut Command) {
    let done = command.output().expect("the tool starts");
    assert!(done.status.success(), "{}", text(&done.stderr));
}
