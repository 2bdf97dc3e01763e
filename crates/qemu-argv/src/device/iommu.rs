//! `<iommu>`: I/O memory management units.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::iommu::{Iommu, IommuModel};
use domain_model::xml::text::OnOff;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::{address, gate};

/// The most processors that a PC can address without an IOMMU that remaps interrupts.
const MAX_CPUS_WITHOUT_EIM: u32 = 255;

/// Whether the guest has so many processors that it needs interrupts in extended mode.
pub(crate) fn needs_eim(domain: &Domain) -> bool {
    let cpus = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    crate::os::is_q35(domain) && cpus > MAX_CPUS_WITHOUT_EIM
}

impl QemuDevice for Iommu {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("iommu{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        device.spec.aw_bits.take_if(|bits| *bits == 0);
        if needs_eim(&cx.domain) && device.spec.model == IommuModel::Intel {
            device.spec.intremap.get_or_insert(OnOff::On);
            device.spec.eim.get_or_insert(OnOff::On);
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let model = device.spec.model;
        let board = Board::of(cx.domain);
        let fits = match model {
            IommuModel::Intel => board == Board::Q35,
            IommuModel::Smmuv3 => board == Board::ArmVirt,
            IommuModel::Virtio => matches!(board, Board::Q35 | Board::ArmVirt),
        };
        let has_acpi = cx.domain.features.as_ref().is_some_and(|features| features.acpi);
        if model == IommuModel::Virtio && !has_acpi {
            let message = "guests find an IOMMU of model `virtio` in the tables of the ACPI";
            let problem = Diagnostic::error(Code::Unsupported, device.at("@model"), message);
            problems.push(problem.help("add `<acpi/>` to `<features>`"));
        }
        if !fits {
            let message = format!("this machine has no IOMMU of model `{model}`");
            problems.push(Diagnostic::error(Code::Unsupported, device.at("@model"), message));
        }
        let needs: &[(Capability, &str, &'static str, bool)] = match model {
            IommuModel::Intel => &[
                (Capability::IntelIommu, "-device intel-iommu", "@model", true),
                (
                    Capability::IntelIommuIntremap,
                    "-device intel-iommu,intremap=",
                    "driver/@intremap",
                    device.spec.intremap.is_some(),
                ),
                (
                    Capability::IntelIommuCachingMode,
                    "-device intel-iommu,caching-mode=",
                    "driver/@caching_mode",
                    device.spec.caching_mode.is_some(),
                ),
                (
                    Capability::IntelIommuEim,
                    "-device intel-iommu,eim=",
                    "driver/@eim",
                    device.spec.eim.is_some(),
                ),
                (
                    Capability::IntelIommuDeviceIotlb,
                    "-device intel-iommu,device-iotlb=",
                    "driver/@iotlb",
                    device.spec.iotlb.is_some(),
                ),
                (
                    Capability::IntelIommuAwBits,
                    "-device intel-iommu,aw-bits=",
                    "driver/@aw_bits",
                    device.spec.aw_bits.is_some(),
                ),
                (
                    Capability::IntelIommuDmaTranslation,
                    "-device intel-iommu,dma-translation=",
                    "driver/@dma_translation",
                    device.spec.dma_translation.is_some(),
                ),
            ],
            // Every QEMU that has the machine has it.
            IommuModel::Smmuv3 => &[],
            IommuModel::Virtio => &[
                (Capability::VirtioIommuPci, "-device virtio-iommu", "@model", true),
                // Before, guests could not boot from devices behind it.
                (Capability::VirtioIommuBootBypass, "-device virtio-iommu,boot-bypass=", "@model", true),
            ],
        };
        for (capability, what, path, wanted) in needs {
            if *wanted && !cx.has(*capability) {
                problems.push(gate::missing(*capability, what, device.at(path), cx.inputs.caps));
            }
        }
        let says_more = device.spec != &Iommu { model, ..Iommu::default() };
        if model != IommuModel::Intel && says_more {
            let message = format!("an IOMMU of model `{model}` has no options");
            problems.push(Diagnostic::error(Code::Conflict, device.at("driver"), message));
        }
        let has_acpi = cx.domain.features.as_ref().is_some_and(|features| features.acpi);
        if model == IommuModel::Virtio && fits && !has_acpi {
            let message = "guests find an IOMMU of model `virtio` by the ACPI";
            let problem = Diagnostic::error(Code::Unsupported, device.at("@model"), message);
            problems.push(problem.help("add `<acpi/>` to `<features>`"));
        }
        let place = device.info.address.as_ref().map(|address| &address.place);
        match (model, place) {
            (IommuModel::Intel | IommuModel::Smmuv3, Some(_)) => {
                let message = format!("an IOMMU of model `{model}` has no address");
                problems.push(Diagnostic::error(Code::Conflict, device.at("address"), message));
            }
            (IommuModel::Virtio, Some(place)) if !matches!(place, Place::Pci(_)) => {
                let message = "an IOMMU of model `virtio` is on a PCI bus";
                problems.push(Diagnostic::error(Code::Unsupported, device.at("address/@type"), message));
            }
            _ => {}
        }
        let is_on = |switch: Option<OnOff>| switch == Some(OnOff::On);
        if is_on(device.spec.eim) && !is_on(device.spec.intremap) {
            let message = "extended interrupt mode needs interrupts to be remapped";
            let problem = Diagnostic::error(Code::Unsupported, device.at("driver/@eim"), message);
            problems.push(problem.help("add `intremap='on'`"));
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let iommu = device.spec;
        match iommu.model {
            // The machine has it, and its property says so.
            IommuModel::Smmuv3 => {}
            IommuModel::Intel => {
                let props = Props::new("driver", "intel-iommu", device.origin)
                    .set("id", device.alias)
                    .set_at("intremap", iommu.intremap.map(OnOff::as_str), device.at("driver/@intremap"))
                    .set_at("caching-mode", iommu.caching_mode, device.at("driver/@caching_mode"))
                    .set_at("eim", iommu.eim.map(OnOff::as_str), device.at("driver/@eim"))
                    .set_at("device-iotlb", iommu.iotlb, device.at("driver/@iotlb"))
                    .set_at("aw-bits", iommu.aw_bits, device.at("driver/@aw_bits"))
                    .set_at("dma-translation", iommu.dma_translation, device.at("driver/@dma_translation"));
                out.props("-device", props);
            }
            IommuModel::Virtio => {
                let props = Props::new("driver", "virtio-iommu", device.origin).set("id", device.alias);
                out.props("-device", address::address(props, device.info, cx));
            }
        }
    }
}
