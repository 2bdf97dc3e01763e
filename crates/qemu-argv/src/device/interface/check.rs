//! What cannot work about a network card.

use caps_parser::Capability;
use domain_model::device::interface::{
    Driver, DriverName, Interface, InterfaceSource, TeamingType, VirtualPortType,
};
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use super::virtio_model;
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::Era;

/// What libvirt refuses before a guest is started.
pub(super) fn defined(nic: &Resolved<'_, Interface>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    let mut check = Check { nic, cx, problems };
    check.source();
    check.guest_addresses();
    check.host_addresses();
    check.passt();
    check.driver();
    check.features();
    check.teaming();
}

/// What libvirt refuses when a guest is started, because only then it is known what the card is connected to.
pub(super) fn started(nic: &Resolved<'_, Interface>, out: &mut Args) {
    let source = &nic.spec.source;
    let mut refuse = |what: &str, origin: Origin| {
        let message = format!("an interface of type `{}` has no {what}", source.tag());
        out.problem(Diagnostic::error(Code::Unsupported, origin, message));
    };
    if matches!(source, InterfaceSource::Null | InterfaceSource::Vds(_)) {
        refuse("counterpart in QEMU", nic.at("@type"));
    }
    let has_tap = matches!(
        source,
        InterfaceSource::Network(_) | InterfaceSource::Bridge(_) | InterfaceSource::Ethernet(_)
    );
    let has_queues = has_tap
        || matches!(
            source,
            InterfaceSource::Direct(_) | InterfaceSource::Vhostuser(_) | InterfaceSource::Vdpa { .. }
        );
    if nic.spec.driver.as_ref().is_some_and(|driver| driver.queues.is_some()) && !has_queues {
        refuse("queues to choose the number of", nic.at("driver/@queues"));
    }
    if nic.spec.filterref.is_some() && !has_tap {
        refuse("packet filter", nic.at("filterref/@filter"));
    }
    let is_openvswitch = |kind| kind == Some(VirtualPortType::Openvswitch);
    if nic.spec.filterref.is_some()
        && nic.spec.virtualport.as_ref().is_some_and(|port| is_openvswitch(port.kind))
    {
        refuse("packet filter on a port of Open vSwitch", nic.at("filterref/@filter"));
    }
    if nic.spec.backend.as_ref().is_some_and(|backend| backend.tap.is_some()) && !has_tap {
        refuse("TAP device", nic.at("backend/@tap"));
    }
    if nic.spec.script.is_some() && !matches!(source, InterfaceSource::Ethernet(_)) {
        refuse("script", nic.at("script/@path"));
    }
}

struct Check<'a, 'c> {
    nic: &'a Resolved<'a, Interface>,
    cx: &'a Context<'c>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Check<'_, '_> {
    fn refuse(&mut self, code: Code, path: &'static str, message: impl Into<String>) {
        self.problems.push(Diagnostic::error(code, self.nic.at(path), message));
    }

    fn unsupported(&mut self, path: &'static str, message: impl Into<String>) {
        self.refuse(Code::Unsupported, path, message);
    }

    fn need(&mut self, capability: Capability, what: &str, path: &'static str) {
        if !self.cx.has(capability) {
            let origin = self.nic.at(path);
            self.problems.push(crate::gate::missing(capability, what, origin, self.cx.inputs.caps));
        }
    }

    fn source(&mut self) {
        let tag = self.nic.spec.source.tag();
        let model = self.nic.spec.model.as_deref().unwrap_or_default();
        match &self.nic.spec.source {
            InterfaceSource::Vdpa { .. } => {
                self.need(Capability::NetdevVhostVdpa, "-netdev vhost-vdpa", "@type");
                if model != "virtio" {
                    self.unsupported(
                        "model/@type",
                        format!("an interface of type `{tag}` is of model `virtio`, not `{model}`"),
                    );
                }
            }
            InterfaceSource::Vhostuser(_) if virtio_model(self.nic.spec).is_none() => {
                let message = format!("an interface of type `{tag}` is of model `virtio`, not `{model}`");
                self.unsupported("model/@type", message);
            }
            InterfaceSource::Vhostuser(_) if !crate::memory::is_shared(self.cx.domain) => {
                let message =
                    "a `vhostuser` interface needs memory that is shared with the program behind it";
                let problem = Diagnostic::error(Code::Unsupported, self.nic.at("@type"), message);
                self.problems.push(problem.help("use `<memoryBacking>` with `<access mode='shared'/>`"));
            }
            _ => {}
        }
    }

    fn guest_addresses(&mut self) {
        let card = self.nic.spec;
        let has_network = matches!(card.source, InterfaceSource::User { .. }) || card.uses_passt();
        if !has_network {
            // libvirt of 2011 had such an address for the scripts of Xen, and QEMU hears nothing of it.
            let is_for_scripts =
                matches!(card.source, InterfaceSource::Ethernet(_) | InterfaceSource::Bridge(_));
            if self.cx.dialect.era == Era::Historic && is_for_scripts && card.routes.is_empty() {
                return;
            }
            if !card.ips.is_empty() || !card.routes.is_empty() {
                let message = format!(
                    "the guest's addresses and routes cannot be chosen for an interface of type `{}`",
                    card.source.tag()
                );
                self.unsupported(if card.ips.is_empty() { "route" } else { "ip" }, message);
            }
            return;
        }
        if !card.routes.is_empty() {
            self.unsupported("route", "QEMU cannot give the guest routes");
        }
        let (mut v4, mut v6) = (0, 0);
        for ip in &card.ips {
            let mut refuse = |code, origin, message: String| {
                self.problems.push(Diagnostic::error(code, origin, message));
            };
            if ip.peer.is_some() {
                let message = "the guest's address has no address at the other end".to_owned();
                refuse(Code::Unsupported, ip.meta.at("@peer"), message);
            }
            let (count, family) = if ip.address.is_ipv4() { (&mut v4, "IPv4") } else { (&mut v6, "IPv6") };
            *count += 1;
            if *count == 2 {
                let message = format!("an interface has one {family} address at most");
                refuse(Code::Unsupported, ip.meta.origin, message);
            }
            match (ip.address.is_ipv4(), ip.prefix.unwrap_or_default()) {
                (_, 0) | (true, 4..=27) | (false, 64) => {}
                (true, prefix) => {
                    let message = format!("bad value `{prefix}` for `prefix`: expected 4 to 27");
                    refuse(Code::BadValue, ip.meta.at("@prefix"), message);
                }
                (false, prefix) => {
                    let message = format!("bad value `{prefix}` for `prefix`: an IPv6 prefix is 64 bits");
                    refuse(Code::Unsupported, ip.meta.at("@prefix"), message);
                }
            }
        }
    }

    fn host_addresses(&mut self) {
        if let InterfaceSource::Ethernet(ethernet) = &self.nic.spec.source
            && !self.cx.is_libvirt()
            && (!ethernet.ips.is_empty() || !ethernet.routes.is_empty())
        {
            let message = "addresses of the TAP device on the host are not set; whoever made it can set them";
            self.problems.push(Diagnostic::warning(Code::NotYet, self.nic.at("source"), message));
        }
    }

    fn passt(&mut self) {
        let card = self.nic.spec;
        let fits = matches!(card.source, InterfaceSource::User { .. } | InterfaceSource::Vhostuser(_));
        if !card.uses_passt() {
            if !card.port_forwards.is_empty() {
                self.unsupported("portForward", "ports are forwarded by `<backend type='passt'/>` only");
            }
            if matches!(card.source, InterfaceSource::User { dev: Some(_) }) {
                self.unsupported("source/@dev", "only `<backend type='passt'/>` can choose an interface");
            }
            return;
        }
        // Cards that speak vhost-user with passt could do without, but libvirt asks for the same QEMUs.
        self.need(Capability::NetdevStream, "-netdev stream", "backend/@type");
        if !fits {
            let tag = card.source.tag();
            self.unsupported(
                "backend/@type",
                format!("passt serves interfaces of type `user` and `vhostuser`, not `{tag}`"),
            );
        }
    }

    fn driver(&mut self) {
        let Some(Driver { rx_queue_size, tx_queue_size, rss, rss_hash_report, .. }) = &self.nic.spec.driver
        else {
            return;
        };
        for (size, path) in
            [(rx_queue_size, "driver/@rx_queue_size"), (tx_queue_size, "driver/@tx_queue_size")]
        {
            if let Some(size) = size.filter(|size| *size > 0 && !size.is_power_of_two()) {
                self.unsupported(path, format!("a queue of `{size}` packets: the size is a power of two"));
            }
        }
        if rss.is_some() {
            self.need(Capability::VirtioNetRss, "virtio-net-pci,rss=", "driver/@rss");
        }
        if rss_hash_report.is_some() {
            self.need(Capability::VirtioNetRss, "virtio-net-pci,hash=", "driver/@rss_hash_report");
        }
    }

    fn features(&mut self) {
        let card = self.nic.spec;
        let tag = card.source.tag();
        let has_tap = matches!(
            card.source,
            InterfaceSource::Network(_) | InterfaceSource::Bridge(_) | InterfaceSource::Ethernet(_)
        );
        let has_mtu = has_tap || card.uses_passt() || matches!(card.source, InterfaceSource::Vhostuser(_));
        if card.mtu.is_some() && !has_mtu {
            self.unsupported("mtu/@size", format!("the MTU of an interface of type `{tag}` cannot be set"));
        }
        if card.coalesce_rx_frames_max.is_some() && !has_tap {
            self.unsupported("coalesce", format!("an interface of type `{tag}` has no settings to coalesce"));
        }
        if card.trust_guest_rx_filters == Some(YesNo::Yes) && !self.cx.is_libvirt() {
            let message = "the host does not follow the guest when it changes its address or its filters";
            let origin = self.nic.at("@trustGuestRxFilters");
            self.problems.push(Diagnostic::warning(Code::NotYet, origin, message));
        }
        let wants_vhost = card.driver.as_ref().is_some_and(|driver| driver.name == Some(DriverName::Vhost));
        if wants_vhost && !self.cx.is_libvirt() && matches!(card.source, InterfaceSource::User { .. }) {
            let message = "vhost is for TAP devices; QEMU moves the packets of this card";
            self.problems.push(Diagnostic::warning(Code::Conflict, self.nic.at("driver/@name"), message));
        }
    }

    fn teaming(&mut self) {
        let card = self.nic.spec;
        match card.teaming.as_ref().map(|teaming| teaming.kind) {
            Some(TeamingType::Persistent) if virtio_model(card).is_none() => {
                let model = card.model.as_deref().unwrap_or_default();
                let message = format!("the persistent card of a team is of model `virtio`, not `{model}`");
                self.unsupported("teaming/@type", message);
            }
            Some(TeamingType::Transient)
                if !matches!(card.source, InterfaceSource::Hostdev(_) | InterfaceSource::Network(_)) =>
            {
                let message =
                    format!("the transient card of a team is of type `hostdev`, not `{}`", card.source.tag());
                self.unsupported("teaming/@type", message);
            }
            _ => {}
        }
    }
}
