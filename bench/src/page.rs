//! The part of docs/performance.md that is measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::about;
use crate::growth::{self, Growth};
use crate::guest;
use crate::instances::{self, Instances};
use crate::report::{CellReport, Report, RowReport, mebibytes, number};
use crate::rival::Form;
use crate::rounds::{self, Plan};
use crate::tools::Tools;
use crate::workload::Scale;

/// What stands before and after the part that is written here.
const START: &str = "<!-- table: written by bench -->";
const END: &str = "<!-- end of what bench writes -->";

/// Everything that the page is made of.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The workloads.
    pub report: Report,
    /// Instances.
    pub instances: Vec<Instances>,
    /// GROWTH_PERCENT, by workload.
    pub growth: Vec<(&'static str, Vec<Growth>)>,
    /// Bytes of modules: as they are, and after `wasm-opt -Oz`.
    pub sizes: Vec<(String, usize, usize)>,
}

/// Measures everything.
pub fn measure(plan: &Plan, tools: &Tools, mut say: impl FnMut(&str)) -> Result<Measured, String> {
    let rows = rounds::run(plan, tools, &mut say);
    let mut about = about::machine();
    about.push(("rounds".to_owned(), plan.rounds.to_string()));
    if plan.scale != Scale::Full {
        let size = "a quick run, whose workloads are smaller than their names say";
        about.push(("size".to_owned(), size.to_owned()));
    }
    let report = Report::new(&rows, about);
    let here = plan.rivals.iter().filter(|rival| rival.runs_here());
    let mut instances = Vec::new();
    for rival in here.clone().filter(|rival| INSTANCES.contains(&rival.id.as_str())) {
        say(&format!("instances: {}", rival.id));
        match instances::measure(rival, tools) {
            Ok(found) => instances.push(found),
            Err(reason) => say(&format!("{}: left out: {reason}", rival.id)),
        }
    }
    let ours = plan.rivals.iter().find(|rival| rival.id == "ours-x").ok_or("there is no ours-x")?;
    let growth = growth::measure(ours, plan, tools, &mut say);
    let mut sizes = Vec::new();
    for rival in here.filter(|rival| rival.form == Form::Across) {
        let name = if rival.is_ours() { "Rootstock" } else { rival.title.as_str() };
        if let Ok(Some(module)) = guest::allocator(rival, tools)
            && let Ok(smallest) = tools.smallest(&module)
        {
            sizes.push((name.to_owned(), module.len(), smallest.len()));
        }
    }
    Ok(Measured { report, instances, growth, sizes })
}

/// Of whom instances are made.
const INSTANCES: &[&str] = &[
    "ours-x",
    "ours-m",
    "ours-i",
    "bump",
    "dlmalloc",
    "talc",
    "vera",
    "as-incremental",
    "gc-copying",
    "gc-drc",
];

/// Whether there is a page to write to.
pub fn check(path: &Path) -> Result<(), String> {
    let page = fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    splice(&page, "").map(drop).ok_or_else(|| lacking(path))
}

fn lacking(path: &Path) -> String {
    format!("{} does not have the lines {START} and {END}", path.display())
}

/// Puts the tables into the page at `path`, which says everything else.
pub fn write(measured: &Measured, path: &Path) -> Result<(), String> {
    let page = fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let page = splice(&page, &text(measured)).ok_or_else(|| lacking(path))?;
    fs::write(path, page).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// The page with another text between the two lines.
fn splice(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n\n{text}\n{END}{after}"))
}

fn text(measured: &Measured) -> String {
    let report = &measured.report;
    let about: Vec<String> =
        report.about.iter().map(|(what, which)| format!("{what}: {which}")).collect();
    let mut text = format!("Measured with {}.\n\n", about.join("; "));
    text.push_str("### Targets\n\n");
    targets(&mut text, measured);
    text.push_str("\n### Results\n\n");
    summary(&mut text, report);
    text.push_str("\n![Every workload](performance.svg)\n\n### Pauses\n\n");
    pauses(&mut text, report);
    text.push_str("\n![Pauses](performance-pauses.svg)\n\n### Instances\n\n");
    instances(&mut text, &measured.instances);
    text.push_str("\n### Growth\n\n");
    growth(&mut text, &measured.growth);
    text.push_str("\n![GROWTH_PERCENT](performance-growth.svg)\n\n### Sizes\n\n");
    sizes(&mut text, &measured.sizes);
    text.push_str("\n### Everything\n\n");
    for row in &report.rows {
        everything(&mut text, row);
    }
    text
}

/// A line of a table.
fn line(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// The first two lines of a table: the first `left` columns are text, the others numbers.
fn head(text: &mut String, names: &[&str], left: usize) {
    let _ = writeln!(text, "| {} |", names.join(" | "));
    let rule: Vec<&str> =
        (0..names.len()).map(|at| if at < left { "---" } else { "---:" }).collect();
    let _ = writeln!(text, "| {} |", rule.join(" | "));
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn targets(text: &mut String, measured: &Measured) {
    head(text, &["work", "build", "target", "found", ""], 3);
    for row in &measured.report.rows {
        for target in &row.targets {
            let verdict = match (target.met, target.found) {
                (Some(true), _) => "met".to_owned(),
                (Some(false), Some(found)) => {
                    format!("**missed** by {:.0} %", (found / target.limit - 1.0) * 100.0)
                }
                _ => "not measured".to_owned(),
            };
            line(
                text,
                &[
                    row.title.to_owned(),
                    form(target.ours).to_owned(),
                    target.target.clone(),
                    or_dash(target.found),
                    verdict,
                ],
            );
        }
    }
    let ours = measured.instances.iter().find(|one| one.id == "ours-x");
    let mut bound = |work: &str, target: &str, found: Option<f64>, limit: f64| {
        let verdict = match found {
            Some(found) if found <= limit => "met".to_owned(),
            Some(found) => format!("**missed** by {:.0} %", (found / limit - 1.0) * 100.0),
            None => "not measured".to_owned(),
        };
        let cells = [work, "two modules", target].map(str::to_owned);
        line(text, &[&cells[..], &[or_dash(found), verdict]].concat());
    };
    bound("instantiation", "≤ 12 µs", ours.map(|one| one.instantiate), 12.0);
    bound("an idle instance", "≤ 8 KiB", ours.map(|one| one.idle), 8.0);
    let size = measured.sizes.iter().find(|size| size.0 == "Rootstock");
    let size = size.map(|size| size.2 as f64 / 1024.0);
    bound("the module after wasm-opt -Oz", "≤ 12 KiB", size, 12.0);
}

fn form(id: &str) -> &str {
    match id {
        "ours-x" => "two modules",
        "ours-m" => "merged",
        "ours-i" => "merged, optimised",
        other => other,
    }
}

fn summary(text: &mut String, report: &Report) {
    head(
        text,
        &[
            "work",
            "",
            "two modules",
            "merged",
            "merged, optimised",
            "bumpwrap",
            "bump",
            "best rival",
            "",
            "two modules : best rival",
            "optimised : best rival",
        ],
        2,
    );
    for row in &report.rows {
        let median = |id| cell(row, id).and_then(|cell| cell.time).map(|time| time.median);
        let best = row.best_rival.as_deref().and_then(|id| cell(row, id));
        line(
            text,
            &[
                row.title.to_owned(),
                row.unit.to_owned(),
                or_dash(median("ours-x")),
                or_dash(median("ours-m")),
                or_dash(median("ours-i")),
                or_dash(median("bumpwrap")),
                or_dash(median("bump")),
                or_dash(best.and_then(|cell| cell.time).map(|time| time.median)),
                best.map_or_else(String::new, |cell| cell.title.clone()),
                or_dash(cell(row, "ours-x").and_then(|cell| cell.by_best_rival)),
                or_dash(cell(row, "ours-i").and_then(|cell| cell.by_best_rival)),
            ],
        );
    }
}

fn cell<'a>(row: &'a RowReport, id: &str) -> Option<&'a CellReport> {
    row.cells.iter().find(|cell| cell.id == id && cell.time.is_some())
}

fn pauses(text: &mut String, report: &Report) {
    let shown = [
        ("ours-x", "Rootstock"),
        ("gc-copying", "copying"),
        ("gc-drc", "DRC"),
        ("vera", "Vera"),
        ("bump", "bump"),
    ];
    let names: Vec<&str> = ["work"].into_iter().chain(shown.map(|(_, name)| name)).collect();
    head(text, &names, 1);
    for row in &report.rows {
        let of = |id: &str| {
            let pauses = cell(row, id).and_then(|cell| cell.pauses);
            pauses.map_or_else(
                || "–".to_owned(),
                |found| {
                    let [p50, p99, max] = [found.p50, found.p99, found.max].map(number);
                    format!("{}: {p50} / {p99} / {max}", found.pauses)
                },
            )
        };
        if cell(row, "ours-x").is_some_and(|cell| cell.pauses.is_some()) {
            let cells: Vec<String> =
                [row.title.to_owned()].into_iter().chain(shown.map(|(id, _)| of(id))).collect();
            line(text, &cells);
        }
    }
}

fn instances(text: &mut String, found: &[Instances]) {
    head(
        text,
        &[
            "",
            "instantiate, µs",
            "to the first object, µs",
            "idle, KiB",
            "with one object, KiB",
            "1,000 idle in a pool, MiB",
            "10,000 idle in a pool, MiB",
        ],
        1,
    );
    for one in found {
        let pooled = |at: usize| or_dash(one.pooled.get(at).map(|pool| pool.1));
        let figures = [one.instantiate, one.first_object, one.idle, one.used].map(number);
        line(
            text,
            &[std::slice::from_ref(&one.title), &figures[..], &[pooled(0), pooled(1)]].concat(),
        );
    }
}

fn growth(text: &mut String, found: &[(&'static str, Vec<Growth>)]) {
    head(
        text,
        &["work", "GROWTH_PERCENT", "time : default", "peak, MiB", "p99 pause, µs", "longest, µs"],
        1,
    );
    for (title, values) in found {
        for value in values {
            line(
                text,
                &[
                    (*title).to_owned(),
                    value.percent.to_string(),
                    number(value.by_default),
                    mebibytes(value.peak),
                    number(value.p99),
                    number(value.max),
                ],
            );
        }
    }
}

fn sizes(text: &mut String, found: &[(String, usize, usize)]) {
    head(text, &["", "bytes", "after wasm-opt -Oz"], 1);
    for (name, bytes, smallest) in found {
        line(text, &[name.clone(), bytes.to_string(), smallest.to_string()]);
    }
}

/// A table of everyone, folded away.
fn everything(text: &mut String, row: &RowReport) {
    let _ = writeln!(text, "<details><summary>{}, {}</summary>\n", row.title, row.unit);
    head(
        text,
        &[
            "",
            "median",
            "min",
            "max",
            "rounds",
            ": bumpwrap",
            ": bump",
            ": best rival",
            "peak, MiB",
            "fuel",
        ],
        1,
    );
    let mut missing = Vec::new();
    for cell in &row.cells {
        let Some(time) = cell.time else {
            missing.push(format!("{}: {}", cell.title, cell.missing.as_deref().unwrap_or("–")));
            continue;
        };
        let smaller = if cell.smaller { " (a smaller run)" } else { "" };
        line(
            text,
            &[
                format!("{}{smaller}", cell.title),
                number(time.median),
                number(time.min),
                number(time.max),
                time.samples.to_string(),
                or_dash(cell.by_bumpwrap),
                or_dash(cell.by_bump),
                or_dash(cell.by_best_rival),
                mebibytes(cell.peak_bytes),
                or_dash(cell.fuel),
            ],
        );
    }
    for reason in missing {
        let _ = writeln!(text, "\nLeft out: {reason}.");
    }
    text.push_str("\n</details>\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_two_lines_is_written() {
        let page = format!("before\n{START}\nold\n{END}\nafter\n");
        let spliced = splice(&page, "new\n").unwrap();
        assert_eq!(spliced, format!("before\n{START}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(splice(&spliced, "new\n").unwrap(), spliced);
        assert_eq!(splice("a page", "new"), None);
    }

    #[test]
    fn a_table_says_which_columns_are_numbers() {
        let mut text = String::new();
        head(&mut text, &["work", "ns"], 1);
        line(&mut text, &["trees".to_owned(), "1.5".to_owned()]);
        assert_eq!(text, "| work | ns |\n| --- | ---: |\n| trees | 1.5 |\n");
    }
}
