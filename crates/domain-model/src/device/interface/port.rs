//! The switch's view of a card: `<virtualport>`, `<vlan>`, `<bandwidth>`, `<teaming>`.

use crate::values::{CNumber, Uuid};
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// The kind of switch that a card is a port of.
    pub enum VirtualPortType: UnknownWord {
        /// No particular one.
        None = "none",
        /// IEEE 802.1Qbg (VEPA).
        Ieee8021Qbg = "802.1Qbg",
        /// IEEE 802.1Qbh (VN-Tag).
        Ieee8021Qbh = "802.1Qbh",
        /// Open vSwitch.
        Openvswitch = "openvswitch",
        /// MidoNet; since libvirt 1.2.13.
        Midonet = "midonet",
    }

    /// Whether packets of the native VLAN carry a tag.
    pub enum NativeMode {
        /// They do.
        Tagged = "tagged",
        /// They do not.
        Untagged = "untagged",
    }

    /// A card's part in a team of two.
    pub enum TeamingType: UnknownWord {
        /// The card stays when the guest moves to another host.
        Persistent = "persistent",
        /// The card is taken away for the time of the move.
        Transient = "transient",
    }
}

/// `<virtualport>`: what the switch is told of the card; since libvirt 0.8.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VirtualPort {
    /// The kind of switch; the virtual network decides if it is not said.
    pub kind: Option<VirtualPortType>,
    /// The database that `typeid` is from, 0 to 255 (802.1Qbg).
    pub managerid: Option<CNumber<0xff>>,
    /// The type of virtual station interface, 24 bits (802.1Qbg).
    pub typeid: Option<CNumber<0xff_ffff>>,
    /// Version of the type, 0 to 255 (802.1Qbg).
    pub typeidversion: Option<CNumber<0xff>>,
    /// Identity of the port (802.1Qbg).
    pub instanceid: Option<Uuid>,
    /// Identity of the port (Open vSwitch, MidoNet).
    pub interfaceid: Option<Uuid>,
    /// Profile of the port, at most 39 bytes (802.1Qbh, Open vSwitch).
    pub profileid: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl VirtualPort {
    /// The parameters that a port of this kind cannot be without, and whether they are there. libvirt makes
    /// up the identity of a port where it can.
    fn needed(&self) -> Vec<(&'static str, bool)> {
        match self.kind {
            Some(VirtualPortType::Ieee8021Qbg) => vec![
                ("managerid", self.managerid.is_some()),
                ("typeid", self.typeid.is_some()),
                ("typeidversion", self.typeidversion.is_some()),
            ],
            Some(VirtualPortType::Ieee8021Qbh) => vec![("profileid", self.profileid.is_some())],
            Some(VirtualPortType::Midonet) => vec![("interfaceid", self.interfaceid.is_some())],
            Some(VirtualPortType::None | VirtualPortType::Openvswitch) | None => Vec::new(),
        }
    }

    /// The parameters that a port of this kind has no use for, and whether they are there. libvirt drops
    /// those of MidoNet, and refuses others.
    fn useless(&self) -> Vec<(&'static str, bool)> {
        let mut vepa = vec![
            ("managerid", self.managerid.is_some()),
            ("typeid", self.typeid.is_some()),
            ("typeidversion", self.typeidversion.is_some()),
            ("instanceid", self.instanceid.is_some()),
        ];
        let interface = ("interfaceid", self.interfaceid.is_some());
        match self.kind {
            Some(VirtualPortType::Ieee8021Qbg) => vec![("profileid", self.profileid.is_some()), interface],
            Some(VirtualPortType::Ieee8021Qbh) => {
                vepa.push(interface);
                vepa
            }
            Some(VirtualPortType::Openvswitch) => vepa,
            Some(VirtualPortType::Midonet | VirtualPortType::None) | None => Vec::new(),
        }
    }
}

impl Element for VirtualPort {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        xml.nested("parameters", |xml| {
            xml.attribute("managerid", &mut self.managerid);
            xml.attribute("typeid", &mut self.typeid);
            xml.attribute("typeidversion", &mut self.typeidversion);
            xml.attribute("instanceid", &mut self.instanceid);
            xml.attribute("interfaceid", &mut self.interfaceid);
            xml.attribute("profileid", &mut self.profileid);
        });
        if !X::READS {
            return;
        }
        for (name, is_there) in self.needed() {
            if !is_there {
                let message = format!("a `<virtualport>` of this type needs the parameter `{name}`");
                xml.report(Diagnostic::error(Code::MissingAttribute, xml.at("parameters"), message));
            }
        }
        for (name, is_there) in self.useless() {
            if is_there {
                let message = format!("a `<virtualport>` of this type does not have the parameter `{name}`");
                xml.report(Diagnostic::error(Code::Conflict, xml.at("parameters"), message));
            }
        }
        if self.profileid.as_ref().is_some_and(|profile| profile.len() > 39) {
            let message = "the profile of a port has at most 39 bytes";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("parameters/@profileid"), message));
        }
    }
}

/// `<vlan>`: the VLANs a port belongs to; since libvirt 0.10.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vlan {
    /// Whether the port carries all its VLANs, tagged; more than one tag implies it.
    pub trunk: Option<YesNo>,
    /// The VLANs.
    pub tags: Vec<VlanTag>,
    /// Where it was written.
    pub meta: Meta,
}

impl Vlan {
    /// Whether the port carries all its VLANs, tagged.
    pub fn is_trunk(&self) -> bool {
        self.trunk == Some(YesNo::Yes) || self.tags.len() > 1
    }
}

impl Element for Vlan {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional("trunk", &mut self.trunk);
        xml.children("tag", &mut self.tags);
        if !X::READS {
            return;
        }
        if self.tags.is_empty() {
            let message = "`<vlan>` needs at least one `<tag>`";
            xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
        }
        let natives = self.tags.iter().filter(|tag| tag.native_mode.is_some()).count();
        if natives > 1 {
            let message = "more than one tag is the native VLAN";
            xml.report(Diagnostic::error(Code::Conflict, xml.at(""), message));
        }
        if self.trunk == Some(YesNo::No) && (natives > 0 || self.tags.len() > 1) {
            let message = "several tags or a native VLAN make the port a trunk";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("@trunk"), message));
        }
    }
}

/// `<tag>`: one VLAN; since libvirt 0.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VlanTag {
    /// Number of the VLAN, 0 to 4095.
    pub id: CNumber<4095>,
    /// Whether this is the VLAN of packets without tag, and how they are sent; since libvirt 1.1.0.
    pub native_mode: Option<NativeMode>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for VlanTag {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.attribute("nativeMode", &mut self.native_mode);
    }
}

/// `<bandwidth>`: limits that the host puts on a card; since libvirt 0.9.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bandwidth {
    /// The class that the host chose, only while the guest runs.
    pub class_id: Option<u32>,
    /// What the guest receives.
    pub inbound: Option<Rate>,
    /// What the guest sends.
    pub outbound: Option<Rate>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Bandwidth {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("classID", &mut self.class_id);
        xml.child("inbound", &mut self.inbound);
        xml.child("outbound", &mut self.outbound);
        if X::READS && self.outbound.as_ref().is_some_and(|rate| rate.floor.is_some()) {
            let message = "`floor` is for `<inbound>` only";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("outbound/@floor"), message));
        }
    }
}

/// A limit in one direction; since libvirt 0.9.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rate {
    /// Kilobytes (1000) each second in the long run.
    pub average: Option<u64>,
    /// Kilobytes each second at most.
    pub peak: Option<u64>,
    /// Kilobytes each second that the card gets at least.
    pub floor: Option<u64>,
    /// KiB that may be sent at the peak rate in one go.
    pub burst: Option<u64>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Rate {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("average", &mut self.average);
        xml.attribute("peak", &mut self.peak);
        xml.attribute("floor", &mut self.floor);
        xml.attribute("burst", &mut self.burst);
        if !X::READS || self.average.is_some() {
            return;
        }
        if self.floor.is_none() {
            let message = "a limit needs `average` or `floor`";
            xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
        }
        if self.peak.is_some() || self.burst.is_some() {
            let message = "`peak` and `burst` need `average`";
            xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
        }
    }
}

/// `<teaming>`: a pair of cards of which the guest sees one; since libvirt 6.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Teaming {
    /// The card's part in the pair.
    pub kind: TeamingType,
    /// Alias of the persistent card, for the transient one.
    pub persistent: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Teaming {
    fn default() -> Self {
        Teaming { kind: TeamingType::Persistent, persistent: None, meta: Meta::default() }
    }
}

impl Element for Teaming {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("type", &mut self.kind);
        xml.attribute("persistent", &mut self.persistent);
        if !X::READS {
            return;
        }
        match (self.kind, &self.persistent) {
            (TeamingType::Transient, None) => {
                let message = "a transient card needs the attribute `persistent`, the alias of the other";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
            }
            (TeamingType::Persistent, Some(_)) => {
                let message = "the attribute `persistent` is for transient cards";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at("@persistent"), message));
            }
            _ => {}
        }
    }
}
