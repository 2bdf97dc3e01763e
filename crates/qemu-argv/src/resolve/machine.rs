//! Devices that a machine has although nobody wrote them.

use caps_parser::Capability;
use domain_model::device::controller::{Controller, ControllerKind, PciController, PciModel, UsbModel};
use domain_model::device::input::{Input, InputBus, InputKind};
use domain_model::device::iommu::{Iommu, IommuModel};
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::device::panic::{Panic, PanicModel};
use domain_model::device::watchdog::{Watchdog, WatchdogAction, WatchdogModel};
use domain_model::os::Arch;
use domain_model::xml::text::OnOff;
use domain_model::{Code, Device, Diagnostic, Origin};

use super::board::Board;
use super::{Resolving, controllers};
use crate::device::iommu::needs_eim;

/// Adds the controllers and devices of the machine that are not written.
pub(crate) fn devices(cx: &mut Resolving<'_>) {
    let board = Board::of(&cx.domain);
    keyboard_and_mouse(cx);
    usb_controller(cx, board);
    if board == Board::Q35 {
        let origin = implied(cx, "the machine has a SATA controller");
        controllers::ensure(&mut cx.domain.devices.controllers, ControllerKind::Sata, 0, origin);
    }
    pci_root(cx, board);
    memballoon(cx, board);
    usb_keyboard_and_mouse(cx, board);
    panic(cx, board);
    if board == Board::Q35 {
        watchdog(cx);
        iommu(cx);
    }
}

fn implied(cx: &Resolving<'_>, rule: &'static str) -> Origin {
    cx.domain.meta.at("os/type/@machine").implies(rule)
}

/// The PS/2 keyboard and mouse of PCs.
fn keyboard_and_mouse(cx: &mut Resolving<'_>) {
    let off = cx.domain.features.as_ref().and_then(|features| features.ps2) == Some(OnOff::Off);
    let has_none = off || Board::of(&cx.domain) == Board::Microvm;
    if !crate::os::is_x86(&cx.domain) || has_none || !cx.inputs.has(Capability::I8042) {
        return;
    }
    let origin = implied(cx, "PCs have a PS/2 keyboard and mouse");
    ensure_input(cx, InputKind::Mouse, InputBus::Ps2, origin);
    ensure_input(cx, InputKind::Keyboard, InputBus::Ps2, origin);
}

fn ensure_input(cx: &mut Resolving<'_>, kind: InputKind, bus: InputBus, origin: Origin) {
    let inputs = &mut cx.domain.devices.inputs;
    if !inputs.iter().any(|input| input.spec.kind == kind && input.spec.bus == Some(bus)) {
        inputs.push(Device::implied(Input { kind, bus: Some(bus), ..Input::default() }, origin));
    }
}

/// The USB controller of machines that have always had one. Without a model, it gets the machine's usual.
fn usb_controller(cx: &mut Resolving<'_>, board: Board) {
    let model = match board {
        Board::Q35 => {
            let candidates = [
                (Capability::QemuXhci, UsbModel::QemuXhci),
                (Capability::NecUsbXhci, UsbModel::NecXhci),
                (Capability::Ich9UsbEhci1, UsbModel::Ich9Ehci1),
            ];
            let found = candidates.iter().find(|(capability, _)| cx.inputs.has(*capability));
            let Some((_, model)) = found else { return };
            Some(*model)
        }
        Board::Versatile | Board::Realview => match cx.inputs.has(Capability::PciOhci) {
            true => Some(UsbModel::PciOhci),
            false => return,
        },
        Board::I440fx | Board::Pc | Board::Pseries | Board::Ppc64 | Board::Malta | Board::Mips => None,
        Board::WithPci | Board::Microvm => None,
        _ => return,
    };
    let origin = implied(cx, "the machine has a USB controller");
    let all = &mut cx.domain.devices.controllers;
    let is_there = all
        .iter()
        .any(|device| matches!(device.spec.kind, ControllerKind::Usb { .. }) && device.spec.index == Some(0));
    if is_there {
        return;
    }
    let companions: &[UsbModel] = match model {
        Some(UsbModel::Ich9Ehci1) => &[UsbModel::Ich9Uhci1, UsbModel::Ich9Uhci2, UsbModel::Ich9Uhci3],
        _ => &[],
    };
    let mut add = |model: Option<UsbModel>| {
        let master_startport = model.and_then(controllers::default_startport);
        let kind = ControllerKind::Usb { model, ports: None, master_startport };
        let spec = Controller { kind, index: Some(0), ..Controller::default() };
        controllers::insert(all, Device::implied(spec, origin));
    };
    add(model);
    for companion in companions {
        add(Some(*companion));
    }
}

/// The root of PCI.
fn pci_root(cx: &mut Resolving<'_>, board: Board) {
    let root = match board {
        Board::Q35 | Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt => PciModel::PcieRoot,
        Board::I440fx | Board::Versatile | Board::Pseries | Board::Ppc64 | Board::Malta | Board::WithPci => {
            PciModel::PciRoot
        }
        Board::S390Ccw if cx.inputs.has(Capability::Zpci) => PciModel::PciRoot,
        _ => return,
    };
    let origin = implied(cx, "the machine has a PCI bus");
    let controllers = &mut cx.domain.devices.controllers;
    let written =
        controllers.iter().find(|device| device.spec.pci().is_some() && device.spec.index == Some(0));
    match written {
        None => {
            let kind = ControllerKind::Pci(PciController { model: Some(root), ..PciController::default() });
            controllers::ensure(controllers, kind, 0, origin);
        }
        Some(written) => {
            let model = written.spec.pci().and_then(|pci| pci.model);
            if let Some(model) = model.filter(|model| *model != root) {
                let (root, model) = (root.as_str(), model.as_str());
                let message = format!("PCI bus 0 of this machine is a `{root}`, not a `{model}`");
                cx.problems.push(Diagnostic::error(Code::Conflict, written.at("@model"), message));
            }
        }
    }
}

/// The balloon, unless the user wants none.
fn memballoon(cx: &mut Resolving<'_>, board: Board) {
    let has_balloon = matches!(
        board,
        Board::I440fx
            | Board::Q35
            | Board::Pc
            | Board::Isapc
            | Board::Microvm
            | Board::Pseries
            | Board::Ppc64
            | Board::S390Ccw
            | Board::Malta
            | Board::Mips
            | Board::WithPci
    ) || matches!(cx.domain.os.arch, Some(Arch::Riscv32 | Arch::Riscv64));
    if has_balloon && cx.domain.devices.memballoons.is_empty() {
        let origin =
            implied(cx, "guests have a memory balloon unless they have `<memballoon model='none'/>`");
        let spec = Memballoon { model: MemballoonModel::Virtio, ..Memballoon::default() };
        cx.domain.devices.memballoons.push(Device::implied(spec, origin));
    }
}

/// PowerPC machines with a display have a USB keyboard, and a mouse unless there is a tablet.
fn usb_keyboard_and_mouse(cx: &mut Resolving<'_>, board: Board) {
    if !matches!(board, Board::Pseries | Board::Ppc64) || cx.domain.devices.graphics.is_empty() {
        return;
    }
    let has_tablet = cx
        .domain
        .devices
        .inputs
        .iter()
        .any(|input| input.spec.kind == InputKind::Tablet && input.spec.bus == Some(InputBus::Usb));
    let origin = implied(cx, "PowerPC machines with a display have a USB keyboard and mouse");
    ensure_input(cx, InputKind::Keyboard, InputBus::Usb, origin);
    if !has_tablet {
        ensure_input(cx, InputKind::Mouse, InputBus::Usb, origin);
    }
}

/// The firmware of pSeries and IBM Z reports crashes.
fn panic(cx: &mut Resolving<'_>, board: Board) {
    let model = match board {
        Board::Pseries => PanicModel::Pseries,
        Board::S390Ccw => PanicModel::S390,
        _ => return,
    };
    let panics = &cx.domain.devices.panics;
    if !panics.iter().any(|panic| panic.spec.model.is_none_or(|written| written == model)) {
        let origin = implied(cx, "the machine's firmware reports crashes");
        let spec = Panic { model: Some(model) };
        cx.domain.devices.panics.push(Device::implied(spec, origin));
    }
}

/// The watchdog of the ICH9; all watchdogs of a guest do the same.
fn watchdog(cx: &mut Resolving<'_>) {
    let watchdogs = &cx.domain.devices.watchdogs;
    if watchdogs.iter().any(|watchdog| watchdog.spec.model == WatchdogModel::Itco) {
        return;
    }
    let action = watchdogs.first().map_or(Some(WatchdogAction::Reset), |first| first.spec.action);
    let origin = implied(cx, "the machine's chipset has a watchdog");
    let spec = Watchdog { model: WatchdogModel::Itco, action };
    cx.domain.devices.watchdogs.push(Device::implied(spec, origin));
}

/// Guests with very many processors need an IOMMU that remaps interrupts.
fn iommu(cx: &mut Resolving<'_>) {
    let needed = [Capability::IntelIommu, Capability::IntelIommuIntremap, Capability::IntelIommuEim];
    let can = needed.iter().all(|capability| cx.inputs.has(*capability));
    if !needs_eim(&cx.domain) || !cx.domain.devices.iommus.is_empty() || !can {
        return;
    }
    let rule = "more than 255 processors need an IOMMU that remaps interrupts";
    let origin = cx.domain.meta.at("vcpu").implies(rule);
    let spec = Iommu { model: IommuModel::Intel, ..Iommu::default() };
    cx.domain.devices.iommus.push(Device::implied(spec, origin));
}
