//! `<console>`: consoles.

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::words;
use crate::xml::Xml;

words! {
    /// What a console is for the guest, `type` of `<target>`.
    pub enum ConsoleTargetType: UnknownWord {
        /// The first serial port, seen once more.
        Serial = "serial",
        /// The console of Xen guests.
        Xen = "xen",
        /// The console of user-mode Linux, which libvirt no longer runs.
        Uml = "uml",
        /// A virtio console.
        Virtio = "virtio",
        /// The console of LXC containers.
        Lxc = "lxc",
        /// The console of OpenVZ containers.
        Openvz = "openvz",
        /// Console of s390x that its firmware can use; since libvirt 1.0.2.
        Sclp = "sclp",
        /// Line-mode console of s390x; since libvirt 1.0.2.
        Sclplm = "sclplm",
    }
}

/// `<console>`: consoles. The first one usually is the first serial port under another name.
///
/// ```
/// use domain_model::device::console::ConsoleTargetType;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <console type='pty'><target type='virtio'/></console></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(devices.consoles[0].spec.target_type, Some(ConsoleTargetType::Virtio));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Console {
    /// Where the characters go on the host.
    pub chardev: Chardev,
    /// The host's terminal of a running guest, the way libvirt said it before it had `<source>`.
    pub tty: Option<String>,
    /// What the console is for the guest; a serial port if nothing is said.
    pub target_type: Option<ConsoleTargetType>,
    /// Number of the console, from 0.
    pub port: Option<u32>,
}

impl Family for Console {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.chardev.source);
        xml.attribute("tty", &mut self.tty);
        self.chardev.describe(xml);
        xml.nested("target", |xml| {
            xml.attribute("type", &mut self.target_type);
            xml.attribute("port", &mut self.port);
        });
        let chooses_path =
            matches!(self.target_type, Some(ConsoleTargetType::Xen | ConsoleTargetType::Virtio));
        self.chardev.check(xml, if chooses_path { UnixPath::Chosen } else { UnixPath::Needed });
    }
}
