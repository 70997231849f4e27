//! Rewrites a program so that it asks before it reaches into memory, and says where it is.
//!
//! Each load, store and bulk operation on the runtime's memory first calls one of the functions of `checks.wat`; so does
//! each call, and each `global.set` of `gc_sp`. Nothing else changes: what the program computes, it computes as before.
//!
//! ```text
//! i32.store offset=8      →   local.set $value
//!                             local.tee $address
//!                             local.get $address  i64.extend_i32_u  i64.const 8  i64.add
//!                             i64.const (site << 8 | 4)  local.get $depth
//!                             local.get $value  call $store
//!                             local.get $value
//!                             i32.store offset=8
//! ```
//!
//! A *site* is a number for one instruction of one program. With the site of each call under way in a stack of its own
//! (`$depth` is how many there are when a function is entered), every allocation can be given its backtrace at next to no
//! cost, however deep the program is in recursion; the engine would have to walk the native stack each time.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, Function, ImportSection, InstructionSink, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator};

use crate::access::{Access, access};
use crate::place::{Body, CodePlace};
use crate::shape::Shape;

/// The module that instrumented programs import.
pub(super) const MODULE: &str = "doctor";

/// A program with its checks.
pub(super) struct Instrumented {
    pub(super) wasm: Vec<u8>,
    /// The places of the sites, in order.
    pub(super) places: Vec<CodePlace>,
    /// For each function of the program's own, where its instructions are now.
    pub(super) bodies: Vec<Body>,
    /// Functions that it imports: those it imported before, and those that are called to check.
    pub(super) imported: (u32, u32),
    /// The number of calls of functions that may collect.
    pub(super) safepoints: u64,
    /// The numbers of functions that are as they were: checks would make them larger than engines take.
    pub(super) left_out: Vec<u32>,
}

/// Locals, parameters among them, that an engine takes of a function, and bytes of its body.
const MAX_LOCALS: u32 = 50_000;
const MAX_BODY: usize = 7_654_321;

/// Instruments a valid module; `None` if it has nothing to do with the runtime. Its sites are numbered from
/// `first_site` on.
pub(super) fn instrument(wasm: &[u8], first_site: u32) -> Result<Option<Instrumented>, String> {
    let shape = Shape::read(wasm).map_err(|error| error.to_string())?;
    if !shape.has_code_for_the_runtime() {
        return Ok(None);
    }
    let imported = (shape.imported, IMPORTS.len() as u32);
    let mut rewriter = Rewriter {
        shape,
        first_site,
        places: Vec::new(),
        bodies: Vec::new(),
        safepoints: 0,
        left_out: Vec::new(),
    };
    let mut module = wasm_encoder::Module::new();
    rewriter
        .parse_core_module(&mut module, wasmparser::Parser::new(0), wasm)
        .map_err(|error| error.to_string())?;
    let Rewriter { places, bodies, safepoints, left_out, .. } = rewriter;
    let wasm = module.finish();
    Ok(Some(Instrumented { wasm, places, bodies, imported, safepoints, left_out }))
}

/// The imports from [`MODULE`], with their parameters and results.
const IMPORTS: [(&str, &[ValType], &[ValType]); 9] = {
    use ValType::{I32, I64};
    [
        ("entered", &[], &[I32]),
        ("calling", &[I32, I32], &[]),
        ("leaving", &[I32], &[]),
        ("read", &[I64, I64, I32], &[]),
        ("write", &[I64, I64, I32], &[]),
        ("store", &[I64, I64, I32, I32], &[]),
        ("range", &[I32, I32, I64, I32], &[]),
        ("moved", &[I32, I32], &[]),
        ("throwing", &[I32], &[]),
    ]
};

/// Their numbers in [`IMPORTS`].
#[derive(Clone, Copy)]
enum Check {
    Entered,
    Calling,
    Leaving,
    Read,
    Write,
    Store,
    Range,
    Moved,
    Throwing,
}

struct Rewriter {
    shape: Shape,
    first_site: u32,
    places: Vec<CodePlace>,
    bodies: Vec<Body>,
    safepoints: u64,
    left_out: Vec<u32>,
}

/// Locals that each function gets.
#[derive(Clone, Copy)]
struct Scratch {
    depth: u32,
    i32s: [u32; 3],
    i64s: [u32; 2],
    f32: u32,
    f64: u32,
    v128: u32,
}

impl Scratch {
    /// Their numbers after `first` others.
    const fn after(first: u32) -> Self {
        Self {
            depth: first,
            i32s: [first + 1, first + 2, first + 3],
            i64s: [first + 4, first + 5],
            f32: first + 6,
            f64: first + 7,
            v128: first + 8,
        }
    }

    /// The greatest number of them.
    const COUNT: u32 = 9;

    /// Their types, in that order.
    const TYPES: [(u32, ValType); 4] =
        [(4, ValType::I32), (2, ValType::I64), (1, ValType::F32), (1, ValType::F64)];

    /// The local in which the operand `at` of an instruction waits while its address is looked at.
    fn operand(&self, at: usize, ty: ValType) -> u32 {
        match ty {
            ValType::I64 => self.i64s[at],
            ValType::F32 => self.f32,
            ValType::F64 => self.f64,
            ValType::V128 => self.v128,
            _ => self.i32s[1 + at],
        }
    }
}

impl Reencode for Rewriter {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        let moved = function >= self.shape.imported;
        Ok(function + if moved { IMPORTS.len() as u32 } else { 0 })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        for (_, params, results) in IMPORTS {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_import_section(self, imports, section)?;
        for (at, (name, ..)) in (0u32..).zip(IMPORTS) {
            imports.import(MODULE, name, EntityType::Function(self.shape.types + at));
        }
        Ok(())
    }

    /// Names and lines are looked up in the program as it was.
    fn parse_custom_section(
        &mut self,
        _module: &mut wasm_encoder::Module,
        _section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let (places, safepoints) = (self.places.len(), self.safepoints);
        if let Some((function, body)) = self.checked(&body)? {
            self.bodies.push(body);
            code.function(&function);
            return Ok(());
        }
        self.places.truncate(places);
        self.safepoints = safepoints;
        self.left_out.push(self.shape.imported + self.bodies.len() as u32);
        self.bodies.push(Body::new(Vec::new()));
        utils::parse_function_body(self, code, body)
    }
}

impl Rewriter {
    /// A function with its checks; none if it has become larger than engines take.
    fn checked(
        &mut self,
        body: &FunctionBody<'_>,
    ) -> Result<Option<(Function, Body)>, Error<std::convert::Infallible>> {
        let defined = self.bodies.len() as u32;
        let mut locals = Vec::new();
        let mut first = self.shape.params(defined);
        for local in body.get_locals_reader()? {
            let (count, ty) = local?;
            first = first.saturating_add(count);
            locals.push((count, self.val_type(ty)?));
        }
        if first > MAX_LOCALS - Scratch::COUNT {
            return Ok(None);
        }
        locals.extend(Scratch::TYPES);
        if self.spills_vectors(body)? {
            locals.push((1, ValType::V128));
        }
        let mut new = Function::new(locals);
        let scratch = Scratch::after(first);
        let function = self.shape.imported + defined;
        let mut moves = Vec::new();
        self.call(&mut new.instructions(), Check::Entered).local_set(scratch.depth);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            let place = CodePlace { function, offset: offset as u32 };
            moves.push((new.byte_len() as u32, place.offset));
            self.check(&mut new.instructions(), &operator, place, scratch);
            // Where the instruction itself begins; its checks have the same place.
            new.instruction(&self.instruction(operator)?);
        }
        Ok((new.byte_len() <= MAX_BODY).then(|| (new, Body::new(moves))))
    }

    fn call<'a, 'b>(
        &self,
        code: &'a mut InstructionSink<'b>,
        check: Check,
    ) -> &'a mut InstructionSink<'b> {
        code.call(self.shape.imported + check as u32)
    }

    /// Tells whether an instruction of this function has a vector above its address.
    fn spills_vectors(&self, body: &FunctionBody<'_>) -> wasmparser::Result<bool> {
        for operator in body.get_operators_reader()? {
            if access(&operator?).is_some_and(|access| access.operands.contains(&ValType::V128)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn site(&mut self, place: CodePlace) -> u32 {
        self.places.push(place);
        self.first_site + self.places.len() as u32 - 1
    }

    fn is_runtimes(&self, memory: u32) -> bool {
        self.shape.memory == Some(memory)
    }

    /// Puts before an instruction what is to be done there.
    fn check(
        &mut self,
        code: &mut InstructionSink<'_>,
        operator: &Operator<'_>,
        place: CodePlace,
        scratch: Scratch,
    ) {
        if let Some(found) = access(operator) {
            if self.is_runtimes(found.memarg.memory) {
                let is_word = matches!(operator, Operator::I32Store { .. });
                self.check_access(code, &found, is_word, place, scratch);
            }
            return;
        }
        match *operator {
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                if let Operator::Call { function_index } = *operator
                    && self.shape.safepoints.contains(&function_index)
                {
                    self.safepoints += 1;
                }
                let site = self.site(place);
                code.local_get(scratch.depth).i32_const(site.cast_signed());
                self.call(code, Check::Calling);
            }
            Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => {
                code.local_get(scratch.depth);
                self.call(code, Check::Leaving);
            }
            Operator::Throw { .. } => {
                let site = self.site(place);
                code.i32_const(site.cast_signed());
                self.call(code, Check::Throwing);
            }
            Operator::GlobalSet { global_index } if self.shape.gc_sp == Some(global_index) => {
                let site = self.site(place);
                let [to, ..] = scratch.i32s;
                code.local_tee(to).local_get(to).i32_const(site.cast_signed());
                self.call(code, Check::Moved);
            }
            Operator::MemoryFill { mem } => self.check_bulk(code, [mem, u32::MAX], place, scratch),
            Operator::MemoryInit { mem, .. } => {
                self.check_bulk(code, [mem, u32::MAX], place, scratch);
            }
            Operator::MemoryCopy { dst_mem, src_mem } => {
                self.check_bulk(code, [dst_mem, src_mem], place, scratch);
            }
            _ => {}
        }
    }

    fn check_access(
        &mut self,
        code: &mut InstructionSink<'_>,
        found: &Access,
        is_word: bool,
        place: CodePlace,
        scratch: Scratch,
    ) {
        let site = self.site(place);
        let [address, ..] = scratch.i32s;
        let operands: Vec<u32> =
            (0..).zip(found.operands).map(|(at, &ty)| scratch.operand(at, ty)).collect();
        for &operand in operands.iter().rev() {
            code.local_set(operand);
        }
        code.local_tee(address)
            .local_get(address)
            .i64_extend_i32_u()
            .i64_const(found.memarg.offset.cast_signed())
            .i64_add()
            .i64_const(i64::from(site) << 8 | i64::from(found.bytes()))
            .local_get(scratch.depth);
        if is_word {
            // What is stored may be the address of a freed object.
            code.local_get(operands[0]);
        }
        let check = if found.writes { Check::Write } else { Check::Read };
        self.call(code, if is_word { Check::Store } else { check });
        for &operand in &operands {
            code.local_get(operand);
        }
    }

    /// A bulk operation has three operands: where to, where from (or a value), how many bytes.
    fn check_bulk(
        &mut self,
        code: &mut InstructionSink<'_>,
        memories: [u32; 2],
        place: CodePlace,
        scratch: Scratch,
    ) {
        if !memories.into_iter().any(|memory| self.is_runtimes(memory)) {
            return;
        }
        // Between two memories, of which one may have wide addresses, the types differ.
        if memories[1] != u32::MAX && memories[0] != memories[1] {
            return;
        }
        let [to, from, bytes] = scratch.i32s;
        code.local_set(bytes).local_set(from).local_set(to);
        let ends = if memories[1] == u32::MAX { &[to][..] } else { &[from, to][..] };
        for &at in ends {
            let site = self.site(place);
            code.local_get(at)
                .local_get(bytes)
                .i64_const(i64::from(site) << 8)
                .local_get(scratch.depth);
            self.call(code, Check::Range);
        }
        code.local_get(to).local_get(from).local_get(bytes);
    }
}
