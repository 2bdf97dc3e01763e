//! `<graphics type='spice'>`: a Spice server.

use super::{Connected, Gl, Listen, Password, access};
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Text, Xml};

words! {
    /// `mode` of `<channel>` and `defaultMode`.
    pub enum ChannelMode {
        /// With and without TLS.
        Any = "any",
        /// With TLS only.
        Secure = "secure",
        /// Without TLS only.
        Insecure = "insecure",
    }

    /// `name` of `<channel>`.
    pub enum ChannelName {
        /// Control of the session.
        Main = "main",
        /// The screen.
        Display = "display",
        /// Keyboard and mouse.
        Inputs = "inputs",
        /// The pointer.
        Cursor = "cursor",
        /// Playback of sound.
        Playback = "playback",
        /// Recording of sound.
        Record = "record",
        /// Smartcards; since libvirt 0.8.8.
        Smartcard = "smartcard",
        /// USB devices; since libvirt 0.9.12.
        Usbredir = "usbredir",
    }

    /// `compression` of `<image>`.
    pub enum ImageCompression {
        /// GLZ where it pays, else QUIC.
        AutoGlz = "auto_glz",
        /// LZ where it pays, else QUIC.
        AutoLz = "auto_lz",
        /// For photographs.
        Quic = "quic",
        /// LZ with a dictionary of former images.
        Glz = "glz",
        /// LZ.
        Lz = "lz",
        /// None.
        Off = "off",
    }

    /// `compression` of `<jpeg>` and `<zlib>`, for slow connections.
    pub enum LossyCompression {
        /// If the connection is slow.
        Auto = "auto",
        /// Never.
        Never = "never",
        /// Always.
        Always = "always",
    }

    /// `mode` of `<streaming>`: which parts of the screen are sent as video.
    pub enum StreamingMode {
        /// Those that look like video.
        Filter = "filter",
        /// All that change quickly.
        All = "all",
        /// None.
        Off = "off",
    }

    /// `mode` of `<mouse>`: who draws the pointer.
    pub enum MouseMode {
        /// The guest.
        Server = "server",
        /// The client.
        Client = "client",
    }
}

/// A Spice server; since libvirt 0.8.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spice {
    /// The TCP port; -1 has one chosen.
    pub port: Option<i32>,
    /// The TCP port for TLS; -1 has one chosen.
    pub tls_port: Option<i32>,
    /// Whether ports are chosen as they are needed.
    pub autoport: Option<YesNo>,
    /// The address to listen on; the old spelling of a `<listen>`.
    pub listen: Option<String>,
    /// The keyboard layout, such as `de`.
    pub keymap: Option<String>,
    /// The mode of channels of which nothing else is said; since libvirt 0.9.12.
    pub default_mode: Option<ChannelMode>,
    /// What clients have to know.
    pub password: Password,
    /// Where to listen.
    pub listens: Vec<Listen>,
    /// The modes of single channels, by name.
    pub channels: Vec<Channel>,
    /// How images are compressed; since libvirt 0.9.1.
    pub image: Option<ImageCompression>,
    /// How images are compressed further with JPEG; since libvirt 0.9.1.
    pub jpeg: Option<LossyCompression>,
    /// How images are compressed further with zlib; since libvirt 0.9.1.
    pub zlib: Option<LossyCompression>,
    /// Whether sound is compressed; since libvirt 0.9.1.
    pub playback: Option<OnOff>,
    /// Which parts of the screen are sent as video; since libvirt 0.9.2.
    pub streaming: Option<StreamingMode>,
    /// Who draws the pointer; since libvirt 0.9.11.
    pub mouse: Option<MouseMode>,
    /// Whether client and guest share a clipboard; since libvirt 0.9.3.
    pub clipboard: Option<YesNo>,
    /// Whether clients may send files; since libvirt 1.2.2.
    pub filetransfer: Option<YesNo>,
    /// Drawing with the host's GPU; since libvirt 1.3.3.
    pub gl: Gl,
}

impl Spice {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("port", &mut self.port);
        xml.attribute("tlsPort", &mut self.tls_port);
        xml.attribute("autoport", &mut self.autoport);
        xml.attribute("listen", &mut self.listen);
        xml.attribute("keymap", &mut self.keymap);
        xml.attribute("defaultMode", &mut self.default_mode);
        self.password.describe(xml, Connected::ALL);
        xml.children("listen", &mut self.listens);
        access::check_listens(xml, &self.listens, self.listen.as_deref(), None);
        xml.children("channel", &mut self.channels);
        if X::READS {
            // libvirt keeps one mode for each name, so the order of writing is the order of the names.
            self.channels.sort_by_key(|channel| channel.name);
        }
        feature(xml, "image", "compression", &mut self.image);
        feature(xml, "jpeg", "compression", &mut self.jpeg);
        feature(xml, "zlib", "compression", &mut self.zlib);
        feature(xml, "playback", "compression", &mut self.playback);
        feature(xml, "streaming", "mode", &mut self.streaming);
        feature(xml, "mouse", "mode", &mut self.mouse);
        feature(xml, "clipboard", "copypaste", &mut self.clipboard);
        feature(xml, "filetransfer", "enable", &mut self.filetransfer);
        self.gl.describe(xml);
    }
}

/// A child that is one attribute, which it cannot be without.
fn feature<X: Xml, T: Text>(xml: &mut X, name: &'static str, attribute: &'static str, value: &mut Option<T>) {
    xml.nested(name, |xml| xml.needed(attribute, value));
}

/// `<channel>`: the mode of one channel; since libvirt 0.8.6.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Which channel.
    pub name: ChannelName,
    /// With or without TLS.
    pub mode: ChannelMode,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Channel {
    fn default() -> Self {
        Channel { name: ChannelName::Main, mode: ChannelMode::Any, meta: Meta::default() }
    }
}

impl Element for Channel {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.required("mode", &mut self.mode);
    }
}
