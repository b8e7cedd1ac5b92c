//! Paths into JSON: `$.customer.id`, `@.price`, `$.orders[*]`, `$['line items'][0]`.

use std::fmt;

/// What a path begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `$`: the order; for `orders`, the document.
    Order,
    /// `@`: an item of the order.
    Item,
    /// `^`: the envelope that the order came in.
    Envelope,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member of an object.
    Key(String),
    /// The element of an array, counted from 0.
    Index(usize),
    /// Every element of an array.
    Each,
}

/// A place in a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
}

impl Path {
    /// Whether a text is meant as a path, and not as the name of a column.
    pub(crate) fn is_meant(text: &str) -> bool {
        text == "@" || text.starts_with(['$', '@', '^']) && text[1..].starts_with(['.', '['])
    }

    /// Reads a path.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("the path {text:?} {what}");
        let root = match text.chars().next() {
            Some('$') => Root::Order,
            Some('@') => Root::Item,
            Some('^') => Root::Envelope,
            _ => return Err(wrong("begins with none of $, @ and ^")),
        };
        let (mut rest, mut steps) = (&text[1..], Vec::new());
        while !rest.is_empty() {
            let (step, behind) = next_step(rest).ok_or_else(|| wrong("cannot be read: expected .name, [*] or [0]"))?;
            steps.push(step);
            rest = behind;
        }
        Ok(Self { root, steps })
    }

    /// Without the `[*]` at its end, and whether there was one.
    pub(crate) fn split_each(&self) -> (&[Step], bool) {
        match self.steps.split_last() {
            Some((Step::Each, before)) => (before, true),
            _ => (&self.steps, false),
        }
    }
}

fn next_step(rest: &str) -> Option<(Step, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return (end > 0).then(|| (Step::Key(rest[..end].to_owned()), &rest[end..]));
    }
    let rest = rest.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let (key, behind) = quoted.split_once(quote)?;
            return Some((Step::Key(key.to_owned()), behind.strip_prefix(']')?));
        }
    }
    let (inner, behind) = rest.split_once(']')?;
    let step = if inner == "*" { Step::Each } else { Step::Index(inner.parse().ok()?) };
    Some((step, behind))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.root {
            Root::Order => "$",
            Root::Item => "@",
            Root::Envelope => "^",
        })?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Key(key) if key.contains(['.', '[']) || key.is_empty() => write!(f, "['{key}']"),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Each => f.write_str("[*]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_the_same() {
        for text in ["$", "@", "$.a", "@.line items.x_1", "$.orders[*]", "$['a.b'][0].c", "^.type", "$[*]"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Path::parse("$[\"a\"]").unwrap().steps, [Step::Key("a".to_owned())]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["a", "$.", "$a", "$[", "$[x]", "$['a]", "$..a"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        assert!(!Path::is_meant("$") && !Path::is_meant("@home") && Path::is_meant("$[0]") && Path::is_meant("@"));
    }
}
