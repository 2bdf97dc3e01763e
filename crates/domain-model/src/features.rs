//! `<features>`: what the machine offers besides CPU, memory and devices.

mod hyperv;
mod kvm;

pub use hyperv::{Hyperv, HypervMode, Spinlocks, Stimer, Tlbflush, VendorId};
pub use kvm::{DirtyRing, Kvm};

use crate::values::{self, Kib, MIB, Scaled};
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Xml};

words! {
    /// `version` of `<gic>`: the interrupt controller of Arm machines.
    pub enum GicVersion {
        /// The host's.
        Host = "host",
        /// Version 2.
        V2 = "2",
        /// Version 3.
        V3 = "3",
    }

    /// `driver` of `<ioapic>`: what emulates the I/O interrupt controller.
    pub enum IoapicDriver {
        /// QEMU.
        Qemu = "qemu",
        /// The kernel.
        Kvm = "kvm",
    }

    /// `resizing` of `<hpt>`: whether the page table of pSeries guests can change its size.
    pub enum HptResizing {
        /// If the guest can.
        Enabled = "enabled",
        /// No.
        Disabled = "disabled",
        /// Yes; a guest that cannot does not run.
        Required = "required",
    }

    /// `unknown` of `<msrs>`: what happens when the guest touches a register that is not there.
    pub enum UnknownMsr {
        /// Nothing.
        Ignore = "ignore",
        /// The guest gets a fault.
        Fault = "fault",
    }

    /// `value` of `<cfpc>` and `<sbbc>`: how far a flaw of POWER CPUs is dealt with.
    pub enum Mitigation {
        /// It is not.
        Broken = "broken",
        /// In software.
        Workaround = "workaround",
        /// In hardware.
        Fixed = "fixed",
    }

    /// `value` of `<ibs>`: how far indirect branches of POWER CPUs are safe.
    pub enum BranchMitigation {
        /// They are not.
        Broken = "broken",
        /// In software.
        Workaround = "workaround",
        /// Their speculation is serialized.
        FixedIbs = "fixed-ibs",
        /// Their cache is off.
        FixedCcd = "fixed-ccd",
        /// The CPU has no such flaw.
        FixedNa = "fixed-na",
    }

    /// `value` of `<aia>`: the advanced interrupt architecture of RISC-V machines; since libvirt 11.1.
    pub enum Aia {
        /// The older interrupt controller.
        None = "none",
        /// The advanced one for wired interrupts.
        Aplic = "aplic",
        /// And the one for message signalled interrupts.
        AplicImsic = "aplic-imsic",
    }

    /// `mode` of `<passthrough>` in `<xen>`.
    pub enum XenPassthroughMode {
        /// Memory is mapped for devices as well as CPUs by one table.
        SyncPt = "sync_pt",
        /// CPUs and devices share the table.
        SharePt = "share_pt",
    }
}

/// `<features>`: what the machine offers. `None` leaves a feature to the machine type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// ACPI tables.
    pub acpi: bool,
    /// `<apic>`: interrupt controllers of the CPUs; since libvirt 0.10.2.
    pub apic: Option<Apic>,
    /// Addresses of more than 32 bits on 32-bit guests.
    pub pae: bool,
    /// Paging with the help of the CPU; since libvirt 0.9.
    pub hap: Option<OnOff>,
    /// Xen's interface of Hyper-V; since libvirt 0.9.
    pub viridian: bool,
    /// A network namespace of its own; containers only.
    pub privnet: bool,
    /// `<hyperv>`: what Windows expects of Hyper-V; since libvirt 0.10.2.
    pub hyperv: Option<Hyperv>,
    /// `<kvm>`: what KVM tells the guest; since libvirt 1.2.8.
    pub kvm: Option<Kvm>,
    /// `<xen>`: what Xen tells the guest; since libvirt 6.3.
    pub xen: Option<XenFeatures>,
    /// Spinlocks that give the CPU away; since libvirt 1.1.1.
    pub pvspinlock: Option<OnOff>,
    /// Performance counters; since libvirt 1.2.12.
    pub pmu: Option<OnOff>,
    /// VMware's I/O port; since libvirt 1.2.16.
    pub vmport: Option<OnOff>,
    /// `<gic>`: the interrupt controller of Arm machines; since libvirt 1.2.16.
    pub gic: Option<Gic>,
    /// `<smm>`: system management mode; since libvirt 2.1.
    pub smm: Option<Smm>,
    /// What emulates the I/O interrupt controller; since libvirt 3.4.
    pub ioapic: Option<IoapicDriver>,
    /// `<hpt>`: the page table of pSeries guests; since libvirt 3.10.
    pub hpt: Option<Hpt>,
    /// A place where a crashed kernel leaves notes for its dump; since libvirt 4.4.
    pub vmcoreinfo: Option<OnOff>,
    /// Transactional memory of pSeries guests; since libvirt 4.6.
    pub htm: Option<OnOff>,
    /// Nested virtualization of pSeries guests; since libvirt 4.10.
    pub nested_hv: Option<OnOff>,
    /// What happens when the guest touches a register that is not there; since libvirt 5.1.
    pub msrs: Option<UnknownMsr>,
    /// Help with counting cache flushes on pSeries; since libvirt 5.9.
    pub ccf_assist: Option<OnOff>,
    /// Cache flushes on a change of privilege on pSeries; since libvirt 6.3.
    pub cfpc: Option<Mitigation>,
    /// Speculation barriers behind bounds checks on pSeries; since libvirt 6.3.
    pub sbbc: Option<Mitigation>,
    /// Indirect branches on pSeries; since libvirt 6.3.
    pub ibs: Option<BranchMitigation>,
    /// `<tcg>`: QEMU's own translation of code; since libvirt 8.2.
    pub tcg: Option<Tcg>,
    /// Whether memory is given back after the guest's end in the background; since libvirt 9.6.
    pub async_teardown: Option<YesNo>,
    /// Reports of hardware errors on Arm; since libvirt 10.4.
    pub ras: Option<OnOff>,
    /// The controller of PS/2 keyboards and mice; since libvirt 10.7.
    pub ps2: Option<OnOff>,
    /// The interrupt controller of RISC-V machines; since libvirt 11.1.
    pub aia: Option<Aia>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Features {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        // Capabilities are of containers.
        xml.closed(&["capabilities"]);
        xml.joined(&[
            "hyperv",
            "kvm",
            "xen",
            "tcg",
            "smm",
            "apic",
            "pvspinlock",
            "pmu",
            "vmport",
            "async-teardown",
            "aia",
            "cfpc",
            "sbbc",
            "ibs",
        ]);
        xml.present("acpi", &mut self.acpi);
        xml.child("apic", &mut self.apic);
        xml.present("pae", &mut self.pae);
        switch(xml, "hap", &mut self.hap);
        xml.present("viridian", &mut self.viridian);
        xml.present("privnet", &mut self.privnet);
        xml.child("hyperv", &mut self.hyperv);
        xml.child("kvm", &mut self.kvm);
        switch(xml, "pvspinlock", &mut self.pvspinlock);
        switch(xml, "pmu", &mut self.pmu);
        switch(xml, "vmport", &mut self.vmport);
        xml.child("gic", &mut self.gic);
        xml.child("smm", &mut self.smm);
        xml.nested("ioapic", |xml| xml.attribute("driver", &mut self.ioapic));
        xml.child("hpt", &mut self.hpt);
        switch(xml, "vmcoreinfo", &mut self.vmcoreinfo);
        hyperv::explicit(xml, "htm", &mut self.htm);
        hyperv::explicit(xml, "nested-hv", &mut self.nested_hv);
        xml.nested("msrs", |xml| {
            xml.attribute("unknown", &mut self.msrs);
            if X::READS && self.msrs.is_none() {
                values::missing(xml, "msrs", "unknown");
            }
        });
        hyperv::explicit(xml, "ccf-assist", &mut self.ccf_assist);
        xml.child("xen", &mut self.xen);
        xml.nested("cfpc", |xml| xml.attribute("value", &mut self.cfpc));
        xml.nested("sbbc", |xml| xml.attribute("value", &mut self.sbbc));
        xml.nested("ibs", |xml| xml.attribute("value", &mut self.ibs));
        xml.child("tcg", &mut self.tcg);
        xml.nested("async-teardown", |xml| {
            on_by_presence::<X, _>(&mut self.async_teardown, YesNo::Yes);
            xml.attribute("enabled", &mut self.async_teardown);
        });
        hyperv::explicit(xml, "ras", &mut self.ras);
        hyperv::explicit(xml, "ps2", &mut self.ps2);
        xml.nested("aia", |xml| xml.attribute("value", &mut self.aia));
    }
}

/// Names an element with the attribute `state`; without the attribute the element means `on`.
fn switch<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<OnOff>) {
    xml.nested(name, |xml| {
        on_by_presence::<X, _>(value, OnOff::On);
        xml.attribute("state", value);
    });
}

/// What an element means while its attribute has not been read.
fn on_by_presence<X: Xml, T>(value: &mut Option<T>, on: T) {
    if X::READS {
        *value = Some(on);
    }
}

/// `<apic>`: interrupt controllers of the CPUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Apic {
    /// Whether the end of an interrupt is signalled in a faster way; since libvirt 0.10.2.
    pub eoi: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Apic {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("eoi", &mut self.eoi);
    }
}

/// `<gic>`: the interrupt controller of Arm machines; since libvirt 1.2.16.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gic {
    /// The version; the best that is there if absent.
    pub version: Option<GicVersion>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Gic {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("version", &mut self.version);
    }
}

/// `<smm>`: system management mode; since libvirt 2.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Smm {
    /// Whether the machine has it.
    pub state: OnOff,
    /// `<tseg>`: how much memory is kept for it, MiB if no unit is written; since libvirt 4.5.
    pub tseg: Option<Scaled<MIB>>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Smm {
    fn default() -> Self {
        Smm { state: OnOff::On, tseg: None, meta: Meta::default() }
    }
}

impl Element for Smm {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("state", &mut self.state);
        xml.nested("tseg", |xml| values::size(xml, &mut self.tseg));
    }
}

/// `<hpt>`: the page table of pSeries guests; since libvirt 3.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hpt {
    /// Whether it can change its size.
    pub resizing: Option<HptResizing>,
    /// The largest page that it may have; since libvirt 4.5.
    pub maxpagesize: Option<Kib>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Hpt {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("resizing", &mut self.resizing);
        xml.blamed_as(crate::Code::UnknownWord, |xml| {
            xml.nested("maxpagesize", |xml| values::size(xml, &mut self.maxpagesize));
        });
    }
}

/// `<xen>`: what Xen tells the guest; since libvirt 6.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct XenFeatures {
    /// Whether the guest sees the host's memory map.
    pub e820_host: Option<OnOff>,
    /// Whether devices of the host can be handed to the guest.
    pub passthrough: Option<OnOff>,
    /// How.
    pub passthrough_mode: Option<XenPassthroughMode>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for XenFeatures {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.container();
        xml.closed(&[]);
        hyperv::explicit(xml, "e820_host", &mut self.e820_host);
        xml.nested("passthrough", |xml| {
            xml.attribute("state", &mut self.passthrough);
            xml.attribute("mode", &mut self.passthrough_mode);
            if X::READS && self.passthrough.is_none() {
                values::missing(xml, "passthrough", "state");
            }
        });
    }
}

/// `<tcg>`: QEMU's own translation of code; since libvirt 8.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tcg {
    /// How much translated code is kept.
    pub tb_cache: Option<Kib>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Tcg {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("tb-cache", |xml| values::size(xml, &mut self.tb_cache));
    }
}
