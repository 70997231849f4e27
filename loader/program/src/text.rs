//! Text for messages: names out of programs, made harmless, and lists of faults.

use std::fmt::Write;

/// Tells whether a terminal would obey this character, or hide it, rather than show it.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(c: char) -> String {
    if is_unseen(c) { c.escape_unicode().to_string() } else { c.to_string() }
}

/// A name out of a program as messages show it: on one line, without anything that a terminal would obey, and not
/// endless.
pub fn shown(name: &str) -> String {
    const LONGEST: usize = 300;
    let mut chars = name.chars();
    let mut text: String = chars.by_ref().take(LONGEST).map(escaped).collect();
    if chars.next().is_some() {
        text.push_str("...");
    }
    text
}

/// A whole message as a terminal may see it: its lines stay.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, '\n' | '\t') { c.to_string() } else { escaped(c) })
        .collect()
}

/// A place in a source, as compilers write it.
pub fn place(file: &str, line: u32, column: Option<u32>) -> String {
    // Text that was assembled from a relative path has that path below `.`.
    let file = shown(file.strip_prefix("./").unwrap_or(file));
    match column {
        Some(column) => format!("{file}:{line}:{column}"),
        None => format!("{file}:{line}"),
    }
}

/// Lists of more names than this help nobody.
const LISTED_NAMES: usize = 40;

/// Names, and how many more there are than are shown.
pub fn list(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(LISTED_NAMES).map(|name| shown(name)).collect();
    match names.len().checked_sub(LISTED_NAMES) {
        None | Some(0) => first.join(", "),
        Some(more) => format!("{}, ... and {more} more", first.join(", ")),
    }
}

/// "; did you mean ...", or the list of what there is, or nothing.
pub fn choice(name: &str, offered: &[String]) -> String {
    /// Names that are further apart are not meant.
    const CLOSE: f64 = 0.8;
    /// Names that are longer are not mistyped, and comparing takes time in proportion to the square of their length.
    const LONGEST: usize = 100;
    /// The number of names that are compared.
    const COMPARED: usize = 1000;
    let likely = offered
        .iter()
        .take(COMPARED)
        .filter(|offer| offer.len() <= LONGEST && name.len() <= LONGEST)
        .map(|offer| (strsim::jaro_winkler(name, offer), offer))
        .filter(|&(closeness, _)| closeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match likely {
        Some((_, offer)) => format!("; did you mean `{}`?", shown(offer)),
        None if offered.is_empty() => "; it exports none".to_owned(),
        None if offered.len() <= LISTED_NAMES => format!("; there are: {}", list(offered)),
        None => String::new(),
    }
}

/// More faults than this are counted, not listed.
pub const LISTED: usize = 10;

/// Why nothing could be allocated in a memory with this maximum, if that is so: `needed` pages are there from the start.
pub fn no_room(maximum: Option<u64>, needed: u64) -> Option<String> {
    let maximum = maximum.filter(|maximum| *maximum <= needed)?;
    Some(format!(
        "it imports the memory with at most {maximum} pages, but {needed} are needed before any object is allocated, and \
         the heap takes only pages that memory grows by; leave the maximum out, or raise it"
    ))
}

/// One error of many faults, and `more` that are not in words; none is none.
///
/// # Errors
///
/// If there is a fault.
pub fn listed(faults: &[String], more: usize) -> Result<(), String> {
    match faults {
        [] => Ok(()),
        [fault] => Err(fault.clone()),
        many => {
            let mut text = format!("{} imports cannot be satisfied:", many.len() + more);
            for fault in many.iter().take(LISTED) {
                let _ = write!(text, "\n  {fault}");
            }
            let more = more + many.len().saturating_sub(LISTED);
            if more > 0 {
                let _ = write!(text, "\n  ... and {more} more");
            }
            Err(text)
        }
    }
}
