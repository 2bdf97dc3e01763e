//! The host side of character devices: files, terminals, sockets, Spice channels.

mod source;

pub use source::{
    CharSource, Nmdm, PathSource, Protocol, Reconnect, SocketMode, Tcp, Udp, UdpSource, Unix, Vdagent,
};

use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// What the serial ports, parallel ports, consoles, channels, redirected USB devices, smartcards and entropy
/// daemons of a domain have in common: where on the host their characters come from and go to.
///
/// ```
/// use domain_model::chardev::CharSource;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <serial type='file'><source path='/var/log/guest.log'/></serial></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// let CharSource::File(file) = &devices.serials[0].spec.chardev.source else { panic!() };
/// assert_eq!(file.path.as_deref(), Some("/var/log/guest.log"));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chardev {
    /// The `type` of the device and its `<source>`; a terminal of the host (`pty`) if nothing is said.
    pub source: CharSource,
    /// `<log>`: a file that gets a copy of what the guest sends.
    pub log: Option<Log>,
}

impl Chardev {
    /// Names the children that say where the characters go; the device names the attribute `type` before.
    pub(crate) fn describe<X: Xml>(&mut self, xml: &mut X) {
        if !matches!(self.source, CharSource::Udp(_)) {
            xml.at_most_one("source");
        }
        xml.at_most_one("protocol");
        xml.at_most_one("log");
        self.source.describe(xml);
        xml.child("log", &mut self.log);
    }

    /// Reports what the source lacks. The path of a Unix socket may be left open where libvirt makes one up.
    pub(crate) fn check<X: Xml>(&self, xml: &mut X, unix_path: UnixPath) {
        if !X::READS {
            return;
        }
        for attribute in self.source.missing(unix_path) {
            let message = format!("the source of this device needs the attribute `{attribute}`");
            let origin = xml.at("source");
            let code = if attribute == "channel" { Code::Unsupported } else { Code::Malformed };
            xml.report(Diagnostic::error(code, origin, message));
        }
    }
}

/// Whether a Unix socket has to name its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnixPath {
    /// It has to.
    Needed,
    /// libvirt chooses a path if there is none, as for the virtio channels of the guest agent.
    Chosen,
}

/// `<log>`: a file that gets a copy of what the guest sends; since libvirt 1.3.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// Path of the file.
    pub file: Option<String>,
    /// Whether the file is continued rather than emptied when the guest starts.
    pub append: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Log {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("file", &mut self.file);
        xml.attribute("append", &mut self.append);
    }
}
