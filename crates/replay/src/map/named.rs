//! The maps that come with Forebay, each with the shape that it is for.

use super::{Map, Name};

/// A map that is known by a name.
#[derive(Clone, Copy, Debug)]
pub struct NamedMap {
    /// What it is called.
    pub name: &'static str,
    /// The map, as a file would have it.
    pub text: &'static str,
}

macro_rules! named_maps {
    ($($name:literal),* $(,)?) => {
        /// All of them.
        pub const NAMED_MAPS: &[NamedMap] = &[$(NamedMap {
            name: $name,
            text: include_str!(concat!("../../maps/", $name, ".toml")),
        }),*];
    };
}

named_maps!(
    "amazon-orders",
    "etsy-items",
    "forebay-csv",
    "forebay-items-csv",
    "magento-json",
    "online-retail",
    "online-retail-ii",
    "shopify-csv",
    "shopify-json",
    "ta-feng",
    "woocommerce-json",
);

impl NamedMap {
    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        NAMED_MAPS.iter().find(|map| map.name == name)
    }

    /// What it is for.
    pub fn about(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches("about = ").trim_matches('"')
    }

    /// Whether it is made for tables whose fields are separated so.
    pub(crate) fn has_delimiter(&self, delimiter: u8) -> bool {
        Map::parse(self.text).is_ok_and(|map| map.delimiter == delimiter)
    }

    /// Whether it is made for tables with these columns.
    pub(crate) fn fits(&self, header: &[String]) -> bool {
        let Ok(map) = Map::parse(self.text) else { return false };
        !map.is_of_json()
            && map.names.iter().all(|name| match name {
                Name::Column { title, is_optional } => *is_optional || header.contains(title),
                Name::Path(_) => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_is_one_and_says_what_it_is_for() {
        for named in NAMED_MAPS {
            Map::parse(named.text).unwrap_or_else(|reason| panic!("{}: {reason}", named.name));
            assert!(named.text.starts_with("about = \"") && named.about().len() > 20, "{}", named.name);
        }
        assert!(NamedMap::find("shopify-csv").is_some() && NamedMap::find("shopify").is_none());
    }
}
