//! Debug information for code that has moved.
//!
//! Addresses of DWARF in wasm are offsets into the code section, and linking moves every function and makes calls
//! longer or shorter. So each address is looked up: line rows one by one, ends of ranges by themselves and not by their
//! length. Addresses in expressions are those of data, which stay; numbers of globals change.

use std::num::NonZero;

use gimli::constants as dw;
use gimli::read::{self, EndianSlice, Operation, UnitRef};
use gimli::write::{
    self, Address, AttributeValue, ConvertError, ConvertResult, ConvertUnit, ConvertUnitEntry,
    EndianVec, Expression, Location, LocationList, Range, RangeList, Sections, UnitEntryId,
};
use gimli::{LittleEndian, SectionId};
use wasm_encoder::CustomSection;

use crate::address::Addresses;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The address of something that is not there, as linkers write it.
const TOMBSTONE: u64 = 0xffff_ffff;

/// The data by which the DWARF of one module is rewritten.
pub struct Moved<'m> {
    /// The file, as messages give it.
    pub file: &'m str,
    /// The contents of a custom section, where there is one of this name.
    pub section: &'m dyn Fn(&str) -> Option<&'m [u8]>,
    /// The new places of its code.
    pub addresses: &'m dyn Addresses,
    /// The new number of a global.
    pub global: &'m dyn Fn(u32) -> Option<u32>,
}

/// The debug sections of all modules as those of one.
///
/// # Errors
///
/// If the debug information of a module cannot be read or rewritten, in words that name its file.
pub fn convert(modules: &[Moved<'_>]) -> Result<Vec<CustomSection<'static>>, String> {
    let mut dwarf = write::Dwarf::new();
    for moved in modules {
        moved.convert(&mut dwarf).map_err(|error| format!("{}: {error}", moved.file))?;
    }
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).map_err(|error| error.to_string())?;
    let mut customs = Vec::new();
    let collected: Result<(), gimli::write::Error> = sections.for_each(|id: SectionId, data| {
        if !data.slice().is_empty() {
            customs
                .push(CustomSection { name: id.name().into(), data: data.slice().to_vec().into() });
        }
        Ok(())
    });
    collected.map_err(|error| error.to_string())?;
    Ok(customs)
}

impl<'m> Moved<'m> {
    fn convert(&self, dwarf: &mut write::Dwarf) -> ConvertResult<()> {
        let load = |id: SectionId| -> Result<_, gimli::Error> {
            Ok(EndianSlice::new((self.section)(id.name()).unwrap_or_default(), LittleEndian))
        };
        let old = read::Dwarf::load(load)?;
        let mut units = dwarf.convert(&old)?;
        while let Some((mut unit, root)) = units.read_unit()? {
            if unit.read_unit.dwo_id.is_some() {
                // The rest is in another file, which nobody rewrites.
                return Err(ConvertError::UnsupportedUnitType);
            }
            self.lines(&mut unit)?;
            let id = unit.unit.root();
            self.attributes(&mut unit, id, &root)?;
            let mut entry = root;
            while let Some(id) = unit.read_entry(&mut entry)? {
                if id.is_some() {
                    let id = unit.add_entry(id, &entry);
                    self.attributes(&mut unit, id, &entry)?;
                }
            }
        }
        Ok(())
    }

    /// The rows are read one by one: the converter would give up the whole table for a row without a file, such as the
    /// one row of an empty function in text.
    fn lines(&self, unit: &mut ConvertUnit<'_, Reader<'m>>) -> ConvertResult<()> {
        // Written in an encoding of our own: the writer panics at some of those that can be read.
        let encoding = Some(gimli::LineEncoding::default());
        let Some(program) = unit.read_line_program(None, encoding)? else { return Ok(()) };
        let (mut program, files) = program.program();
        let Some(old) = unit.read_unit.line_program.clone() else { return Ok(()) };
        let first_file = usize::from(old.header().version() <= 4);
        let mut rows = old.rows();
        // Where the sequence under way begins, and how far it has come.
        let (mut start, mut last) = (None, 0);
        while let Some((_, row)) = rows.next_row()? {
            let address = self.addresses.get(row.address());
            if row.end_sequence() {
                if let Some(start) = start.take() {
                    let length = address.map_or(last, |address| address.saturating_sub(start));
                    program.end_sequence(length.max(last));
                }
                continue;
            }
            // Rows without an address are those of functions that a linker dropped.
            let file = usize::try_from(row.file_index()).ok().filter(|index| *index >= first_file);
            let file = file.and_then(|index| files.get(index));
            let (Some(mut address), Some(file)) = (address, file) else { continue };
            let begin = *start.get_or_insert_with(|| {
                address = self.addresses.sequence(address);
                program.begin_sequence(Some(Address::Constant(address)));
                last = 0;
                address
            });
            last = address.saturating_sub(begin).max(last);
            let new = program.row();
            new.address_offset = last;
            new.file = *file;
            // The writer subtracts.
            new.line = row.line().map_or(0, NonZero::get).min(u32::MAX.into());
            new.column = match row.column() {
                read::ColumnType::LeftEdge => 0,
                read::ColumnType::Column(column) => column.get(),
            };
            new.discriminator = row.discriminator();
            new.is_statement = row.is_stmt();
            new.basic_block = row.basic_block();
            new.prologue_end = row.prologue_end();
            new.epilogue_begin = row.epilogue_begin();
            new.isa = row.isa();
            program.generate_row();
        }
        if program.in_sequence() {
            return Err(ConvertError::MissingLineEndSequence);
        }
        unit.set_line_program(program, files);
        Ok(())
    }

    fn attributes(
        &self,
        unit: &mut ConvertUnit<'_, Reader<'m>>,
        id: UnitEntryId,
        entry: &ConvertUnitEntry<'_, Reader<'m>>,
    ) -> ConvertResult<()> {
        let low = entry.attr_value(dw::DW_AT_low_pc);
        let low = low.and_then(|value| address(entry.read_unit, value));
        // A unit that begins at 0 is one whose code is in several places, or one that has all code there was.
        let low = match low {
            Some(0) if entry.attr(dw::DW_AT_ranges).is_some() => None,
            Some(0) => self.addresses.first().map(|new| (0, new)),
            Some(old) => self.addresses.get(old).map(|new| (old, new)),
            None => None,
        };
        for attr in &entry.attrs {
            let value = match (attr.name(), attr.value()) {
                // Extensions that are safe to ignore, and references to sections that are not rewritten.
                (
                    dw::DW_AT_GNU_locviews
                    | dw::DW_AT_macros
                    | dw::DW_AT_macro_info
                    | dw::DW_AT_GNU_macros,
                    _,
                ) => {
                    continue;
                }
                (dw::DW_AT_low_pc, _) if let Some((_, new)) = low => {
                    AttributeValue::Address(Address::Constant(new))
                }
                (dw::DW_AT_high_pc, value) if let Some(length) = value.udata_value() => {
                    AttributeValue::Udata(low.map_or(0, |low| self.length(low, length)))
                }
                (_, read::AttributeValue::Exprloc(expression)) => {
                    match self.expression(unit, entry.read_unit, expression)? {
                        Some(expression) => AttributeValue::Exprloc(expression),
                        None => continue,
                    }
                }
                (_, read::AttributeValue::RangeListsRef(offset)) => {
                    let offset = entry.read_unit.ranges_offset_from_raw(offset);
                    self.ranges(unit, entry.read_unit, offset)?
                }
                (_, read::AttributeValue::DebugRngListsIndex(index)) => {
                    let offset = entry.read_unit.ranges_offset(index)?;
                    self.ranges(unit, entry.read_unit, offset)?
                }
                (_, read::AttributeValue::LocationListsRef(offset)) => {
                    self.locations(unit, entry.read_unit, offset)?
                }
                (_, read::AttributeValue::DebugLocListsIndex(index)) => {
                    let offset = entry.read_unit.locations_offset(index)?;
                    self.locations(unit, entry.read_unit, offset)?
                }
                _ => unit
                    .convert_attribute_value(entry.read_unit, attr, &|old| Some(self.code(old)))?,
            };
            unit.unit.get_mut(id).set(attr.name(), value);
        }
        Ok(())
    }

    /// The new address of code. There is none at 0, which is the base of units in several places.
    fn code(&self, old: u64) -> Address {
        Address::Constant(if old == 0 { 0 } else { self.addresses.get(old).unwrap_or(TOMBSTONE) })
    }

    /// The new length of code that was at `old` and is at `new`.
    fn length(&self, (old, new): (u64, u64), length: u64) -> u64 {
        let end = self.addresses.get(old.saturating_add(length));
        end.map_or(0, |end| end.saturating_sub(new))
    }

    fn ranges(
        &self,
        unit: &mut ConvertUnit<'_, Reader<'m>>,
        read_unit: UnitRef<'_, Reader<'m>>,
        offset: gimli::RangeListsOffset,
    ) -> ConvertResult<AttributeValue> {
        // Pairs in lists of the old form count from the base of their unit.
        let mut ranges = vec![Range::BaseAddress { address: Address::Constant(0) }];
        let mut old = read_unit.ranges(offset)?;
        while let Some(range) = old.next()? {
            let (Some(begin), Some(end)) =
                (self.addresses.get(range.begin), self.addresses.get(range.end))
            else {
                continue;
            };
            if begin < end {
                let (begin, end) = (Address::Constant(begin), Address::Constant(end));
                ranges.push(Range::StartEnd { begin, end });
            }
        }
        Ok(AttributeValue::RangeListRef(unit.unit.ranges.add(RangeList(ranges))))
    }

    fn locations(
        &self,
        unit: &mut ConvertUnit<'_, Reader<'m>>,
        read_unit: UnitRef<'_, Reader<'m>>,
        offset: gimli::LocationListsOffset,
    ) -> ConvertResult<AttributeValue> {
        let mut locations = vec![Location::BaseAddress { address: Address::Constant(0) }];
        let mut old = read_unit.locations(offset)?;
        while let Some(entry) = old.next()? {
            let Some(data) = self.expression(unit, read_unit, entry.data)? else { continue };
            if entry.range.begin == 0 && entry.range.end == u64::MAX {
                locations.push(Location::DefaultLocation { data });
                continue;
            }
            let begin = self.addresses.get(entry.range.begin);
            let end = self.addresses.get(entry.range.end);
            if let (Some(begin), Some(end)) = (begin, end)
                && begin < end
            {
                let (begin, end) = (Address::Constant(begin), Address::Constant(end));
                locations.push(Location::StartEnd { begin, end, data });
            }
        }
        Ok(AttributeValue::LocationListRef(unit.unit.locations.add(LocationList(locations))))
    }

    /// An expression with the new numbers of globals; none if it has one in a place that is not known here.
    fn expression(
        &self,
        unit: &ConvertUnit<'_, Reader<'m>>,
        read_unit: UnitRef<'_, Reader<'m>>,
        expression: read::Expression<Reader<'m>>,
    ) -> ConvertResult<Option<Expression>> {
        let mut operations = expression.operations(read_unit.encoding());
        let mut all = Vec::new();
        while let Some(operation) = operations.next()? {
            all.push(operation);
        }
        if !all.iter().any(|operation| matches!(operation, Operation::WasmGlobal { .. })) {
            let data = |address| Some(Address::Constant(address));
            return unit.convert_expression(read_unit, expression, &data).map(Some);
        }
        let mut new = Expression::new();
        for operation in all {
            match operation {
                Operation::WasmGlobal { index } => match (self.global)(index) {
                    Some(index) => new.op_wasm_global(index),
                    None => return Ok(None),
                },
                Operation::PlusConstant { value } => new.op_plus_uconst(value),
                Operation::StackValue => new.op(dw::DW_OP_stack_value),
                _ => return Ok(None),
            }
        }
        Ok(Some(new))
    }
}

/// An address, written out or by its number.
fn address(unit: UnitRef<'_, Reader<'_>>, value: read::AttributeValue<Reader<'_>>) -> Option<u64> {
    match value {
        read::AttributeValue::Addr(address) => Some(address),
        read::AttributeValue::DebugAddrIndex(index) => unit.address(index).ok(),
        // some write it as a number
        value => value.udata_value(),
    }
}
