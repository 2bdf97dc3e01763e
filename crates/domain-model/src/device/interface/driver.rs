//! How packets get from the guest to the host: `<driver>` and `<backend>`.

use std::num::NonZeroU32;

use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};

words! {
    /// Who moves the packets of a virtio card.
    pub enum DriverName {
        /// QEMU itself.
        Qemu = "qemu",
        /// The kernel (vhost-net).
        Vhost = "vhost",
    }

    /// How QEMU hands packets of a virtio card to the host.
    pub enum TxMode {
        /// From the main loop, as soon as it gets there.
        Iothread = "iothread",
        /// After a timer, to send several at once.
        Timer = "timer",
    }

    /// The program behind a card of type `user` or `vhostuser`; since libvirt 9.0.
    pub enum BackendType {
        /// What QEMU has built in.
        Default = "default",
        /// passt, a process of its own.
        Passt = "passt",
    }
}

/// `<driver>` of a virtio card. libvirt ignores it for other cards. Since libvirt 0.8.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Driver {
    /// Who moves the packets; the kernel if it can and nothing is said. Since libvirt 0.8.8.
    pub name: Option<DriverName>,
    /// How QEMU hands packets to the host. Since libvirt 0.8.8.
    pub txmode: Option<TxMode>,
    /// Whether the guest's notifications are handled outside the virtual CPU's thread; since libvirt 0.9.3.
    pub ioeventfd: Option<OnOff>,
    /// Whether host and guest tell each other from which packet on they want to be notified; since libvirt 0.9.5.
    pub event_idx: Option<OnOff>,
    /// Number of pairs of queues; since libvirt 1.0.6.
    pub queues: Option<NonZeroU32>,
    /// Packets that the receiving queue holds, a power of two; since libvirt 2.3.
    pub rx_queue_size: Option<u32>,
    /// Packets that the sending queue holds, a power of two; since libvirt 3.7.
    pub tx_queue_size: Option<u32>,
    /// Whether packets are spread over the queues by a hash; since libvirt 8.3.
    pub rss: Option<OnOff>,
    /// Whether the guest is told the hash of each packet; since libvirt 8.3.
    pub rss_hash_report: Option<OnOff>,
    /// What all virtio devices share; since libvirt 3.5.
    pub virtio: VirtioOptions,
    /// `<host>`: work that the host does for the guest; since libvirt 1.2.9.
    pub host: HostOffloads,
    /// `<guest>`: work that the guest does for the host; since libvirt 1.2.9.
    pub guest: GuestOffloads,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Driver {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("name", &mut self.name);
        xml.attribute("txmode", &mut self.txmode);
        xml.attribute("ioeventfd", &mut self.ioeventfd);
        xml.attribute("event_idx", &mut self.event_idx);
        let mut queues = self.queues.map(NonZeroU32::get);
        xml.attribute("queues", &mut queues);
        // None at all is as many as there are if nothing is said.
        self.queues = queues.and_then(NonZeroU32::new);
        xml.attribute("rx_queue_size", &mut self.rx_queue_size);
        xml.attribute("tx_queue_size", &mut self.tx_queue_size);
        xml.attribute("rss", &mut self.rss);
        xml.attribute("rss_hash_report", &mut self.rss_hash_report);
        self.virtio.describe(xml);
        xml.nested("host", |xml| {
            xml.attribute("csum", &mut self.host.csum);
            xml.attribute("gso", &mut self.host.gso);
            xml.attribute("tso4", &mut self.host.tso4);
            xml.attribute("tso6", &mut self.host.tso6);
            xml.attribute("ecn", &mut self.host.ecn);
            xml.attribute("ufo", &mut self.host.ufo);
            xml.attribute("mrg_rxbuf", &mut self.host.mrg_rxbuf);
        });
        xml.nested("guest", |xml| {
            xml.attribute("csum", &mut self.guest.csum);
            xml.attribute("tso4", &mut self.guest.tso4);
            xml.attribute("tso6", &mut self.guest.tso6);
            xml.attribute("ecn", &mut self.guest.ecn);
            xml.attribute("ufo", &mut self.guest.ufo);
        });
    }
}

/// Work that the host does for a virtio card, each switched off with `off`; since libvirt 1.2.9.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostOffloads {
    /// Checksums of packets the guest sends.
    pub csum: Option<OnOff>,
    /// Cutting of large packets of any protocol.
    pub gso: Option<OnOff>,
    /// Cutting of large TCP packets over IPv4.
    pub tso4: Option<OnOff>,
    /// Cutting of large TCP packets over IPv6.
    pub tso6: Option<OnOff>,
    /// Cutting of large TCP packets with congestion notification.
    pub ecn: Option<OnOff>,
    /// Cutting of large UDP packets.
    pub ufo: Option<OnOff>,
    /// Packets in several of the guest's buffers.
    pub mrg_rxbuf: Option<OnOff>,
}

/// Work that the guest does with a virtio card, each switched off with `off`; since libvirt 1.2.9.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestOffloads {
    /// Packets without checksum.
    pub csum: Option<OnOff>,
    /// Large TCP packets over IPv4.
    pub tso4: Option<OnOff>,
    /// Large TCP packets over IPv6.
    pub tso6: Option<OnOff>,
    /// Large TCP packets with congestion notification.
    pub ecn: Option<OnOff>,
    /// Large UDP packets.
    pub ufo: Option<OnOff>,
}

/// `<backend>`: what is behind the card on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backend {
    /// The program behind the card; since libvirt 9.0.
    pub kind: Option<BackendType>,
    /// The device to make TAP devices with, instead of `/dev/net/tun`; since libvirt 1.2.9.
    pub tap: Option<String>,
    /// The device to reach vhost-net with, instead of `/dev/vhost-net`; since libvirt 1.2.9.
    pub vhost: Option<String>,
    /// The file that passt writes its log to; since libvirt 9.0.
    pub log_file: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Backend {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        xml.attribute("tap", &mut self.tap);
        xml.attribute("vhost", &mut self.vhost);
        xml.attribute("logFile", &mut self.log_file);
    }
}
