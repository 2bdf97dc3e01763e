//! What users leave open about network cards.

use caps_parser::Capability;
use domain_model::device::interface::{
    Backend, BackendType, Driver, Interface, InterfaceSource, IpFamily, NetworkPort,
};
use domain_model::os::Arch;
use domain_model::values::MacAddress;
use domain_model::virtio::VirtioOptions;
use domain_model::xml::text::YesNo;
use domain_model::xml::{Meta, Tagged as _, Text};
use domain_model::{Code, Device, Diagnostic, Domain};

use crate::config::Layout;
use crate::context::Inputs;
use crate::dialect::Era;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

/// The models that libvirt knows by name; their case does not matter, that of other names does.
const KNOWN_MODELS: &[&str] = &[
    "netfront",
    "rtl8139",
    "virtio",
    "e1000",
    "e1000e",
    "igb",
    "virtio-transitional",
    "virtio-non-transitional",
    "usb-net",
    "spapr-vlan",
    "lan9118",
    "scm91c111",
    "vlance",
    "vmxnet",
    "vmxnet2",
    "vmxnet3",
    "Am79C970A",
    "Am79C973",
    "82540EM",
    "82545EM",
    "82543GC",
];

/// Whether libvirt knows a model by name.
pub(crate) fn is_known(model: &str) -> bool {
    KNOWN_MODELS.contains(&model)
}

pub(super) fn fill_in(
    device: &mut Device<Interface>,
    index: usize,
    cx: &Resolving<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let origin = device.meta.origin;
    let card = &mut device.spec;
    if let Some(model) = &mut card.model
        && let Some(known) = KNOWN_MODELS.iter().find(|known| known.eq_ignore_ascii_case(model))
    {
        *model = (*known).to_owned();
    }
    // libvirt reads `<driver>` only if the domain itself says that the card is a virtio one.
    match super::virtio_model(card) {
        None => {
            let options = card.driver.take().filter(|driver| driver.virtio != VirtioOptions::default());
            card.driver =
                options.map(|Driver { virtio, meta, .. }| Driver { virtio, meta, ..Driver::default() });
            if let Some(backend) = &mut card.backend {
                backend.vhost = None;
            }
        }
        Some(_) => {
            if let Some(driver) = &mut card.driver {
                driver.queues = driver.queues.filter(|queues| queues.get() > 1);
                driver.rx_queue_size = driver.rx_queue_size.filter(|size| *size > 0);
                driver.tx_queue_size = driver.tx_queue_size.filter(|size| *size > 0);
            }
        }
    }
    forget_what_says_nothing(card);
    forget_last_run(&mut card.source);
    // libvirt reads packet filters only where it can have them.
    let has_filter = |source: &InterfaceSource| {
        matches!(
            source,
            InterfaceSource::Ethernet(_) | InterfaceSource::Bridge(_) | InterfaceSource::Network(_)
        )
    };
    if let Some(filter) = card.filterref.take_if(|_| !has_filter(&card.source))
        && cx.inputs.config.layout == Layout::Run
    {
        let message = format!("an interface of type `{}` has no packet filter", card.source.tag());
        problems.push(Diagnostic::warning(Code::Conflict, filter.meta.origin, message));
    }
    if cx.dialect.era == Era::Modern {
        model(card, &cx.domain, cx.inputs);
        user_backend(card, origin, cx.inputs);
        if let (Some(driver), None) = (&card.driver, super::virtio_model(card)) {
            let message = "`iommu`, `ats`, `packed` and `page_per_vq` are for virtio cards";
            problems.push(Diagnostic::error(Code::Unsupported, driver.meta.origin, message));
        }
    }
    if card.mac.is_none() {
        card.mac = Some(made_up_mac(&cx.domain, index));
    }
}

/// Drops what says no more than its absence does, and says what follows from the rest.
fn forget_what_says_nothing(card: &mut Interface) {
    let is_empty = |driver: &Driver| *driver == Driver { meta: driver.meta.clone(), ..Driver::default() };
    card.driver = card.driver.take().filter(|driver| !is_empty(driver));
    if let Some(backend) = &mut card.backend {
        backend.kind = backend.kind.filter(|kind| *kind != BackendType::Default);
        if *backend == (Backend { meta: backend.meta.clone(), ..Backend::default() }) {
            card.backend = None;
        }
    }
    card.bandwidth =
        card.bandwidth.take().filter(|limits| limits.inbound.is_some() || limits.outbound.is_some());
    card.coalesce_rx_frames_max = card.coalesce_rx_frames_max.filter(|frames| *frames > 0);
    card.model = card.model.take().filter(|model| !model.is_empty());
    card.mtu = card.mtu.filter(|size| *size > 0);
    card.mac = card.mac.filter(|mac| *mac != MacAddress::default());
    if let Some(vlan) = &mut card.vlan {
        vlan.trunk = vlan.is_trunk().then_some(YesNo::Yes);
    }
    let host = match &mut card.source {
        InterfaceSource::Ethernet(ethernet) => ethernet.ips.as_mut_slice(),
        _ => &mut [],
    };
    for ip in card.ips.iter_mut().chain(host) {
        ip.family = Some(IpFamily::of(ip.address));
    }
    let is_made_up = |name: &String| ["vnet", "macvtap", "macvlan"].iter().any(|made| name.starts_with(made));
    if card.target_managed != Some(YesNo::No) {
        card.target_dev = card.target_dev.take().filter(|name| !is_made_up(name));
    }
}

/// Drops what is written of the network only while the guest runs.
fn forget_last_run(source: &mut InterfaceSource) {
    match source {
        InterfaceSource::Network(network) => {
            network.port.portid = None;
            network.bridge = None;
            network.mac_table_manager = None;
        }
        InterfaceSource::Bridge(bridge) => {
            bridge.port = NetworkPort::default();
            bridge.mac_table_manager = None;
        }
        InterfaceSource::Direct(direct) => direct.port = NetworkPort::default(),
        _ => {}
    }
}

fn model(card: &mut Interface, domain: &Domain, inputs: Inputs<'_>) {
    if card.model.is_some() || matches!(card.source, InterfaceSource::Hostdev(_)) {
        return;
    }
    let virtio_only = matches!(card.source, InterfaceSource::Vdpa { .. } | InterfaceSource::Vhostuser(_));
    let model = if virtio_only { "virtio" } else { default_model(domain, inputs) };
    card.model = Some(model.to_owned());
}

/// virtio where no old guest expects something else; otherwise what the most guests can drive.
fn default_model(domain: &Domain, inputs: Inputs<'_>) -> &'static str {
    match (domain.os.arch, Board::of(domain)) {
        (Some(Arch::S390 | Arch::S390x), _) => "virtio",
        (_, Board::LoongarchVirt | Board::RiscvVirt | Board::ArmVirt) => "virtio",
        _ if Board::is_arm(domain) => match domain.os.machine.as_deref() {
            // libvirt's name for QEMU's `smc91c111`, since 2014.
            Some("versatilepb") => "scm91c111",
            _ => "lan9118",
        },
        _ if inputs.has(Capability::Rtl8139) => "rtl8139",
        _ if inputs.has(Capability::E1000) => "e1000",
        _ if inputs.has(Capability::VirtioNet) => "virtio",
        _ => "rtl8139",
    }
}

/// A QEMU without a network of its own has passt for it.
fn user_backend(card: &mut Interface, origin: domain_model::Origin, inputs: Inputs<'_>) {
    let undecided = card.backend.as_ref().is_none_or(|backend| backend.kind.is_none());
    let lacks_user = inputs.caps.knows(Capability::NetdevUser) && !inputs.has(Capability::NetdevUser);
    if undecided
        && lacks_user
        && inputs.has(Capability::NetdevStream)
        && matches!(card.source, InterfaceSource::User { .. })
    {
        let rule = origin.implies("this QEMU has no network of its own, so passt is used");
        let new = || Backend { meta: Meta::from_origin(rule), ..Backend::default() };
        card.backend.get_or_insert_with(new).kind = Some(BackendType::Passt);
    }
}

/// An address in QEMU's range. libvirt takes a random one and writes it into the domain; the same domain
/// always getting the same address does the same for guests whose domain nobody writes back.
pub(super) fn made_up_mac(domain: &Domain, index: usize) -> MacAddress {
    let uuid = domain.uuid.map(|uuid| uuid.to_text()).unwrap_or_default();
    let seed = format!("{}/{uuid}/{index}", domain.name.as_deref().unwrap_or_default());
    // FNV-1a: spreads well, and stays what it is for ever.
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, ..] = hash.to_be_bytes();
    MacAddress([0x52, 0x54, 0x00, a, b, c])
}
