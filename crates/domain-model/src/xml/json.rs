//! The model in JSON and other serde formats, after the same description.

mod reader;
mod tree;
mod writer;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::{Diagnostic, Domain};

pub use reader::{JsonReader, from_json};
pub use tree::Json;
pub use writer::{JsonWriter, to_json};

/// The key of an element's text.
const TEXT: &str = "#text";
/// The key of everything inside an element, where that is kept as it was written.
const VERBATIM: &str = "#xml";
/// The key of what the model does not know of an element.
const EXTRAS: &str = "#extra";

/// As an object with the one member `domain`; see [`Json`] for the shape.
impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_json("domain", self).serialize(serializer)
    }
}

/// Fails if there is an error in the domain; [`from_json`] says more.
impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (domain, problems) = from_json::<Domain>("domain", Json::deserialize(deserializer)?);
        match problems.into_iter().find(Diagnostic::is_error) {
            Some(error) => Err(D::Error::custom(error.message)),
            None => Ok(domain),
        }
    }
}
