//! `<channel>`: channels between host and guest.

use std::net::Ipv4Addr;

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::words;
use crate::xml::{Tagged, Xml};
use crate::{Code, Diagnostic};

/// `<channel>`: channels between host and guest.
///
/// ```
/// use domain_model::device::channel::ChannelTarget;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><channel type='unix'>\
///     <target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// let ChannelTarget::Virtio(port) = &devices.channels[0].spec.target else { panic!() };
/// assert_eq!(port.name.as_deref(), Some("org.qemu.guest_agent.0"));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    /// Where the characters go on the host.
    pub chardev: Chardev,
    /// What the guest sees.
    pub target: ChannelTarget,
}

/// What the guest sees of a channel, `<target>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelTarget {
    /// A TCP address in the guest's user-mode network that leads to the host.
    Guestfwd(Guestfwd),
    /// A named port of a virtio-serial controller.
    Virtio(NamedPort),
    /// A named channel of a Xen guest; since libvirt 2.3.
    Xen(NamedPort),
}

/// An address in the guest's user-mode network; since libvirt 0.7.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guestfwd {
    /// The address the guest connects to.
    pub address: Ipv4Addr,
    /// The port the guest connects to.
    pub port: u16,
}

impl Default for Guestfwd {
    fn default() -> Self {
        Guestfwd { address: Ipv4Addr::UNSPECIFIED, port: 0 }
    }
}

/// A port with a name that the guest finds it by; since libvirt 0.7.7.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedPort {
    /// The name, such as `org.qemu.guest_agent.0`.
    pub name: Option<String>,
    /// Whether something in the guest has the port open; only for running domains.
    pub state: Option<ChannelState>,
}

words! {
    /// Whether something in the guest has a channel open.
    pub enum ChannelState {
        /// It has.
        Connected = "connected",
        /// It has not.
        Disconnected = "disconnected",
    }
}

impl Default for ChannelTarget {
    fn default() -> Self {
        ChannelTarget::Virtio(NamedPort::default())
    }
}

impl Tagged for ChannelTarget {
    const CODE: Code = Code::UnknownWord;
    const TAGS: &'static [&'static str] = &["guestfwd", "virtio", "xen"];

    fn tag(&self) -> &'static str {
        match self {
            ChannelTarget::Guestfwd(_) => "guestfwd",
            ChannelTarget::Virtio(_) => "virtio",
            ChannelTarget::Xen(_) => "xen",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "guestfwd" => ChannelTarget::Guestfwd(Guestfwd::default()),
            "virtio" => ChannelTarget::Virtio(NamedPort::default()),
            "xen" => ChannelTarget::Xen(NamedPort::default()),
            _ => return None,
        })
    }
}

impl ChannelTarget {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.blamed_as(Code::UnknownWord, |xml| xml.required_tag("type", self));
        match self {
            ChannelTarget::Guestfwd(target) => {
                xml.required("address", &mut target.address);
                xml.required("port", &mut target.port);
            }
            ChannelTarget::Virtio(port) | ChannelTarget::Xen(port) => {
                xml.attribute("name", &mut port.name);
                xml.lenient("state", &mut port.state);
            }
        }
    }
}

impl Family for Channel {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.chardev.source);
        self.chardev.describe(xml);
        let mut target = false;
        xml.nested("target", |xml| {
            target = true;
            self.target.describe(xml);
        });
        if X::READS && !target {
            let message = "`<channel>` needs a `<target>`";
            xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
        }
        let chooses_path = !matches!(self.target, ChannelTarget::Guestfwd(_));
        self.chardev.check(xml, if chooses_path { UnixPath::Chosen } else { UnixPath::Needed });
    }
}
