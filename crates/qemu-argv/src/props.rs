//! Properties: what one argument says, before it is spelt.

use std::borrow::Cow;

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::xml::text::{OnOff, YesNo};

use crate::host::FdRequest;

/// An ordered list of properties, each with its origin.
///
/// The same properties are spelt as JSON or as `key=value`, whichever the QEMU in use takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Props {
    /// Where properties come from that do not say otherwise.
    origin: Origin,
    /// Whether the first property's key is left out where properties are spelt `key=value`, as in
    /// `virtio-net-pci,netdev=…` for `driver=virtio-net-pci,netdev=…`.
    implied_key: bool,
    items: Vec<Prop>,
}

/// One property.
#[derive(Debug, Clone, PartialEq)]
pub struct Prop {
    /// QEMU's name of the property.
    pub key: Cow<'static, str>,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
    /// The capability it rests on.
    pub needs: Option<Capability>,
}

/// A property's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Int(i128),
    /// A switch: `true` in JSON, `on` in `key=value`.
    Bool(bool),
    /// JSON's `null`; left out in `key=value`.
    Null,
    /// A switch that is on by being named, as `server` in `socket,server`.
    Flag,
    /// Several values.
    List(Vec<Value>, ListStyle),
    /// Properties of a property.
    Props(Props),
    /// A descriptor whose number is not known yet.
    Fd(FdRequest),
}

/// How a list is spelt as `key=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStyle {
    /// `key=a,key=b`
    Repeated,
    /// `key.0=a,key.1=b`
    Numbered,
    /// `key=a:b`, one string in JSON too: several descriptors in one property.
    Colons,
}

impl Props {
    /// Properties whose first key is left out in `key=value`: `driver`, `qom-type`, `type` and the like.
    pub fn new(key: &'static str, value: impl Into<Value>, origin: Origin) -> Self {
        Props { origin, implied_key: true, items: Vec::with_capacity(8) }.set(key, value.into())
    }

    /// As [`Props::new`], where the first property comes from somewhere else than the rest.
    pub fn new_at(key: &'static str, value: impl Into<Value>, at: Origin, origin: Origin) -> Self {
        Props { origin, implied_key: true, items: Vec::new() }.set_at(key, value.into(), at)
    }

    /// Properties that all have their key.
    pub fn plain(origin: Origin) -> Self {
        Props { origin, implied_key: false, items: Vec::new() }
    }

    /// Adds a property; none if there is no value.
    #[must_use]
    pub fn set(self, key: impl Into<Cow<'static, str>>, value: impl IntoProp) -> Self {
        let origin = self.origin;
        self.set_at(key, value, origin)
    }

    /// Adds a property that comes from somewhere else than the rest; none if there is no value.
    #[must_use]
    pub fn set_at(mut self, key: impl Into<Cow<'static, str>>, value: impl IntoProp, origin: Origin) -> Self {
        if let Some(value) = value.into_prop() {
            self.items.push(Prop { key: key.into(), value, origin, needs: None });
        }
        self
    }

    /// Adds a property that the QEMU in use has to know: without the capability it is an error at the origin.
    #[must_use]
    pub fn requires(
        mut self,
        capability: Capability,
        key: impl Into<Cow<'static, str>>,
        value: impl IntoProp,
        origin: Origin,
    ) -> Self {
        if let Some(value) = value.into_prop() {
            let needs = Some(capability);
            self.items.push(Prop { key: key.into(), value, origin, needs });
        }
        self
    }

    /// As [`Props::requires`], for what not every way of probing tells: then QEMU is taken to know it.
    #[must_use]
    pub(crate) fn requires_known(
        self,
        cx: &crate::context::Context<'_>,
        capability: Capability,
        key: impl Into<Cow<'static, str>>,
        value: impl IntoProp,
        origin: Origin,
    ) -> Self {
        match cx.inputs.caps.knows(capability) {
            true => self.requires(capability, key, value, origin),
            false => self.set_at(key, value, origin),
        }
    }

    /// Adds all properties of another list.
    #[must_use]
    pub fn extend(mut self, other: Props) -> Self {
        self.items.extend(other.items);
        self
    }

    /// Adds what `add` adds, if `condition` holds.
    #[must_use]
    pub fn when(self, condition: bool, add: impl FnOnce(Props) -> Props) -> Self {
        if condition { add(self) } else { self }
    }

    /// Takes a property out, and adds it with another value behind the others; none leaves it out.
    pub(crate) fn replace(&mut self, key: &str, value: Option<Value>, origin: Origin) {
        self.items.retain(|prop| prop.key != key);
        self.items.extend(value.map(|value| Prop {
            key: Cow::Owned(key.to_owned()),
            value,
            origin,
            needs: None,
        }));
    }

    /// The properties, in order.
    pub fn items(&self) -> &[Prop] {
        &self.items
    }

    /// The value of a property.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.items.iter().find(|prop| prop.key == key).map(|prop| &prop.value)
    }

    /// Where properties come from that do not say otherwise.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn implied_key(&self) -> bool {
        self.implied_key
    }
}

/// What a property can be set to: a value, or `None` to leave the property out.
pub trait IntoProp {
    /// The value, if there is one.
    fn into_prop(self) -> Option<Value>;
}

impl IntoProp for Value {
    fn into_prop(self) -> Option<Value> {
        Some(self)
    }
}

impl<T: Into<Value>> IntoProp for Option<T> {
    fn into_prop(self) -> Option<Value> {
        self.map(Into::into)
    }
}

macro_rules! values_from {
    ($($type:ty => |$value:ident| $expression:expr;)+) => { $(
        impl IntoProp for $type {
            fn into_prop(self) -> Option<Value> {
                Some(self.into())
            }
        }

        impl From<$type> for Value {
            fn from($value: $type) -> Value {
                $expression
            }
        }
    )+ };
}

values_from! {
    &str => |value| Value::Text(value.to_owned());
    &String => |value| Value::Text(value.clone());
    String => |value| Value::Text(value);
    bool => |value| Value::Bool(value);
    YesNo => |value| Value::Bool(value.into());
    OnOff => |value| Value::Bool(value.into());
    u8 => |value| Value::Int(value.into());
    u16 => |value| Value::Int(value.into());
    u32 => |value| Value::Int(value.into());
    u64 => |value| Value::Int(value.into());
    i32 => |value| Value::Int(value.into());
    i64 => |value| Value::Int(value.into());
    usize => |value| Value::Int(i128::try_from(value).unwrap_or(i128::MAX));
    Props => |value| Value::Props(value);
    FdRequest => |value| Value::Fd(value);
}
