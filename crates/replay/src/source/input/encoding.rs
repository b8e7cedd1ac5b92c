//! Text in other encodings than UTF-8, made UTF-8 while it is read.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use forebay_service::BadSetting;

use super::BUFFER_BYTES;

/// How a file's text is encoded, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) encoding: &'static Encoding,
    /// Whether it was guessed by what the text looks like.
    pub(crate) is_guessed: bool,
}

impl Encoded {
    /// The encoding of that name or, without one, that of a text that begins so: by its byte order mark, by its zeros, or
    /// guessed where it cannot be UTF-8.
    ///
    /// # Errors
    /// [`BadSetting`] where there is no encoding of that name.
    pub(crate) fn find(head: &[u8], name: Option<&str>) -> Result<Self, BadSetting> {
        if let Some(name) = name {
            let unknown = || {
                BadSetting::new(format!(
                    "there is no encoding {name:?}: expected one such as utf-8, utf-16le, windows-1252"
                ))
            };
            let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(unknown)?;
            return Ok(Self { encoding, is_guessed: false });
        }
        let certain = |encoding| Ok(Self { encoding, is_guessed: false });
        if let Some((encoding, _)) = Encoding::for_bom(head) {
            return certain(encoding);
        }
        // Text that is mostly Latin has a zero in every second byte.
        match head {
            [b'P', b'A', b'R', b'1', ..] => return certain(UTF_8),
            [first, 0, second, 0, ..] if *first != 0 && *second != 0 => return certain(UTF_16LE),
            [0, first, 0, second, ..] if *first != 0 && *second != 0 => return certain(UTF_16BE),
            _ => {}
        }
        // A character may be torn at the end.
        if std::str::from_utf8(head).is_ok_or_is_torn() {
            return certain(UTF_8);
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(head, true);
        Ok(Self { encoding: detector.guess(None, Utf8Detection::Deny), is_guessed: true })
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_utf_8(&self) -> bool {
        self.encoding == UTF_8
    }

    /// The first bytes of a file as UTF-8. What is torn or wrong in them is left out or replaced: they are only looked at.
    pub(crate) fn decode_head(&self, head: &[u8]) -> Vec<u8> {
        if self.encoding == UTF_8 {
            return head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).to_vec();
        }
        self.encoding.decode(head).0.into_owned().into_bytes()
    }
}

trait TornText {
    fn is_ok_or_is_torn(&self) -> bool;
}

impl TornText for Result<&str, std::str::Utf8Error> {
    fn is_ok_or_is_torn(&self) -> bool {
        self.as_ref().map_or_else(|error| error.error_len().is_none(), |_| true)
    }
}

/// A text as UTF-8. Bytes that its encoding does not have are an error, and nothing is put in their place; only UTF-8 itself is
/// left as it is, so that a fault refuses one record and not the file.
pub(crate) struct Decoded<R> {
    inner: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    raw_start: usize,
    /// How many bytes stand before `raw`.
    raw_place: u64,
    text: Vec<u8>,
    text_start: usize,
    is_at_end: bool,
}

impl<R: Read + Send + 'static> Decoded<R> {
    /// The head, and what stands behind it.
    #[expect(clippy::new_ret_no_self, reason = "what is UTF-8 already needs no more than its buffer")]
    pub(crate) fn new(head: Vec<u8>, inner: R, encoding: &'static Encoding) -> Box<dyn BufRead + Send> {
        if encoding == UTF_8 {
            let start = if head.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
            let mut head = Cursor::new(head);
            head.set_position(start);
            return Box::new(BufReader::with_capacity(BUFFER_BYTES, head.chain(inner)));
        }
        let decoder = encoding.new_decoder_with_bom_removal();
        let decoded = Decoded {
            inner: Cursor::new(head).chain(inner),
            decoder,
            raw: Vec::new(),
            raw_start: 0,
            raw_place: 0,
            text: Vec::new(),
            text_start: 0,
            is_at_end: false,
        };
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoded))
    }
}

impl<R: Read> Decoded<R> {
    /// Makes some more text.
    fn decode(&mut self) -> io::Result<()> {
        if self.raw_start == self.raw.len() {
            self.raw_place += self.raw.len() as u64;
            self.raw.resize(BUFFER_BYTES, 0);
            let read = self.inner.read(&mut self.raw)?;
            self.raw.truncate(read);
            (self.raw_start, self.is_at_end) = (0, read == 0);
        }
        self.text.resize(BUFFER_BYTES, 0);
        let raw = &self.raw[self.raw_start..];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.is_at_end);
        self.raw_start += read;
        self.text.truncate(written);
        self.text_start = 0;
        match result {
            DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(()),
            DecoderResult::Malformed(..) => {
                let (name, byte) = (self.decoder.encoding().name(), self.raw_place + self.raw_start as u64);
                Err(io::Error::other(format!("it is not {name} before byte {byte}: say its encoding in the map")))
            }
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.text_start == self.text.len() {
            if self.is_at_end {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.text_start);
        buffer[..count].copy_from_slice(&self.text[self.text_start..self.text_start + count]);
        self.text_start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], name: Option<&str>) -> Result<(String, bool), String> {
        let encoded = Encoded::find(bytes, name).map_err(|error| error.to_string())?;
        let (head, rest) = bytes.split_at(bytes.len().min(5));
        let mut reader = Decoded::new(head.to_vec(), Cursor::new(rest.to_vec()), encoded.encoding);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map_err(|error| error.to_string())?;
        Ok((String::from_utf8_lossy(&text).into_owned(), encoded.is_guessed))
    }

    fn utf_16(text: &str, bom: bool) -> Vec<u8> {
        let bom = if bom { Some(0xfeff) } else { None };
        bom.into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn encodings_are_found_or_named() {
        let text = "Straße,Preis €\n1,2\n".repeat(100);
        assert_eq!(read(text.as_bytes(), None), Ok((text.clone(), false)));
        assert_eq!(read(format!("\u{feff}{text}").as_bytes(), None), Ok((text.clone(), false)));
        for bom in [true, false] {
            assert_eq!(read(&utf_16(&text, bom), None), Ok((text.clone(), false)));
        }
        let (western, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
        assert_eq!(read(&western, None), Ok((text.clone(), true)));
        assert_eq!(read(&western, Some("windows-1252")), Ok((text, false)));
        assert!(read(b"", Some("utf-9")).unwrap_err().contains("utf-9"));
    }

    #[test]
    fn what_an_encoding_does_not_have_is_an_error_and_nothing_is_put_in_its_place() {
        let mut torn = utf_16("ab", true);
        torn.extend(0xd800_u16.to_le_bytes());
        torn.extend(utf_16("c", false));
        assert!(read(&torn, None).unwrap_err().contains("it is not UTF-16LE before byte"));
        assert_eq!(read(b"a\xffb", Some("utf-8")), Ok(("a\u{fffd}b".to_owned(), false)));
    }
}
