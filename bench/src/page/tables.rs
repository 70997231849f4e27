//! The tables of the page.

use std::fmt::Write as _;

use super::Measured;
use crate::growth::Growth;
use crate::instances::Instances;
use crate::report::{CellReport, Report, RowReport, mebibytes, number};

/// Everything between the two lines.
pub(super) fn text(measured: &Measured) -> String {
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
            line(
                text,
                &[
                    row.title.to_owned(),
                    form(target.ours).to_owned(),
                    target.target.clone(),
                    or_dash(target.found),
                    verdict(target.met, target.found, target.limit),
                ],
            );
        }
    }
    let ours = measured.instances.iter().find(|one| one.id == "ours-x");
    let mut bound = |work: &str, target: &str, found: Option<f64>, limit: f64| {
        let verdict = verdict(found.map(|found| found <= limit), found, limit);
        let cells = [work, "two modules", target].map(str::to_owned);
        line(text, &[&cells[..], &[or_dash(found), verdict]].concat());
    };
    bound("instantiation", "≤ 12 µs", ours.map(|one| one.instantiate), 12.0);
    bound("an idle instance", "≤ 8 KiB", ours.map(|one| one.idle), 8.0);
    let size = measured.sizes.iter().find(|size| size.0 == "Rootstock");
    let size = size.map(|size| size.2 as f64 / 1024.0);
    bound("the module after wasm-opt -Oz", "≤ 12 KiB", size, 12.0);
}

/// Tells whether a target is met, and if not, by how much it is missed.
fn verdict(met: Option<bool>, found: Option<f64>, limit: f64) -> String {
    match (met, found) {
        (Some(true), _) => "met".to_owned(),
        (Some(false), Some(found)) => {
            format!("**missed** by {:.0} %", (found / limit - 1.0) * 100.0)
        }
        _ => "not measured".to_owned(),
    }
}

fn form(id: &str) -> &str {
    match id {
        "ours-x" => "two modules",
        "ours-m" => "merged",
        "ours-i" => "merged, optimised",
        "ours-run" => "two modules, `gc_run`",
        "ours-run-i" => "merged, optimised, `gc_run`",
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
            "two modules, `gc_run`",
            "optimised, `gc_run`",
            "bumpwrap",
            "bump",
            "best rival",
            "",
            "two modules : best rival",
            "optimised : best rival",
            "optimised, `gc_run` : best rival",
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
                or_dash(median("ours-run")),
                or_dash(median("ours-run-i")),
                or_dash(median("bumpwrap")),
                or_dash(median("bump")),
                or_dash(best.and_then(|cell| cell.time).map(|time| time.median)),
                best.map_or_else(String::new, |cell| cell.title.clone()),
                or_dash(cell(row, "ours-x").and_then(|cell| cell.by_best_rival)),
                or_dash(cell(row, "ours-i").and_then(|cell| cell.by_best_rival)),
                or_dash(cell(row, "ours-run-i").and_then(|cell| cell.by_best_rival)),
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
    fn a_table_says_which_columns_are_numbers() {
        let mut text = String::new();
        head(&mut text, &["work", "ns"], 1);
        line(&mut text, &["trees".to_owned(), "1.5".to_owned()]);
        assert_eq!(text, "| work | ns |\n| --- | ---: |\n| trees | 1.5 |\n");
    }
}
