//! The outcome of a run, in text or as JSON.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::HumanCount;
use rootstock_host::report::{self, Report};
use rootstock_host::wasmtime::Val;
use rootstock_host::{Audit, Error, Instance, TrapReport};
use rootstock_program::text::harmless;
use runtime::stats::{STATS, StatInfo};
use serde_json::{Map, Value, json};

use crate::values;

/// The outcome of a run.
pub(super) struct Outcome {
    /// The results of the function; `None` if none was called.
    results: Option<Vec<Val>>,
    /// Why the run failed, at length.
    failure: Option<Failure>,
    stats: Vec<(&'static StatInfo, i64)>,
    audit: Audit,
}

/// A failure, in words and for programs.
struct Failure {
    text: String,
    json: Value,
}

impl Failure {
    fn plain(text: String) -> Self {
        let json = json!({ "message": text });
        Self { text, json }
    }

    fn trap(trap: &TrapReport, instance: &Instance, hints: Vec<String>) -> Self {
        let backtrace: Vec<String> = trap.backtrace.iter().map(|frame| frame.to_string()).collect();
        let json = json!({
            "message": trap.to_string(),
            "code": trap.code.map(|row| row.name),
            "argument": trap.code.map(|_| trap.arg),
            "backtrace": backtrace,
        });
        let text = Report { trap, handles: instance.handles(), hints };
        Self { text: text.to_string(), json }
    }
}

impl Outcome {
    /// Looks at the instance after the run; a run that went well is ended with `gc_shutdown`, so that every handle that
    /// is left is told.
    pub(super) fn new(
        instance: &mut Instance,
        verify: bool,
        result: Result<Option<Vec<Val>>, Error>,
        hints: impl Fn(&TrapReport) -> Vec<String>,
    ) -> Self {
        let failed = |instance: &Instance, error: &Error| match error {
            Error::Trap(trap) => Failure::trap(trap, instance, hints(trap)),
            other => Failure::plain(other.to_string()),
        };
        let (results, mut failure) = match &result {
            Ok(results) => (results.clone(), None),
            Err(error) => (None, Some(failed(instance, error))),
        };
        // Of a program that was linked without the runtime's exports nothing can be asked.
        let rows = if instance.is_complete() { STATS } else { &[] };
        let stats = rows.iter().map(|row| (row, instance.stat(row.stat))).collect();
        if failure.is_none() && verify && instance.is_complete() {
            failure = match instance.verify() {
                Ok(0) => None,
                Ok(code) => Some(Failure::plain(format!(
                    "the heap is corrupt at the end of the run: gc_verify returns {}",
                    report::invariant(code)
                ))),
                Err(error) => Some(failed(instance, &error)),
            };
        }
        if failure.is_none()
            && let Err(error) = instance.shutdown()
        {
            failure = Some(failed(instance, &error));
        }
        Self { results, failure, stats, audit: instance.handles().audit() }
    }

    pub(super) fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// Breaches of the promise about handles. A program that makes its own numbers has none of ours to be held to.
    fn breaches(&self) -> Vec<String> {
        if self.audit.made == 0 {
            return Vec::new();
        }
        let faults = self.audit.faults.iter();
        faults
            .map(|found| {
                format!(
                    "handle {} (kind {}) {}",
                    found.handle,
                    found.kind,
                    report::fault(found.what)
                )
            })
            .collect()
    }
}

/// The form in which an outcome is printed.
pub(super) struct Printer {
    pub(super) json: bool,
    pub(super) stats: bool,
}

impl Printer {
    /// Prints, and says how the process is to exit.
    pub(super) fn print(&self, instance: &mut Instance, outcome: &Outcome) -> ExitCode {
        let success = outcome.failure.is_none();
        if self.json {
            let output = String::from_utf8_lossy(&instance.take_output()).into_owned();
            return crate::finish(&format!("{}\n", self.as_json(outcome, output)), success);
        }
        let code = match instance.flush_output() {
            Ok(()) => crate::finish(&self.as_text(outcome), success),
            failed => crate::exit_code(failed, success),
        };
        let mut stderr = io::stderr().lock();
        // Where standard error is closed there is only the exit code left.
        for breach in outcome.breaches() {
            let _ = writeln!(stderr, "warning: {breach}");
        }
        if let Some(failure) = &outcome.failure {
            let _ = writeln!(stderr, "error: {}", harmless(&failure.text));
        }
        code
    }

    /// All that can be printed, in both formats.
    pub(super) fn show(&self, instance: &mut Instance, outcome: &Outcome) -> String {
        let output = String::from_utf8_lossy(&instance.take_output()).into_owned();
        let json = self.as_json(outcome, output).to_string();
        let failure = outcome.failure.as_ref().map_or("", |failure| &failure.text);
        format!("{}{}{failure}{json}", self.as_text(outcome), outcome.breaches().join("\n"))
    }

    fn as_text(&self, outcome: &Outcome) -> String {
        let mut text = String::new();
        for result in outcome.results.iter().flatten() {
            text.push_str(&values::show(result));
            text.push('\n');
        }
        if self.stats {
            text.push_str(&format!(
                "{}\n{}\n",
                stats_table(&outcome.stats),
                audit_table(&outcome.audit)
            ));
        }
        text
    }

    fn as_json(&self, outcome: &Outcome, output: String) -> Value {
        let mut object = Map::new();
        let results = outcome.results.as_ref();
        object.insert(
            "results".into(),
            results.map_or(Value::Null, |results| results.iter().map(values::json).collect()),
        );
        object.insert("output".into(), output.into());
        object.insert(
            "error".into(),
            outcome.failure.as_ref().map_or(Value::Null, |failure| failure.json.clone()),
        );
        let stats = outcome.stats.iter().map(|(row, value)| (row.name.to_owned(), (*value).into()));
        object.insert("stats".into(), Value::Object(stats.collect()));
        let audit = audit_rows(&outcome.audit);
        let handles =
            audit.into_iter().map(|(name, count, _)| (name.replace(' ', "_"), count.into()));
        object.insert("handles".into(), Value::Object(handles.collect()));
        object.insert("warnings".into(), outcome.breaches().into());
        Value::Object(object)
    }
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(120)
        .set_header(header);
    if let Some(values) = table.column_mut(1) {
        values.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn stats_table(stats: &[(&StatInfo, i64)]) -> Table {
    let mut table = table(["statistic", "value", "unit", "meaning"]);
    for (row, value) in stats {
        table.add_row([row.name, &count(*value), row.unit, row.meaning]);
    }
    table
}

fn count(value: i64) -> String {
    match u64::try_from(value) {
        Ok(value) => HumanCount(value).to_string(),
        Err(_) => value.to_string(),
    }
}

fn audit_rows(audit: &Audit) -> [(&'static str, u64, &'static str); 8] {
    [
        ("made", audit.made, "given out by the host"),
        ("live", audit.live, "not told yet"),
        ("told once", audit.told_once, "notified of as dead, once"),
        ("told twice", audit.told_twice, "told to be dead more than once: a fault"),
        (
            "never told",
            audit.never_told,
            "not told although the runtime was shut down: never registered",
        ),
        ("removed", audit.removed, "taken back by the host"),
        ("unknown", audit.unknown, "tellings of numbers that the host had not made"),
        (
            "wrong kind",
            audit.wrong_kind,
            "tellings with another kind than the handle was made with: a fault",
        ),
    ]
}

fn audit_table(audit: &Audit) -> Table {
    let mut table = table(["handles", "count", "meaning"]);
    for (name, number, meaning) in audit_rows(audit) {
        table.add_row([name, &HumanCount(number).to_string(), meaning]);
    }
    table
}
