//! Leaf values: how a word, number or size is read and written.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use crate::Code;

/// A value that is the text of an attribute or element.
pub trait Text: Sized + Clone {
    /// Whether the printed value is always a whole number in decimal, which JSON writes without quotes.
    const IS_NUMBER: bool = false;

    /// Reads the value.
    ///
    /// # Errors
    /// The text is not a value of this type; the error says what would be.
    fn parse(text: &str) -> Result<Self, TextError>;

    /// Appends the value as libvirt writes it, not escaped.
    fn print(&self, out: &mut String);

    /// The value as it is printed.
    fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }
}

/// A text that is not a value of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct TextError {
    /// What would be a value, such as `a number from 0 to 255`.
    pub expected: String,
    /// The words that would be values, if the list is closed.
    pub words: &'static [&'static str],
    /// What kind of problem it is.
    pub code: Code,
}

impl TextError {
    /// An error that says what would be a value.
    pub fn expected(expected: impl Into<String>) -> Self {
        TextError { expected: expected.into(), words: &[], code: Code::BadValue }
    }

    /// The same as another kind of problem.
    #[must_use]
    pub fn code(self, code: Code) -> Self {
        TextError { code, ..self }
    }

    /// An error that lists the words that would be values.
    pub fn words(words: &'static [&'static str]) -> Self {
        let mut expected = String::from(if words.len() > 1 { "one of " } else { "" });
        for (index, word) in words.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let _ = write!(expected, "{separator}`{word}`");
        }
        TextError { expected, words, code: Code::BadValue }
    }
}

impl Text for String {
    fn parse(text: &str) -> Result<Self, TextError> {
        Ok(text.to_owned())
    }

    fn print(&self, out: &mut String) {
        out.push_str(self);
    }
}

macro_rules! numbers {
    ($($type:ty)+) => { $(
        impl Text for $type {
            const IS_NUMBER: bool = true;

            fn parse(text: &str) -> Result<Self, TextError> {
                let text = text.trim();
                let digits = text.strip_prefix('+').unwrap_or(text);
                digits.parse().map_err(|_| {
                    TextError::expected(format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX))
                })
            }

            fn print(&self, out: &mut String) {
                let _ = write!(out, "{self}");
            }
        }
    )+ };
}

numbers!(u8 u16 u32 u64 i32 i64 NonZeroU32);

/// A number that is written in hexadecimal with `WIDTH` digits, such as `0x03`; read in any base that C reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hex<const WIDTH: usize>(pub u64);

impl<const WIDTH: usize> Text for Hex<WIDTH> {
    fn parse(text: &str) -> Result<Self, TextError> {
        parse_c_number(text).map(Hex).ok_or_else(|| TextError::expected("a number, such as `5` or `0x05`"))
    }

    fn print(&self, out: &mut String) {
        let _ = write!(out, "0x{:0WIDTH$x}", self.0);
    }
}

/// Reads a number as C's `strtoull` with base 0 does: `0x` is hexadecimal, a leading `0` octal.
pub fn parse_c_number(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// Declares an enum whose values are words, once for reading, writing and listing them.
///
/// ```
/// use domain_model::xml::{Text, words};
///
/// words! {
///     /// How a virtio network card hands packets to the host.
///     pub enum TxMode {
///         /// From the main loop's bottom half.
///         Iothread = "iothread",
///         /// After a timer, to send several at once.
///         Timer = "timer",
///     }
/// }
///
/// assert_eq!(TxMode::parse("timer"), Ok(TxMode::Timer));
/// assert_eq!(TxMode::parse("tmer").unwrap_err().to_string(), "expected one of `iothread`, `timer`");
/// assert_eq!(TxMode::Iothread.as_str(), "iothread");
/// ```
///
/// Another word is a [`Code::BadValue`]; where libvirt calls it something else, the enum's name has the code
/// behind it: `pub enum LinkState: UnknownWord { … }`.
#[macro_export]
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(: $code:ident)? {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)?
        }
    )+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// Every word, in the order of the values.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word of this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::xml::Text for $name {
            fn parse(text: &str) -> ::std::result::Result<Self, $crate::xml::TextError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::xml::TextError::words(Self::WORDS)$(.code($crate::Code::$code))?),
                }
            }

            fn print(&self, out: &mut ::std::string::String) {
                out.push_str(self.as_str());
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+ };
}
pub use words;

words! {
    /// A switch spelt `yes` or `no`.
    pub enum YesNo {
        /// On.
        Yes = "yes",
        /// Off.
        No = "no",
    }

    /// A switch spelt `on` or `off`.
    pub enum OnOff {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

impl From<YesNo> for bool {
    fn from(value: YesNo) -> bool {
        value == YesNo::Yes
    }
}

impl From<bool> for YesNo {
    fn from(value: bool) -> YesNo {
        if value { YesNo::Yes } else { YesNo::No }
    }
}

impl From<OnOff> for bool {
    fn from(value: OnOff) -> bool {
        value == OnOff::On
    }
}

impl From<bool> for OnOff {
    fn from(value: bool) -> OnOff {
        if value { OnOff::On } else { OnOff::Off }
    }
}
