//! An archive of object files (`.a`), in the format of GNU and LLVM.
//!
//! Behind a magic word each member has a header of 60 bytes, and starts at an even offset. The first member is an index:
//! how many symbols the archive defines, where the member of each starts, and their names. The linker reads it to know
//! which members a program needs.

use std::collections::BTreeMap;
use std::ops::Range;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
const NAME: Range<usize> = 0..16;
const SIZE: Range<usize> = 48..58;
/// The name of the index.
const INDEX: &[u8] = b"/ ";
/// The name of the table of names that do not fit.
const LONG_NAMES: &[u8] = b"//";

/// A change of a member: its new contents, the names that it defines beside those that the index has, and those of the
/// index that it defines no more.
pub(super) struct Changed {
    pub(super) contents: Vec<u8>,
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
}

/// The archive with other members, those that are called `first` in front. What is no archive, or has no index, stays as
/// it is.
pub(super) fn edit(
    archive: &[u8],
    first: &[&str],
    mut change: impl FnMut(&[u8]) -> Option<Changed>,
) -> Vec<u8> {
    let Some(mut index) = Index::read(archive) else { return archive.to_vec() };
    let mut members: Vec<_> = members(archive)
        .skip(1)
        .map(|member| {
            let changed = change(&archive[member.clone()]);
            (member, changed)
        })
        .collect();
    // The table of long names stays where it is.
    let rank = |member: &Range<usize>| {
        let name = &archive[member.start - HEADER..][NAME];
        let at = first.iter().position(|first| name.starts_with(format!("{first}/").as_bytes()));
        if name.starts_with(LONG_NAMES) { 0 } else { 1 + at.unwrap_or(first.len()) }
    };
    members.sort_by_key(|(member, _)| rank(member));
    for (member, changed) in &members {
        let Some(changed) = changed else { continue };
        let place = member.start - HEADER;
        let gone = |name: &[u8]| changed.removed.iter().any(|removed| removed.as_bytes() == name);
        index.0.retain(|(name, member)| *member != place || !gone(name));
        index.0.extend(changed.added.iter().map(|name| (name.clone().into_bytes(), place)));
    }

    // The index is written twice, as its length decides where the others start.
    let mut body = Vec::new();
    let mut places = BTreeMap::new();
    let start = MAGIC.len() + HEADER + index.bytes(|_| 0).len();
    for (member, changed) in &members {
        places.insert(member.start - HEADER, start + body.len());
        let header = &archive[member.start - HEADER..member.start];
        let contents = changed.as_ref().map_or(&archive[member.clone()], |it| &it.contents);
        append(&mut body, header, contents);
    }
    index.0.sort_by_key(|(_, member)| places.get(member));
    let moved = |old: usize| places.get(&old).map_or(0, |place| *place as u32);
    let mut edited = MAGIC.to_vec();
    append(&mut edited, &archive[MAGIC.len()..MAGIC.len() + HEADER], &index.bytes(moved));
    edited.extend(body);
    edited
}

/// The contents of the members of an archive, as far as it is one.
pub(super) fn members(archive: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = MAGIC.len();
    std::iter::from_fn(move || {
        let header = archive.get(at..at + HEADER)?;
        let size: usize = str::from_utf8(&header[SIZE]).ok()?.trim().parse().ok()?;
        let member = at + HEADER..at + HEADER + size;
        at = member.end.next_multiple_of(2);
        (member.end <= archive.len()).then_some(member)
    })
}

/// Writes a member with the size that it has now.
fn append(archive: &mut Vec<u8>, header: &[u8], contents: &[u8]) {
    let start = archive.len();
    archive.extend(header);
    archive[start..][SIZE].copy_from_slice(format!("{:<10}", contents.len()).as_bytes());
    archive.extend(contents);
    if contents.len() % 2 == 1 {
        archive.push(b'\n');
    }
}

/// Names, and where the header of the member is that defines it.
struct Index(Vec<(Vec<u8>, usize)>);

impl Index {
    fn read(archive: &[u8]) -> Option<Self> {
        let header = archive.strip_prefix(MAGIC)?.get(..HEADER)?;
        if !header[NAME].starts_with(INDEX) {
            return None;
        }
        let contents = &archive[members(archive).next()?];
        let number = |at: usize| {
            let bytes = contents.get(4 * at..4 * at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
        };
        let count = number(0)?;
        let names = contents.get(4 * (count + 1)..)?.split(|byte| *byte == 0);
        names
            .take(count)
            .enumerate()
            .map(|(at, name)| Some((name.to_vec(), number(at + 1)?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The index as bytes, of an even number.
    fn bytes(&self, place: impl Fn(usize) -> u32) -> Vec<u8> {
        let mut bytes = (self.0.len() as u32).to_be_bytes().to_vec();
        for (_, member) in &self.0 {
            bytes.extend(place(*member).to_be_bytes());
        }
        for (name, _) in &self.0 {
            bytes.extend(name);
            bytes.push(0);
        }
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }
}
