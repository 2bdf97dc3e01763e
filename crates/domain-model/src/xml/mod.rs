//! One description of each element; reading and writing both follow it.
//!
//! A family of elements is a struct and one function, [`Element::describe`], which names each attribute and
//! child once, in the order libvirt writes them. [`Reader`] follows it to fill the struct and [`Writer`] to
//! print it; [`JsonReader`] and [`JsonWriter`] do the same in JSON.
//!
//! ```
//! use domain_model::xml::{Element, Meta, Xml};
//!
//! #[derive(Debug, Clone, Default, PartialEq)]
//! struct Rate { bytes: u64, period: Option<u64>, meta: Meta }
//!
//! impl Element for Rate {
//!     fn meta(&mut self) -> &mut Meta { &mut self.meta }
//!     fn describe<X: Xml>(&mut self, xml: &mut X) {
//!         xml.required("bytes", &mut self.bytes);
//!         xml.attribute("period", &mut self.period);
//!     }
//! }
//!
//! let document = domain_model::Document::parse("rate", "<rate bytes='1024'/>")?;
//! let (rate, problems) = domain_model::xml::read::<Rate>(document.root());
//! assert_eq!((rate.bytes, problems.len()), (1024, 0));
//! assert_eq!(domain_model::xml::write("rate", &rate), "<rate bytes='1024'/>\n");
//! # Ok::<(), domain_model::SyntaxError>(())
//! ```

mod json;
mod meta;
mod presence;
mod problems;
mod reader;
pub mod text;
mod writer;

pub use json::{Json, JsonReader, JsonWriter, from_json, to_json};
pub use meta::{Anchor, Extra, Meta, Step};
pub use problems::MAX_PROBLEMS;
pub(crate) use reader::is_foreign;
pub use reader::{Reader, read};
pub use text::{Text, TextError, words};
pub use writer::{Writer, write, write_known, write_mut};

use crate::{Code, Diagnostic, Origin, values};

/// A struct that is one XML element.
pub trait Element: Default + Clone {
    /// Where the element was written and what it holds beyond the model.
    fn meta(&mut self) -> &mut Meta;

    /// Names every attribute and child, in the order in which they are written.
    fn describe<X: Xml>(&mut self, xml: &mut X);
}

impl<E: Element> Element for Box<E> {
    fn meta(&mut self) -> &mut Meta {
        (**self).meta()
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        (**self).describe(xml);
    }
}

/// An enum whose variant is picked by one attribute, such as the `type` of `<interface>`.
pub trait Tagged: Sized {
    /// Every word the attribute may have.
    const TAGS: &'static [&'static str];

    /// What kind of problem another word is.
    const CODE: Code = Code::BadValue;

    /// The word of this variant.
    fn tag(&self) -> &'static str;

    /// The variant of a word, with nothing filled in.
    fn from_tag(tag: &str) -> Option<Self>;
}

/// A namespace of elements and attributes that libvirt's XML knows, by the prefix that the model uses for it.
pub(crate) fn namespace_uri(prefix: &str) -> Option<&'static str> {
    match prefix {
        "qemu" => Some("http://libvirt.org/schemas/domain/qemu/1.0"),
        _ => None,
    }
}

/// Whose order and spelling is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// That of current libvirt, 11.3.
    #[default]
    Current,
    /// That of libvirt in February 2011, between 0.8.7 and 0.8.8: sizes have no unit, and the boot order of a
    /// disk or network card comes earlier; passwords, and drivers of disks without a name, are not written.
    Libvirt2011,
}

/// What [`Element::describe`] talks to: a reader or a writer.
///
/// Names may have the prefix `qemu:`; it stands for the namespace, whatever prefix the document uses.
pub trait Xml {
    /// Whether values are being filled in; the opposite is that they are being printed.
    const READS: bool;

    /// An attribute that may be missing.
    fn attribute<T: Text>(&mut self, name: &'static str, value: &mut Option<T>);

    /// An attribute that may be missing, and says nothing if it is empty.
    fn optional<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        self.attribute(name, value);
    }

    /// An attribute that may be missing, and is passed over with a warning if it makes no sense.
    fn lenient<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        self.attribute(name, value);
    }

    /// An attribute that has to be there.
    fn required<T: Text>(&mut self, name: &'static str, value: &mut T);

    /// An attribute that has to be there if its element is; for elements without a struct.
    fn needed<T: Text>(&mut self, name: &'static str, value: &mut Option<T>);

    /// An attribute that is always written, and keeps its value if it is missing when read.
    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T);

    /// The attribute that picks the variant of an enum. If it is missing, the value stays what it is.
    fn tag<T: Tagged>(&mut self, name: &'static str, value: &mut T);

    /// The same for an attribute that has to be there.
    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T);

    /// The text of the element.
    fn text<T: Text>(&mut self, value: &mut Option<T>);

    /// A child element that may be missing.
    fn child<E: Element>(&mut self, name: &'static str, value: &mut Option<E>);

    /// A child element that is always written, and keeps its defaults if it is missing when read.
    fn section<E: Element>(&mut self, name: &'static str, value: &mut E);

    /// A child element that has to be there.
    fn required_child<E: Element>(&mut self, name: &'static str, value: &mut E);

    /// Any number of child elements of one name.
    fn children<E: Element>(&mut self, name: &'static str, values: &mut Vec<E>);

    /// A child element that has no struct of its own; it is written if something in it is.
    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self));

    /// A child element that says something by being there, such as `<readonly/>`.
    fn present(&mut self, name: &'static str, value: &mut bool);

    /// A child element that is text alone, such as `<name>`.
    fn value<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        self.nested(name, |xml| xml.text(value));
    }

    /// Says that libvirt refuses more than one child `name`, where it takes the first of most others.
    fn at_most_one(&mut self, _name: &'static str) {}

    /// Says that libvirt reads all children of each of these names as one: their children as if they were in the first,
    /// each attribute from the first that has it.
    fn joined(&mut self, _names: &'static [&'static str]) {}

    /// The same for a child element that says nothing if it is empty.
    fn optional_value<T: Text>(&mut self, name: &'static str, value: &mut Option<T>)
    where
        Self: Sized,
    {
        self.nested(name, |xml| values::unless_empty(xml, value));
    }

    /// Any number of child elements that are text alone.
    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>);

    /// Names things whose bad or missing values are problems of another kind than usual.
    fn blamed_as(&mut self, _code: Code, body: impl FnOnce(&mut Self)) {
        body(self);
    }

    /// Names things whose missing values, but not bad ones, are problems of another kind than usual.
    fn missing_as(&mut self, _code: Code, body: impl FnOnce(&mut Self)) {
        body(self);
    }

    /// Says that the element is written with a start tag and an end tag even if there is nothing in it.
    fn container(&mut self) {}

    /// Says that libvirt refuses children of this element that it does not know, besides those of these names, which
    /// it knows and the model does not.
    fn closed(&mut self, _but: &'static [&'static str]) {}

    /// Everything inside the element as it was written.
    fn verbatim(&mut self, value: &mut Option<String>);

    /// Declares a namespace whose elements this element may hold; written if `used`.
    fn namespace(&mut self, prefix: &'static str, used: bool);

    /// The layout that is being written.
    fn layout(&self) -> Layout {
        Layout::Current
    }

    /// Says that [`Layout::Libvirt2011`] has the child `name` here, and not where it is described.
    fn moved_here_in_2011(&mut self, _name: &'static str) {}

    /// The origin of an attribute or child of this element, while reading.
    fn at(&self, path: &'static str) -> Origin;

    /// Reports a problem, while reading.
    fn report(&mut self, diagnostic: Diagnostic);
}
