//! Golden files: formats that outlive a process, as they are written, in the repository byte for byte.
//!
//! A crate's lie in its folder `golden`, each named after its format and the format's version. `FOREBAY_GOLDEN=write` makes them of what
//! the code writes today; what may be changed so stands in CONTRIBUTING.md under "Forms".

use std::fmt::Write as _;
use std::path::Path;

/// The variable that makes the files anew.
const VARIABLE: &str = "FOREBAY_GOLDEN";
/// Bytes of a line of a file of hexadecimal digits.
const LINE_BYTES: usize = 32;

/// Compares what is written today with a golden file of this crate, and gives the bytes of the file, to be read. In a file whose name
/// ends in `.hex` they stand as hexadecimal digits, so that a change can be looked at.
#[macro_export]
macro_rules! golden {
    ($name:expr, $written:expr) => {
        $crate::golden::check(env!("CARGO_MANIFEST_DIR"), $name.as_ref(), $written.as_ref())
    };
}

/// See [`golden!`](crate::golden!).
pub fn check(of_crate: &str, name: &str, written: &[u8]) -> Vec<u8> {
    let path = Path::new(of_crate).join("golden").join(name);
    let is_hex = path.extension().is_some_and(|end| end == "hex");
    let shown = if is_hex { to_hex(written).into_bytes() } else { written.to_vec() };
    if std::env::var_os(VARIABLE).is_some_and(|asked| asked == "write") {
        std::fs::create_dir_all(path.with_file_name("")).expect("a folder can be made");
        std::fs::write(&path, &shown).expect("a golden file can be written");
    }
    let kept =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; {VARIABLE}=write makes it", path.display()));
    assert!(
        kept == shown,
        "what is written today is not {}: see CONTRIBUTING.md, \"Forms\"\n{}",
        path.display(),
        difference(&String::from_utf8_lossy(&kept), &String::from_utf8_lossy(&shown))
    );
    if is_hex { from_hex(&String::from_utf8_lossy(&kept)) } else { kept }
}

/// Bytes as lines of hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(LINE_BYTES) {
        for byte in line {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

/// The bytes of hexadecimal digits, whatever space is between them.
///
/// # Panics
/// Where it is something else.
pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("a golden file in hexadecimal digits")).collect()
}

/// The first lines that differ.
fn difference(kept: &str, written: &str) -> String {
    let mut lines = (kept.lines().map(Some).chain(std::iter::repeat(None)))
        .zip(written.lines().map(Some).chain(std::iter::repeat(None)))
        .take_while(|(kept, written)| kept.is_some() || written.is_some());
    let found = lines.position(|(kept, written)| kept != written).unwrap_or_default();
    let line = |text: &str| text.lines().nth(found).unwrap_or("(its end)").chars().take(200).collect::<String>();
    format!("line {}, kept:    {}\nline {}, written: {}", found + 1, line(kept), found + 1, line(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_behind_their_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = to_hex(&bytes);
        assert_eq!((from_hex(&text), text.lines().count()), (bytes, 8));
        assert!(text.starts_with("000102"));
    }

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert!(difference("a\nb\n", "a\nc\n").starts_with("line 2, kept:    b\nline 2, written: c"));
        assert!(difference("a\n", "a\nb\n").starts_with("line 2, kept:    (its end)"));
    }
}
