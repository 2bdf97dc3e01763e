//! `<input>`: keyboards, mice and tablets.

use domain_model::device::controller::{ControllerKind, UsbModel};
use domain_model::device::input::{Evdev, Input, InputBus, InputKind, InputModel};
use domain_model::virtio::VirtioModel;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Devices, Era};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::{address, os, virtio};

impl QemuDevice for Input {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("input{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        if device.spec.bus.is_some() {
            return;
        }
        let has_ps2 = os::is_x86(&cx.domain);
        device.spec.bus = match device.spec.kind {
            InputKind::Mouse | InputKind::Keyboard if has_ps2 => Some(InputBus::Ps2),
            InputKind::Mouse | InputKind::Keyboard | InputKind::Tablet => Some(InputBus::Usb),
            InputKind::Passthrough(_) => Some(InputBus::Virtio),
            InputKind::Evdev(_) => None,
        };
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let is_half_virtio = matches!(
            device.spec.model,
            Some(InputModel::VirtioTransitional | InputModel::VirtioNonTransitional)
        );
        if is_half_virtio && !matches!(device.spec.kind, InputKind::Passthrough(_)) {
            let message = "only input devices of type `passthrough` have transitional models";
            problems.push(Diagnostic::error(Code::Unsupported, device.at("@model"), message));
        }
        let has_no_usb = cx.domain.devices.controllers.iter().any(|controller| {
            matches!(controller.spec.kind, ControllerKind::Usb { model: Some(UsbModel::None), .. })
        });
        if device.spec.bus == Some(InputBus::Usb) && has_no_usb {
            let message = "a USB device needs USB, and the domain says that there is none";
            problems.push(Diagnostic::error(Code::Unsupported, device.at("@bus"), message));
        }
        if device.spec.bus == Some(InputBus::Ps2) && matches!(device.spec.kind, InputKind::Tablet) {
            let message = "there are no PS/2 tablets; use `bus='usb'` or `bus='virtio'`";
            problems.push(Diagnostic::error(Code::Unsupported, device.at("@bus"), message));
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.era == Era::Historic {
            historic(device, cx, out);
            return;
        }
        if let InputKind::Evdev(Some(evdev)) = &device.spec.kind {
            out.props("-object", input_linux(evdev, device));
            return;
        }
        let props =
            match (device.spec.bus, &device.spec.kind) {
                // The machine brings them along.
                (Some(InputBus::Ps2), _) => return,
                (Some(InputBus::Usb), kind) => {
                    let driver = match kind {
                        InputKind::Mouse => "usb-mouse",
                        InputKind::Tablet => "usb-tablet",
                        InputKind::Keyboard => "usb-kbd",
                        InputKind::Passthrough(_) | InputKind::Evdev(_) => return,
                    };
                    Props::new("driver", driver, device.origin).set("id", device.alias)
                }
                (Some(InputBus::Virtio), kind) => {
                    let (driver, evdev) = match kind {
                        InputKind::Mouse => ("virtio-mouse", None),
                        InputKind::Tablet => ("virtio-tablet", None),
                        InputKind::Keyboard => ("virtio-keyboard", None),
                        InputKind::Passthrough(source) => {
                            ("virtio-input-host", source.as_ref().map(|source| source.evdev.as_str()))
                        }
                        InputKind::Evdev(_) => return,
                    };
                    let model = device.spec.model.map(|model| match model {
                        InputModel::Virtio => VirtioModel::Virtio,
                        InputModel::VirtioTransitional => VirtioModel::VirtioTransitional,
                        InputModel::VirtioNonTransitional => VirtioModel::VirtioNonTransitional,
                    });
                    virtio::device(driver, model, &device.spec.virtio, device, cx)
                        .set("id", device.alias)
                        .set_at("evdev", evdev, device.at("source/@evdev"))
                }
                (bus, _) => {
                    let what = match bus {
                        Some(bus) => format!("an input device on the bus `{bus}`"),
                        None => "an input device of this type".to_owned(),
                    };
                    cx.not_yet(&what, device.at("@bus"), out);
                    return;
                }
            };
        out.props("-device", address::address(props, device.info, cx));
    }
}

/// Mice and tablets of QEMU 0.9 to 0.13.
fn historic(device: &Resolved<'_, Input>, cx: &Context<'_>, out: &mut Args) {
    let word = match (device.spec.bus, &device.spec.kind) {
        // The machine brings them along.
        (Some(InputBus::Ps2 | InputBus::Xen), _) => return,
        (Some(InputBus::Usb), InputKind::Mouse) => "mouse",
        (Some(InputBus::Usb), InputKind::Tablet) => "tablet",
        _ => {
            let message = "these QEMUs have USB mice and tablets, and what the machine brings along";
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
            return;
        }
    };
    match cx.dialect.devices {
        Devices::Options => out.text("-usbdevice", word, device.at("@type")),
        Devices::Device => {
            let props =
                Props::new("driver", format!("usb-{word}"), device.at("@type")).set("id", device.alias);
            out.props("-device", address::address(props, device.info, cx));
        }
    }
}

/// An event device of the host whose events QEMU passes on.
fn input_linux(evdev: &Evdev, device: &Resolved<'_, Input>) -> Props {
    Props::new("qom-type", "input-linux", device.origin)
        .set("id", device.alias)
        .set_at("evdev", &evdev.dev, device.at("source/@dev"))
        .set_at("repeat", evdev.repeat, device.at("source/@repeat"))
        .set_at("grab_all", evdev.grab.map(|_| true), device.at("source/@grab"))
        .set_at("grab-toggle", evdev.grab_toggle.map(|keys| keys.as_str()), device.at("source/@grabToggle"))
}
