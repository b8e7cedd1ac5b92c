//! The directory of a zip file (APPNOTE 6.3.10, sections 4.3 and 4.5): no more of it than it takes to find the one file in it.

use std::io;

use bytes::Bytes;

use super::byte_source::ByteSource;

const END_BYTES: u64 = 22;
const END: &[u8] = b"PK\x05\x06";
const LOCATOR_64_BYTES: u64 = 20;
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const END_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// A comment may stand behind the end of the directory.
const COMMENT_BYTES_MAX: u64 = 65_535;
/// No directory of a file that is meant to be read as one is longer.
const DIRECTORY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How a file is kept in a zip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// A file in a zip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) method: Method,
    /// Where its bytes begin.
    pub(super) start: u64,
    /// How many they are, compressed.
    pub(super) bytes: u64,
    /// CRC-32 of what it holds.
    pub(super) checksum: u32,
}

/// An entry as the directory has it.
struct Listed {
    name: String,
    flags: u64,
    method: u64,
    checksum: u32,
    bytes: u64,
    local: u64,
}

/// The one file.
///
/// # Errors
/// One sentence: there is not one, or it is kept in a way that is not known here.
pub(super) fn only_entry(place: &ByteSource) -> io::Result<Entry> {
    let mut listed: Vec<Listed> = directory(place)?.into_iter().filter(|entry| is_content(&entry.name)).collect();
    if listed.len() != 1 {
        let (count, names) = (listed.len(), listed.into_iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "));
        return Err(io::Error::other(format!("the zip file has {count} files in it, and it must have one: {names}")));
    }
    let Listed { flags, method, checksum, bytes, local, .. } = listed.remove(0);
    if flags & 1 == 1 {
        return Err(io::Error::other("the zip file is encrypted"));
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            return Err(io::Error::other(format!(
                "the zip file is compressed by method {other}, and only deflate is known"
            )));
        }
    };
    let head = read(place, local, LOCAL_BYTES)?;
    let start = local + LOCAL_BYTES as u64 + number(&head, 26, 2) + number(&head, 28, 2);
    Ok(Entry { method, start, bytes, checksum })
}

/// Directories do not count, nor does what macOS adds.
fn is_content(name: &str) -> bool {
    !name.ends_with('/') && !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store")
}

fn directory(place: &ByteSource) -> io::Result<Vec<Listed>> {
    let bytes = place.bytes()?;
    let tail_start = bytes.saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let tail = read(place, tail_start, (bytes - tail_start) as usize)?;
    let at =
        memchr::memmem::rfind(&tail, END).filter(|at| tail.len() - at >= END_BYTES as usize).ok_or_else(damaged)?;
    let (mut length, mut start) = (number(&tail[at..], 12, 4), number(&tail[at..], 16, 4));
    // What does not fit into 32 bits stands further in front.
    let locator = (tail_start + at as u64).checked_sub(LOCATOR_64_BYTES);
    if let Some(locator) = locator.map(|at| read(place, at, LOCATOR_64_BYTES as usize)).transpose()?
        && locator.starts_with(LOCATOR_64)
    {
        let end = read(place, number(&locator, 8, 8), 56)?;
        if !end.starts_with(END_64) {
            return Err(damaged());
        }
        (length, start) = (number(&end, 40, 8), number(&end, 48, 8));
    }
    if length > DIRECTORY_BYTES_MAX {
        return Err(io::Error::other("the zip file has too many files in it, and it must have one"));
    }
    let directory = read(place, start, length as usize)?;
    let (mut rest, mut entries) = (&directory[..], Vec::new());
    while !rest.is_empty() {
        let (entry, behind) = listed(rest).ok_or_else(damaged)?;
        entries.push(entry);
        rest = behind;
    }
    Ok(entries)
}

fn listed(directory: &[u8]) -> Option<(Listed, &[u8])> {
    let head = directory.get(..ENTRY_BYTES).filter(|head| head.starts_with(ENTRY))?;
    let [name, extra, comment] = [28, 30, 32].map(|at| number(head, at, 2) as usize);
    let behind_name = ENTRY_BYTES + name;
    let name = String::from_utf8_lossy(directory.get(ENTRY_BYTES..behind_name)?).into_owned();
    let fields = directory.get(behind_name..behind_name + extra)?;
    let [mut whole, mut bytes, mut local] = [(24, 4), (20, 4), (42, 4)].map(|(at, length)| number(head, at, length));
    let mut large = field_64(fields).unwrap_or_default().chunks_exact(8);
    for value in [&mut whole, &mut bytes, &mut local] {
        if *value == u64::from(u32::MAX)
            && let Some(field) = large.next()
        {
            *value = number(field, 0, 8);
        }
    }
    let (flags, method, checksum) = (number(head, 8, 2), number(head, 10, 2), number(head, 16, 4) as u32);
    Some((Listed { name, flags, method, checksum, bytes, local }, directory.get(behind_name + extra + comment..)?))
}

/// The field for what does not fit into 32 bits.
fn field_64(mut fields: &[u8]) -> Option<&[u8]> {
    while fields.len() >= 4 {
        let (id, length) = (number(fields, 0, 2), number(fields, 2, 2) as usize);
        let field = fields.get(4..4 + length)?;
        if id == 1 {
            return Some(field);
        }
        fields = &fields[4 + length..];
    }
    None
}

fn read(place: &ByteSource, at: u64, length: usize) -> io::Result<Bytes> {
    let bytes = place.read_at(at, length)?;
    if bytes.len() == length { Ok(bytes) } else { Err(damaged()) }
}

/// The number in these bytes, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes.iter().skip(at).take(length).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn damaged() -> io::Error {
    io::Error::other("the zip file is damaged, or was cut off")
}

#[cfg(test)]
pub(super) mod tests {
    /// A zip file of stored files.
    pub(crate) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let (mut whole, mut directory) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let mut crc = flate2::Crc::new();
            crc.update(text.as_bytes());
            let (start, length) = (whole.len() as u32, text.len() as u32);
            let common = [
                &crc.sum().to_le_bytes()[..],
                &length.to_le_bytes(),
                &length.to_le_bytes(),
                &(name.len() as u16).to_le_bytes(),
                &[0, 0],
            ]
            .concat();
            whole.extend(
                [b"PK\x03\x04", &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &common, name.as_bytes(), text.as_bytes()]
                    .concat(),
            );
            let tail = [&[0; 2][..], &[0; 2], &[0; 2], &[0; 4], &start.to_le_bytes()].concat();
            directory.extend(
                [b"PK\x01\x02", &[20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &common, &tail, name.as_bytes()].concat(),
            );
        }
        let (start, count) = (whole.len() as u32, (files.len() as u16).to_le_bytes());
        let length = (directory.len() as u32).to_le_bytes();
        whole.extend(directory);
        whole.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &length, &start.to_le_bytes(), &[0, 0]].concat());
        whole
    }
}
