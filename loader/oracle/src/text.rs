//! Programs as text: what a failing case is written as, and what `rootstock replay` reads.
//!
//! ```text
//! rootstock replay 1           # the first line; the rest of a line after # is a comment
//! pages 256                    # how far the host lets memory grow
//! static 5000                  # bytes of static data
//! x0 = alloc 16                # an object and its name
//! push x0
//! store x0 1 x0+8              # word 1 of x0 holds the address 8 bytes into x0
//! register_wrapper x0 7 42     # kind 7, handle 42
//! told 42 catches              # what the host does when it is told of handle 42
//!   x1 = alloc_atomic 100
//!   trap
//! end
//! ```

use std::collections::HashSet;
use std::fmt;
use std::str::SplitWhitespace;

use runtime::options::OPTIONS;

use crate::program::{How, Name, Op, Program, Script, Word};

/// The first line of a file.
const HEADER: &str = "rootstock replay 1";
/// More than this in one operation is a mistake, not a test.
const MOST: u32 = 1_000_000;

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:#x}"),
            Self::Object(name, 0) => write!(f, "x{name}"),
            Self::Object(name, offset) => write!(f, "x{name}+{offset}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.keyword();
        match self {
            Self::Alloc { name, size, .. } => write!(f, "x{name} = {word} {size}"),
            Self::Fan { name, count, size } | Self::Comb { name, count, size } => {
                write!(f, "x{name} = {word} {count} {size}")
            }
            Self::Burst { count, size, kind, handle } => {
                write!(f, "{word} {count} {size} {kind} {handle}")
            }
            Self::Push(value)
            | Self::Pin(value)
            | Self::Unpin(value)
            | Self::Release(value)
            | Self::Ask(value) => write!(f, "{word} {value}"),
            Self::Set { slot, value } => write!(f, "{word} {slot} {value}"),
            Self::Store { object, word: at, value } => write!(f, "{word} x{object} {at} {value}"),
            Self::Static { word: at, value } => write!(f, "{word} {at} {value}"),
            Self::AddRoots(start, end) | Self::RemoveRoots(start, end) => {
                write!(f, "{word} {start} {end}")
            }
            Self::Register { object, kind, handle, external: None }
            | Self::TryRegister { object, kind, handle } => {
                write!(f, "{word} {object} {kind} {handle}")
            }
            Self::Register { object, kind, handle, external: Some(bytes) } => {
                write!(f, "{word} {object} {kind} {handle} {bytes}")
            }
            Self::Configure(option, value) => match OPTIONS.get(*option as usize) {
                Some(row) => write!(f, "{word} {} {value}", row.name),
                None => write!(f, "{word} {option} {value}"),
            },
            Self::Pop(number)
            | Self::Notify(number)
            | Self::Init(number)
            | Self::Grow(number)
            | Self::Limit(number) => {
                write!(f, "{word} {number}")
            }
            Self::CollectWithSp(sp) => write!(f, "{word} {sp:#x}"),
            Self::Collect | Self::Shutdown | Self::CollectWithoutGuard | Self::Trap => {
                f.write_str(word)
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(f, "pages {}", self.pages)?;
        writeln!(f, "static {}", self.statics)?;
        for op in &self.ops {
            writeln!(f, "{op}")?;
        }
        for (handle, script) in &self.told {
            writeln!(f, "told {handle}{}", if script.catches { " catches" } else { "" })?;
            for op in &script.ops {
                writeln!(f, "  {op}")?;
            }
            writeln!(f, "end")?;
        }
        Ok(())
    }
}

impl Program {
    /// Reads a text; an error is the line's number and what is wrong with it.
    ///
    /// # Errors
    ///
    /// If a line is no operation: its number, and why.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        let (number, header) = lines.next().unwrap_or((1, ""));
        if header != HEADER {
            return Err((number, format!("the first line is `{HEADER}`")));
        }
        let mut parser = Parser::default();
        let mut last = number;
        for (number, line) in lines {
            last = number;
            parser.line(line).map_err(|cause| (number, cause))?;
        }
        parser.finish().map_err(|cause| (last, cause))
    }
}

struct Parser {
    program: Program,
    /// The handle whose script is being read.
    open: Option<u32>,
    names: HashSet<Name>,
    handles: HashSet<u32>,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            program: Program::new(256, 0),
            open: None,
            names: HashSet::new(),
            handles: HashSet::new(),
        }
    }
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut rest = Rest(line.split_whitespace());
        let first = rest.word("an operation")?;
        match (first, self.open) {
            ("pages", None) => {
                self.program.pages = rest.number("pages")?;
                if !(Program::LEAST_PAGES..=65_536).contains(&self.program.pages) {
                    return Err(format!("pages are {} to 65536", Program::LEAST_PAGES));
                }
            }
            // `static` with one number is the header's, with a word and a value an operation
            ("static", None) if rest.0.clone().count() == 1 => {
                self.program.statics = rest.number("bytes")?;
                if self.program.statics > 1 << 28 {
                    return Err("static data are at most 256 MiB".to_owned());
                }
            }
            ("told", None) => self.told(&mut rest)?,
            ("end", Some(_)) => self.open = None,
            ("told" | "pages", Some(handle)) => {
                return Err(format!("`end` of `told {handle}` is missing before `{first}`"));
            }
            ("end", None) => return Err("there is no `told` that this ends".to_owned()),
            _ => {
                let op = self.op(first, &mut rest)?;
                match self.open {
                    None if op == Op::Trap => {
                        return Err("only the host traps: inside `told`".to_owned());
                    }
                    None => self.program.ops.push(op),
                    Some(handle) => {
                        self.program.told.entry(handle).or_default().ops.push(op);
                    }
                }
            }
        }
        rest.end()
    }

    fn told(&mut self, rest: &mut Rest<'_>) -> Result<(), String> {
        let handle = rest.number("a handle")?;
        let catches = match rest.0.next() {
            None => false,
            Some("catches") => true,
            Some(other) => return Err(format!("`{other}` is not `catches`")),
        };
        let script = Script { ops: Vec::new(), catches };
        if self.program.told.insert(handle, script).is_some() {
            return Err(format!("there is a `told {handle}` above"));
        }
        self.open = Some(handle);
        Ok(())
    }

    fn op(&mut self, first: &str, rest: &mut Rest<'_>) -> Result<Op, String> {
        if let Some(name) = name(first) {
            if rest.word("`=`")? != "=" {
                return Err(format!("`=` is missing after `{first}`"));
            }
            if !self.names.insert(name) {
                return Err(format!("there is an {first} above"));
            }
            let how = match rest.word("an allocation")? {
                "alloc" => How::Alloc,
                "alloc_atomic" => How::Atomic,
                "try_alloc" => How::Try,
                "try_alloc_atomic" => How::TryAtomic,
                "inline_alloc" => How::Inline,
                "inline_alloc_atomic" => How::InlineAtomic,
                many @ ("fan" | "comb") => {
                    let (count, size) = (rest.bounded("how many")?, rest.bounded("a size")?);
                    return Ok(match many {
                        "fan" => Op::Fan { name, count, size },
                        _ => Op::Comb { name, count, size },
                    });
                }
                other => return Err(format!("`{other}` does not allocate a named object")),
            };
            return Ok(Op::Alloc { name, how, size: rest.number("a size")? });
        }
        Ok(match first {
            "burst" => {
                let (count, size) = (rest.bounded("how many")?, rest.bounded("a size")?);
                let (kind, handle) = (rest.number("a kind")?, rest.number("a handle")?);
                for handle in handle..handle.checked_add(count).ok_or("too many handles")? {
                    self.handle(handle)?;
                }
                Op::Burst { count, size, kind, handle }
            }
            "push" => Op::Push(rest.value()?),
            "set" => Op::Set { slot: rest.number("a slot")?, value: rest.value()? },
            "pop" => Op::Pop(rest.number("how many")?),
            "store" => {
                let object = rest.word("an object")?;
                let object = name(object).ok_or_else(|| format!("`{object}` is no object"))?;
                Op::Store { object, word: rest.number("a word's index")?, value: rest.value()? }
            }
            "static" => Op::Static { word: rest.number("a word's index")?, value: rest.value()? },
            "gc_add_roots" => Op::AddRoots(rest.number("a start")?, rest.number("an end")?),
            "gc_remove_roots" => Op::RemoveRoots(rest.number("a start")?, rest.number("an end")?),
            "gc_pin" => Op::Pin(rest.value()?),
            "gc_unpin" => Op::Unpin(rest.value()?),
            "register_wrapper" | "register_wrapper_sized" => {
                let (object, kind) = (rest.value()?, rest.number("a kind")?);
                let handle = rest.number("a handle")?;
                self.handle(handle)?;
                let sized = first == "register_wrapper_sized";
                let external = if sized { Some(rest.number("bytes")?) } else { None };
                Op::Register { object, kind, handle, external }
            }
            "try_register_wrapper" => {
                let (object, kind) = (rest.value()?, rest.number("a kind")?);
                let handle = rest.number("a handle")?;
                self.handle(handle)?;
                Op::TryRegister { object, kind, handle }
            }
            "release_wrapper" => Op::Release(rest.value()?),
            "gc_collect" => Op::Collect,
            "gc_notify" => Op::Notify(rest.number("how many")?),
            "gc_shutdown" => Op::Shutdown,
            "gc_configure" => Op::Configure(rest.option()?, rest.number("a value")?),
            "gc_init" => Op::Init(rest.number("bytes")?),
            "grow" => Op::Grow(rest.number("pages")?),
            "limit" => Op::Limit(rest.number("pages")?),
            "ask" => Op::Ask(rest.value()?),
            "collect_with_sp" => Op::CollectWithSp(rest.number("a value")?),
            "collect_without_guard" => Op::CollectWithoutGuard,
            "trap" => Op::Trap,
            other => {
                let known = Op::KEYWORDS.map(str::to_owned);
                return Err(format!("`{other}` is no operation{}", choice(other, &known)));
            }
        })
    }

    fn handle(&mut self, handle: u32) -> Result<(), String> {
        if self.handles.insert(handle) {
            Ok(())
        } else {
            Err(format!("handle {handle} is registered above"))
        }
    }

    fn finish(self) -> Result<Program, String> {
        match self.open {
            None => Ok(self.program),
            Some(handle) => Err(format!("`end` of `told {handle}` is missing")),
        }
    }
}

/// The rest of a line.
struct Rest<'a>(SplitWhitespace<'a>);

impl<'a> Rest<'a> {
    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn number(&mut self, what: &str) -> Result<u32, String> {
        let text = self.word(what)?;
        number(text).ok_or_else(|| format!("`{text}` is not {what}: a number of 32 bits"))
    }

    fn bounded(&mut self, what: &str) -> Result<u32, String> {
        match self.number(what)? {
            number if number <= MOST => Ok(number),
            number => Err(format!("{number} is too much: at most {MOST}")),
        }
    }

    fn value(&mut self) -> Result<Word, String> {
        let text = self.word("a word")?;
        let (base, offset) = text.split_once('+').unwrap_or((text, "0"));
        match (name(base), number(offset), number(text)) {
            (Some(name), Some(offset), _) => Ok(Word::Object(name, offset)),
            (_, _, Some(number)) => Ok(Word::Number(number)),
            _ => Err(format!("`{text}` is neither an object (`x1`, `x1+8`) nor a number")),
        }
    }

    fn option(&mut self) -> Result<u32, String> {
        let text = self.word("an option")?;
        let known = OPTIONS.iter().position(|row| row.name == text);
        match known.and_then(|index| u32::try_from(index).ok()).or_else(|| number(text)) {
            Some(option) => Ok(option),
            None => {
                let names: Vec<_> = OPTIONS.iter().map(|row| row.name.to_owned()).collect();
                Err(format!("`{text}` is no option{}", choice(text, &names)))
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(more) => Err(format!("`{more}` is one word too many")),
        }
    }
}

fn name(text: &str) -> Option<Name> {
    let digits = text.strip_prefix('x')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A hint at the name that was meant, if one is close.
fn choice(name: &str, known: &[String]) -> String {
    /// Names that are further apart are not meant.
    const CLOSE: f64 = 0.8;
    let likely = known
        .iter()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|&(closeness, _)| closeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    likely.map_or_else(String::new, |(_, other)| format!("; did you mean `{other}`?"))
}
