//! Fields as the TOML of a map says them, and what they are made into.
//!
//! | module | concept |
//! |---|---|
//! | [`text`] | texts, and whatever else is taken as it is |
//! | [`further`] | those that only some orders have |
//! | [`number`] | numbers as files write them |
//! | [`decimal`], [`currency`] | exact integers of minor units |
//! | [`time`] | times as files write them |

pub(crate) mod currency;
pub(crate) mod decimal;
pub(in crate::map) mod further;
pub(crate) mod number;
pub(crate) mod text;
pub(crate) mod time;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::number::{Number, SCALE_MAX, Scale, Separators};
use self::text::Text;
use self::time::{Time, TimeFormat};
use crate::map::path::Path;
use crate::map::value::NameNo;

/// A name of a map: what stands there differs from row to row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Column {
        title: String,
        /// Whether a file may be without it.
        is_optional: bool,
    },
    Path(Path),
}

/// A field, by its column's name alone or with more to say.
#[derive(Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a column's name, or a table such as { column = \"…\" } with keys that fit the field"
)]
pub(in crate::map) enum RawField {
    Name(String),
    Full(Box<RawKeys>),
}

/// Everything that may be said of a field.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::map) struct RawKeys {
    column: Option<String>,
    columns: Option<Vec<String>>,
    constant: Option<Scalar>,
    default: Option<Scalar>,
    #[serde(default)]
    optional: bool,
    strip_prefix: Option<String>,
    strip_suffix: Option<String>,
    values: Option<BTreeMap<String, String>>,
    json: Option<bool>,
    blank: Option<Blank>,
    scale: Option<RawScale>,
    pub(in crate::map) decimal: Option<char>,
    pub(in crate::map) thousands: Option<char>,
    of: Option<PriceOf>,
    format: Option<OneOrMore>,
    zone: Option<String>,
}

/// What an empty order id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Blank {
    AsBefore,
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PriceOf {
    Piece,
    Line,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a text in quotes, or an integer: decimal numbers stand in quotes, too")]
enum Scalar {
    Text(String),
    Integer(i64),
}

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number of decimals from 0 on, or \"currency\"")]
enum RawScale {
    Digits(u32),
    Word(ScaleWord),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScaleWord {
    Currency,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a format, or a list of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What a field may say beside where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Time,
}

/// The names of a map, each once.
#[derive(Default)]
pub(in crate::map) struct Names(pub(in crate::map) Vec<Name>);

impl Names {
    /// The number of a name.
    ///
    /// # Errors
    /// One sentence, where it is a path that cannot be read.
    pub(in crate::map) fn number(&mut self, text: &str, is_optional: bool) -> Result<NameNo, String> {
        let name = if Path::is_meant(text) {
            Name::Path(Path::parse(text)?)
        } else {
            Name::Column { title: text.to_owned(), is_optional }
        };
        let at = self.0.iter().position(|other| *other == name).unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        });
        Ok(NameNo(at))
    }
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
        }
    }
}

impl RawField {
    fn keys(self) -> RawKeys {
        match self {
            Self::Name(column) => RawKeys { column: Some(column), ..RawKeys::default() },
            Self::Full(keys) => *keys,
        }
    }

    /// Whether an empty value means that of the line before.
    pub(in crate::map) fn is_as_before(&self) -> bool {
        matches!(self, Self::Full(keys) if keys.blank == Some(Blank::AsBefore))
    }

    pub(in crate::map) fn into_text(self, names: &mut Names) -> Result<Text, String> {
        let keys = self.keys();
        keys.fits(Kind::Text)?;
        let (names, title, default) = keys.place(names)?;
        Ok(Text {
            names,
            title,
            default,
            strip_prefix: keys.strip_prefix.unwrap_or_default(),
            strip_suffix: keys.strip_suffix.unwrap_or_default(),
            values: keys.values.unwrap_or_default(),
            is_json: keys.json.unwrap_or(false),
        })
    }

    pub(in crate::map) fn into_number(self, names: &mut Names, usual: Separators) -> Result<Number, String> {
        let keys = self.keys();
        keys.fits(Kind::Number)?;
        let (names, title, default) = keys.place(names)?;
        let scale = match keys.scale {
            None => Scale::Digits(0),
            Some(RawScale::Digits(scale)) if scale > SCALE_MAX => {
                return Err(format!("a scale must be at most {SCALE_MAX}"));
            }
            Some(RawScale::Digits(scale)) => Scale::Digits(scale),
            Some(RawScale::Word(ScaleWord::Currency)) => Scale::OfCurrency,
        };
        let separators = separators(keys.decimal, keys.thousands, usual)?;
        let is_of_line = keys.of == Some(PriceOf::Line);
        Ok(Number { names, title, default, scale, separators, is_of_line })
    }

    pub(in crate::map) fn into_time(self, names: &mut Names) -> Result<Time, String> {
        let keys = self.keys();
        keys.fits(Kind::Time)?;
        let (names, title, default) = keys.place(names)?;
        let formats = match keys.format {
            None => Vec::new(),
            Some(OneOrMore::One(format)) => vec![format],
            Some(OneOrMore::More(formats)) => formats,
        };
        Ok(Time { names, title, default, format: TimeFormat::new(&formats, keys.zone.as_deref())? })
    }
}

impl RawKeys {
    /// Refuses what says nothing of such a field.
    fn fits(&self, kind: Kind) -> Result<(), String> {
        let of = [
            ("strip_prefix", Kind::Text, self.strip_prefix.is_some()),
            ("strip_suffix", Kind::Text, self.strip_suffix.is_some()),
            ("values", Kind::Text, self.values.is_some()),
            ("json", Kind::Text, self.json.is_some()),
            ("blank", Kind::Text, self.blank.is_some()),
            ("scale", Kind::Number, self.scale.is_some()),
            ("decimal", Kind::Number, self.decimal.is_some()),
            ("thousands", Kind::Number, self.thousands.is_some()),
            ("of", Kind::Number, self.of.is_some()),
            ("format", Kind::Time, self.format.is_some()),
            ("zone", Kind::Time, self.zone.is_some()),
        ];
        match of.iter().find(|(_, other, is_said)| *is_said && *other != kind) {
            Some((key, Kind::Text, _)) => Err(format!("`{key}` is for texts")),
            Some((key, Kind::Number, _)) => Err(format!("`{key}` is for numbers")),
            Some((key, Kind::Time, _)) => Err(format!("`{key}` is for times")),
            None => Ok(()),
        }
    }

    /// Where it stands, what messages call it, and what stands for an empty value.
    fn place(&self, names: &mut Names) -> Result<(Vec<NameNo>, String, String), String> {
        let columns: Vec<&String> = self.column.iter().chain(self.columns.iter().flatten()).collect();
        let default = self.default.clone().map(Scalar::into_text).unwrap_or_default();
        if let Some(constant) = self.constant.clone() {
            if !columns.is_empty() || self.default.is_some() {
                return Err("a `constant` stands alone: for what is empty there is `default`".to_owned());
            }
            return Ok((Vec::new(), "the constant".to_owned(), constant.into_text()));
        }
        if columns.is_empty() || (self.column.is_some() && self.columns.is_some()) {
            return Err("expected `column`, `columns` or `constant`".to_owned());
        }
        let title = columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(" or ");
        let is_optional = self.optional || columns.len() > 1;
        let numbers = columns.iter().map(|column| names.number(column, is_optional)).collect::<Result<_, String>>()?;
        Ok((numbers, title, default))
    }
}

/// The separators that are said, and what follows where only one is.
///
/// # Errors
/// One sentence, where they cannot be told apart.
pub(in crate::map) fn separators(
    decimal: Option<char>,
    thousands: Option<char>,
    usual: Separators,
) -> Result<Separators, String> {
    let other = |sign| if sign == ',' { '.' } else { ',' };
    let separators = match (decimal, thousands) {
        (None, None) => usual,
        (Some(decimal), None) => Separators { decimal, thousands: Some(other(decimal)) },
        (None, Some(thousands @ '.')) => Separators { decimal: ',', thousands: Some(thousands) },
        (None, Some(thousands)) => Separators { decimal: '.', thousands: Some(thousands) },
        (Some(decimal), Some(thousands)) => Separators { decimal, thousands: Some(thousands) },
    };
    if !matches!(separators.decimal, '.' | ',') {
        return Err("decimal must be \".\" or \",\"".to_owned());
    }
    match separators.thousands {
        Some(thousands) if thousands == separators.decimal || !matches!(thousands, '.' | ',' | ' ' | '\'') => {
            Err("thousands must be one of \".\", \",\", \" \" and \"'\", and another sign than decimal".to_owned())
        }
        _ => Ok(separators),
    }
}
