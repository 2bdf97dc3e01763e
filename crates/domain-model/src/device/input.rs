//! `<input>`: keyboards, mice and tablets.

use super::{DeviceInfo, Family};
use crate::address::Place;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Tagged, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `bus` of `<input>`.
    pub enum InputBus: UnknownWord {
        /// The ports that a PC has for its first keyboard and mouse.
        Ps2 = "ps2",
        /// USB.
        Usb = "usb",
        /// Xen's virtual keyboard and mouse.
        Xen = "xen",
        /// Parallels containers.
        Parallels = "parallels",
        /// Virtio; since libvirt 1.3.
        Virtio = "virtio",
        /// No bus, as devices of `evdev` have it; since libvirt 7.4.
        None = "none",
    }

    /// `model` of `<input>` on the virtio bus; since libvirt 5.2.
    pub enum InputModel: UnknownWord {
        /// In the transport that suits the machine.
        Virtio = "virtio",
        /// Virtio over PCI for old and new guest drivers.
        VirtioTransitional = "virtio-transitional",
        /// Virtio over PCI for virtio 1.0 guest drivers only.
        VirtioNonTransitional = "virtio-non-transitional",
    }

    /// `grab` of `<source>`: which devices are grabbed together.
    pub enum Grab {
        /// All of the guest's.
        All = "all",
    }

    /// `grabToggle` of `<source>`: the keys that hand a device over between host and guest; since libvirt 7.6.
    pub enum GrabToggle {
        /// Both control keys.
        CtrlCtrl = "ctrl-ctrl",
        /// Both alt keys.
        AltAlt = "alt-alt",
        /// Both shift keys.
        ShiftShift = "shift-shift",
        /// Both meta keys.
        MetaMeta = "meta-meta",
        /// Scroll lock.
        Scrolllock = "scrolllock",
        /// Control and scroll lock.
        CtrlScrolllock = "ctrl-scrolllock",
    }
}

/// `<input>`: a device the guest's user types on or points with.
///
/// ```
/// use domain_model::device::input::InputKind;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <input type='tablet' bus='usb'/></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.inputs[0].spec.kind, InputKind::Tablet);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// What the guest sees, and where the events come from.
    pub kind: InputKind,
    /// The bus; which one is taken without it depends on the kind and the machine.
    pub bus: Option<InputBus>,
    /// The model on the virtio bus.
    pub model: Option<InputModel>,
    /// What all virtio devices share.
    pub virtio: VirtioOptions,
}

/// `type` of `<input>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum InputKind {
    /// A mouse: movements are relative.
    #[default]
    Mouse,
    /// A tablet: positions are absolute.
    Tablet,
    /// A keyboard; since libvirt 1.2.2.
    Keyboard,
    /// An event device of the host handed to the guest; since libvirt 1.3.
    Passthrough(Option<Passthrough>),
    /// An event device of the host whose events QEMU passes on; since libvirt 7.4.
    Evdev(Option<Evdev>),
}

impl Tagged for InputKind {
    const CODE: Code = Code::UnknownWord;
    const TAGS: &'static [&'static str] = &["mouse", "tablet", "keyboard", "passthrough", "evdev"];

    fn tag(&self) -> &'static str {
        match self {
            InputKind::Mouse => "mouse",
            InputKind::Tablet => "tablet",
            InputKind::Keyboard => "keyboard",
            InputKind::Passthrough(_) => "passthrough",
            InputKind::Evdev(_) => "evdev",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "mouse" => InputKind::Mouse,
            "tablet" => InputKind::Tablet,
            "keyboard" => InputKind::Keyboard,
            "passthrough" => InputKind::Passthrough(None),
            "evdev" => InputKind::Evdev(None),
            _ => return None,
        })
    }
}

impl Family for Input {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.missing_as(Code::Malformed, |xml| xml.required_tag("type", &mut self.kind));
        // A device of `evdev` has no bus, and libvirt does not write that.
        let has_none = matches!(self.kind, InputKind::Evdev(_));
        if X::READS || !has_none || self.bus != Some(InputBus::None) {
            xml.attribute("bus", &mut self.bus);
        }
        if X::READS && has_none {
            self.bus.take_if(|bus| *bus == InputBus::None);
        }
        xml.attribute("model", &mut self.model);
        xml.nested("driver", |xml| self.virtio.describe(xml));
        match &mut self.kind {
            InputKind::Mouse | InputKind::Tablet | InputKind::Keyboard => {}
            InputKind::Passthrough(source) => xml.child("source", source),
            InputKind::Evdev(source) => xml.child("source", source),
        }
    }

    fn check<X: Xml>(&self, info: &DeviceInfo, xml: &mut X) {
        let is_elsewhere =
            info.address.as_ref().is_some_and(|address| !matches!(address.place, Place::Usb(_)));
        if self.bus == Some(InputBus::Usb) && is_elsewhere {
            let message = "an `<input>` on the USB bus needs an address of the type `usb`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("address/@type"), message));
        }
    }
}

/// `<source>` of a `passthrough` device; since libvirt 1.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passthrough {
    /// Path of the event device, such as `/dev/input/event1`.
    pub evdev: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Passthrough {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("evdev", &mut self.evdev);
    }
}

/// `<source>` of an `evdev` device; since libvirt 7.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evdev {
    /// Path of the event device, such as `/dev/input/event1`.
    pub dev: String,
    /// Whether other devices follow when this one is grabbed.
    pub grab: Option<Grab>,
    /// The keys that hand the device over between host and guest; since libvirt 7.6.
    pub grab_toggle: Option<GrabToggle>,
    /// Whether a key held down repeats.
    pub repeat: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Evdev {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("dev", &mut self.dev);
        xml.attribute("grab", &mut self.grab);
        xml.attribute("grabToggle", &mut self.grab_toggle);
        xml.attribute("repeat", &mut self.repeat);
    }
}
