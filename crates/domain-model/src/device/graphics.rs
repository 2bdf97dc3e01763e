//! `<graphics>`: ways to see the guest's screen.

mod access;
mod spice;

use std::num::NonZeroU32;

use super::Family;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Tagged, Xml};

pub use access::{Connected, DateTime, Listen, ListenKind, Password};
pub use spice::{
    Channel, ChannelMode, ChannelName, ImageCompression, LossyCompression, MouseMode, Spice, StreamingMode,
};

/// `<graphics>`: a way to see the guest's screen and to work on it.
///
/// ```
/// use domain_model::device::graphics::Graphics;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <graphics type='vnc' port='5901'><listen type='address' address='::1'/></graphics></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let Graphics::Vnc(vnc) = &devices.graphics[0].spec else { panic!() };
/// assert_eq!((vnc.port, vnc.listens.len()), (Some(5901), 1));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Graphics {
    /// A window of SDL on the host.
    Sdl(Sdl),
    /// A VNC server.
    Vnc(Box<Vnc>),
    /// An RDP server; for QEMU since libvirt 11.1, over its D-Bus display.
    Rdp(Box<Rdp>),
    /// The desktop of VirtualBox and VMware.
    Desktop(Desktop),
    /// A Spice server; since libvirt 0.8.6.
    Spice(Box<Spice>),
    /// OpenGL for a screen that nobody sees; since libvirt 4.6.
    EglHeadless(Gl),
    /// Screens over D-Bus; since libvirt 8.4.
    Dbus(Dbus),
}

impl Default for Graphics {
    fn default() -> Self {
        Graphics::Vnc(Box::default())
    }
}

impl Tagged for Graphics {
    const TAGS: &'static [&'static str] = &["sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus"];

    fn tag(&self) -> &'static str {
        match self {
            Graphics::Sdl(_) => "sdl",
            Graphics::Vnc(_) => "vnc",
            Graphics::Rdp(_) => "rdp",
            Graphics::Desktop(_) => "desktop",
            Graphics::Spice(_) => "spice",
            Graphics::EglHeadless(_) => "egl-headless",
            Graphics::Dbus(_) => "dbus",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "sdl" => Graphics::Sdl(Sdl::default()),
            "vnc" => Graphics::Vnc(Box::default()),
            "rdp" => Graphics::Rdp(Box::default()),
            "desktop" => Graphics::Desktop(Desktop::default()),
            "spice" => Graphics::Spice(Box::default()),
            "egl-headless" => Graphics::EglHeadless(Gl::default()),
            "dbus" => Graphics::Dbus(Dbus::default()),
            _ => return None,
        })
    }
}

impl Family for Graphics {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", self);
        match self {
            Graphics::Sdl(sdl) => sdl.describe(xml),
            Graphics::Vnc(vnc) => vnc.describe(xml),
            Graphics::Rdp(rdp) => rdp.describe(xml),
            Graphics::Desktop(desktop) => xml.attribute("display", &mut desktop.display),
            Graphics::Spice(spice) => spice.describe(xml),
            Graphics::EglHeadless(gl) => {
                xml.nested("gl", |xml| xml.attribute("rendernode", &mut gl.rendernode));
            }
            Graphics::Dbus(dbus) => dbus.describe(xml),
        }
    }
}

impl Graphics {
    /// The `<listen>` elements, for the kinds that have them.
    pub fn listens(&self) -> &[Listen] {
        match self {
            Graphics::Vnc(vnc) => &vnc.listens,
            Graphics::Rdp(rdp) => &rdp.listens,
            Graphics::Spice(spice) => &spice.listens,
            Graphics::Sdl(_) | Graphics::Desktop(_) | Graphics::EglHeadless(_) | Graphics::Dbus(_) => &[],
        }
    }
}

words! {
    /// `sharePolicy` of VNC: what happens to clients that want the screen alone; since libvirt 1.0.6.
    pub enum SharePolicy {
        /// They get it, and others are thrown out.
        AllowExclusive = "allow-exclusive",
        /// They are refused.
        ForceShared = "force-shared",
        /// They are welcome and share.
        Ignore = "ignore",
    }
}

/// `<gl>`: drawing with the host's GPU; since libvirt 1.3.3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gl {
    /// Whether OpenGL is used.
    pub enable: Option<YesNo>,
    /// Path of the host's render node.
    pub rendernode: Option<String>,
}

impl Gl {
    /// `<gl>` of a kind that can be without OpenGL.
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("gl", |xml| {
            xml.needed("enable", &mut self.enable);
            xml.attribute("rendernode", &mut self.rendernode);
        });
    }
}

/// A window of SDL on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sdl {
    /// The X display, such as `:0.0`.
    pub display: Option<String>,
    /// Path of the file with the X server's cookie.
    pub xauth: Option<String>,
    /// Whether the window fills the screen.
    pub fullscreen: Option<YesNo>,
    /// `<gl enable=…>`: whether OpenGL is used; since libvirt 4.8.
    pub gl: Option<YesNo>,
}

impl Sdl {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("display", &mut self.display);
        xml.attribute("xauth", &mut self.xauth);
        xml.attribute("fullscreen", &mut self.fullscreen);
        xml.nested("gl", |xml| xml.needed("enable", &mut self.gl));
    }
}

/// A VNC server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vnc {
    /// Path of a Unix socket to listen on instead of a port; the old spelling of a `<listen>`.
    pub socket: Option<String>,
    /// The TCP port; -1 has one chosen, as nothing does.
    pub port: Option<i32>,
    /// Whether a port is chosen.
    pub autoport: Option<YesNo>,
    /// The TCP port for WebSockets; -1 has one chosen. Since libvirt 1.0.6.
    pub websocket: Option<i32>,
    /// Whether the port for WebSockets was chosen, only while the guest runs.
    pub websocket_generated: Option<YesNo>,
    /// The address to listen on; the old spelling of a `<listen>`.
    pub listen: Option<String>,
    /// The keyboard layout, such as `de`.
    pub keymap: Option<String>,
    /// What happens to clients that want the screen alone.
    pub share_policy: Option<SharePolicy>,
    /// Whether clients may switch the guest off and on; since libvirt 7.1.
    pub power_control: Option<YesNo>,
    /// What clients have to know.
    pub password: Password,
    /// Where to listen.
    pub listens: Vec<Listen>,
    /// `<audio id=…>`: which `<audio>` clients hear; since libvirt 7.2.
    pub audio: Option<NonZeroU32>,
}

impl Vnc {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("socket", &mut self.socket);
        xml.blamed_as(crate::Code::Malformed, |xml| xml.attribute("port", &mut self.port));
        xml.lenient("autoport", &mut self.autoport);
        xml.attribute("websocket", &mut self.websocket);
        xml.attribute("websocketGenerated", &mut self.websocket_generated);
        xml.attribute("listen", &mut self.listen);
        xml.attribute("keymap", &mut self.keymap);
        xml.attribute("sharePolicy", &mut self.share_policy);
        xml.attribute("powerControl", &mut self.power_control);
        self.password.describe(xml, &[Connected::Keep]);
        xml.children("listen", &mut self.listens);
        access::check_listens(xml, &self.listens, self.listen.as_deref(), self.socket.as_deref());
        xml.nested("audio", |xml| xml.needed("id", &mut self.audio));
    }
}

/// An RDP server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rdp {
    /// The TCP port; 0 has one chosen.
    pub port: Option<i32>,
    /// Whether a port is chosen.
    pub autoport: Option<YesNo>,
    /// Whether a new client throws the last one out.
    pub replace_user: Option<YesNo>,
    /// Whether several clients may be there at once.
    pub multi_user: Option<YesNo>,
    /// The address to listen on; the old spelling of a `<listen>`.
    pub listen: Option<String>,
    /// What clients have to know.
    pub password: Password,
    /// Where to listen.
    pub listens: Vec<Listen>,
}

impl Rdp {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("port", &mut self.port);
        xml.lenient("autoport", &mut self.autoport);
        xml.attribute("replaceUser", &mut self.replace_user);
        xml.attribute("multiUser", &mut self.multi_user);
        xml.attribute("listen", &mut self.listen);
        self.password.describe(xml, Connected::ALL);
        xml.children("listen", &mut self.listens);
        access::check_listens(xml, &self.listens, self.listen.as_deref(), None);
    }
}

/// The desktop of VirtualBox and VMware.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desktop {
    /// The X display.
    pub display: Option<String>,
}

/// Screens over D-Bus; since libvirt 8.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dbus {
    /// Whether clients connect to QEMU rather than to a bus.
    pub p2p: Option<YesNo>,
    /// The address of the bus; a bus is started if nothing is said.
    pub address: Option<String>,
    /// Drawing with the host's GPU.
    pub gl: Gl,
    /// `<audio id=…>`: which `<audio>` clients hear.
    pub audio: Option<NonZeroU32>,
}

impl Dbus {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("p2p", &mut self.p2p);
        xml.attribute("address", &mut self.address);
        self.gl.describe(xml);
        xml.nested("audio", |xml| xml.needed("id", &mut self.audio));
    }
}
