//! Problems, with a stable code and a place.

use std::fmt;

use crate::{Document, Origin};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The domain can be used; something in it is probably not what was meant.
    Warning,
    /// The domain cannot be used.
    Error,
}

/// The class of an error, in libvirt's terms (`virErrorNumber`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The XML is wrong (`VIR_ERR_XML_ERROR`, `VIR_ERR_XML_DETAIL`).
    Xml,
    /// The XML is fine, but this configuration is not supported (`VIR_ERR_CONFIG_UNSUPPORTED`).
    Unsupported,
    /// A value is fine by itself and makes no sense here (`VIR_ERR_INVALID_ARG`).
    InvalidArgument,
    /// Something went wrong that the domain does not explain (`VIR_ERR_INTERNAL_ERROR`).
    Internal,
    /// The host refused or failed at something (`VIR_ERR_OPERATION_FAILED`).
    OperationFailed,
    /// The CPU asked for is not compatible with the host's (`VIR_ERR_CPU_INCOMPATIBLE`).
    CpuIncompatible,
    /// Something the XML refers to does not exist (`VIR_ERR_NO_TARGET` and its kin).
    NotFound,
}

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $word:literal: $class:ident;)+) => {
        /// What kind of problem it is; the words are stable and can be relied on by scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])+ $name,)+ }

        impl Code {
            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $word,)+ }
            }

            /// The class of error that this is in libvirt's terms.
            pub const fn class(self) -> Class {
                match self { $(Code::$name => Class::$class,)+ }
            }
        }
    };
}

codes! {
    /// The text is not well-formed XML, or more than this reader takes.
    NotXml = "not-xml": Xml;
    /// The root element is not `<domain>`.
    WrongRoot = "wrong-root": Xml;
    /// An element that is not known at this place.
    UnknownElement = "unknown-element": Xml;
    /// A feature that is not known, where libvirt refuses those.
    UnknownFeature = "unknown-feature": Unsupported;
    /// An attribute that is not known at this place.
    UnknownAttribute = "unknown-attribute": Xml;
    /// An element that may occur once occurs again.
    RepeatedElement = "repeated-element": Xml;
    /// Text where only elements can be.
    StrayText = "stray-text": Xml;
    /// A value that is not one of those allowed.
    BadValue = "bad-value": Xml;
    /// The same where libvirt speaks of an unsupported configuration.
    UnknownWord = "unknown-word": Unsupported;
    /// A unit, a port or a set of numbers that is none; libvirt speaks of an invalid argument.
    BadNumber = "bad-number": InvalidArgument;
    /// An attribute that has to be there is not.
    MissingAttribute = "missing-attribute": Xml;
    /// An element that has to be there is not.
    MissingElement = "missing-element": Xml;
    /// Parts that are fine alone contradict each other.
    Conflict = "conflict": Xml;
    /// A value that is missing or not in the form of its kind, where libvirt speaks of an internal error.
    Malformed = "malformed": Internal;
    /// There are more problems than are listed, or more things that are not known than are kept.
    TooMany = "too-many": Xml;
    /// The QEMU in use lacks a capability that the domain needs.
    MissingCapability = "missing-capability": Unsupported;
    /// A configuration that QEMU, the machine type or this program does not support.
    Unsupported = "unsupported-configuration": Unsupported;
    /// Something that the QEMU in use still does, and a later one will not.
    Deprecated = "deprecated": Unsupported;
    /// Understood by libvirt, and not yet by this program.
    NotYet = "not-yet-supported": Unsupported;
    /// A value that makes no sense in this context.
    InvalidArgument = "invalid-argument": InvalidArgument;
    /// Resources of the guest ran out, such as PCI slots.
    Exhausted = "exhausted": Internal;
    /// Facts about the host are missing or contradict the domain.
    HostFact = "host-fact": Internal;
    /// The host refused or failed at something.
    OperationFailed = "operation-failed": OperationFailed;
    /// The CPU asked for is not compatible with the host's.
    CpuIncompatible = "cpu-incompatible": CpuIncompatible;
    /// Something that the domain names does not exist.
    NotFound = "not-found": NotFound;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One problem: what, where, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is.
    pub code: Code,
    /// What is wrong, in lower case, without a full stop; what the user typed is in backquotes.
    pub message: String,
    /// Where.
    pub origin: Origin,
    /// What would help, if that is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, origin: Origin, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Error, code, message: message.into(), origin, help: None }
    }

    /// A warning.
    pub fn warning(code: Code, origin: Origin, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, origin, message) }
    }

    /// The same with a line of help.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Diagnostic { help: Some(help.into()), ..self }
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The problem as one line, `file:line:column: error: message`, as far as `document` knows the place.
    pub fn render(&self, document: &Document) -> String {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        match document.position(self.origin) {
            Some(position) => format!("{}:{position}: {severity}: {}", document.name(), self.message),
            None => format!("{}: {severity}: {}", document.name(), self.message),
        }
    }
}
