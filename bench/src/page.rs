//! The part of docs/performance.md that is measured.

mod tables;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::about;
use crate::growth::{self, Growth};
use crate::guest;
use crate::instances::{self, Instances};
use crate::report::Report;
use crate::rival::Form;
use crate::rounds::{self, Plan};
use crate::tools::Tools;
use crate::workload::Scale;

/// The marks before and after the part that is written here.
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

/// Tells whether there is a page to write to.
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
    let page = splice(&page, &tables::text(measured)).ok_or_else(|| lacking(path))?;
    fs::write(path, page).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// The page with another text between the two lines.
fn splice(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n\n{text}\n{END}{after}"))
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
}
