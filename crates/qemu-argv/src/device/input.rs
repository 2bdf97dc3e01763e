//! `<input>`: keyboards, mice and tablets.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::controller::{ControllerKind, UsbModel};
use domain_model::device::input::{Evdev, Input, InputBus, InputKind, InputModel};
use domain_model::virtio::VirtioModel;
use domain_model::xml::Tagged;
use domain_model::xml::text::OnOff;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Devices, Era};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
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
        let has_no_usb = Board::of(&cx.domain) == Board::S390Ccw;
        device.spec.bus = match device.spec.kind {
            InputKind::Mouse | InputKind::Keyboard if has_ps2 => Some(InputBus::Ps2),
            _ if has_no_usb => Some(InputBus::Virtio),
            InputKind::Mouse | InputKind::Keyboard | InputKind::Tablet => Some(InputBus::Usb),
            InputKind::Passthrough(_) => Some(InputBus::Virtio),
            InputKind::Evdev(_) => None,
        };
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        check(device, &mut Problems::new(cx, problems));
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
                // The machine brings them along, or nobody does.
                (Some(InputBus::Ps2 | InputBus::None), _) => return,
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

/// Reports what does not fit the bus, or what this QEMU does not have.
fn check(device: &Resolved<'_, Input>, out: &mut Problems<'_>) {
    let input = device.spec;
    let domain = out.cx.domain;
    let at = |path| device.at(path);
    let is_virtio = input.bus == Some(InputBus::Virtio);
    let kind = input.kind.tag();
    let half = [InputModel::VirtioTransitional, InputModel::VirtioNonTransitional];
    if input.model.is_some_and(|model| half.contains(&model))
        && !matches!(input.kind, InputKind::Passthrough(_))
    {
        out.unsupported(at("@model"), "only input devices of type `passthrough` have transitional models");
    }
    if let Some(model) = input.model.filter(|_| !is_virtio) {
        out.unsupported(at("@model"), format!("the model `{model}` is for the bus `virtio`"));
    }
    match (&input.kind, input.bus) {
        // Old QEMUs stand in for Xen.
        (_, Some(InputBus::Xen))
            if out.cx.dialect.era == Era::Historic && crate::historic::is_xen_system(domain) => {}
        (_, Some(bus @ InputBus::Xen)) => {
            out.refuse(Code::Malformed, at("@bus"), format!("QEMU has no input devices on the bus `{bus}`"));
        }
        (InputKind::Passthrough(_) | InputKind::Evdev(_) | InputKind::Tablet, Some(InputBus::Ps2)) => {
            let message = format!("there are no PS/2 devices of type `{kind}`");
            out.refuse(Code::Malformed, at("@bus"), message);
        }
        (InputKind::Passthrough(_), Some(bus)) if !is_virtio => {
            let message = format!("devices of type `passthrough` are on the bus `virtio`, not `{bus}`");
            out.unsupported(at("@bus"), message);
        }
        (InputKind::Evdev(_), Some(bus)) if bus != InputBus::None => {
            out.unsupported(at("@bus"), "devices of type `evdev` are on no bus of the guest");
        }
        (InputKind::Keyboard, Some(InputBus::Usb)) => {
            out.requires(Capability::UsbKbd, "-device usb-kbd", at("@bus"));
        }
        _ => {}
    }
    let has_no_usb = domain.devices.controllers.iter().any(|controller| {
        matches!(controller.spec.kind, ControllerKind::Usb { model: Some(UsbModel::None), .. })
    });
    if input.bus == Some(InputBus::Usb) && has_no_usb {
        out.unsupported(at("@bus"), "a USB device needs USB, and the domain says that there is none");
    }
    if input.bus == Some(InputBus::Ps2) && out.cx.dialect.era == Era::Modern {
        let is_off = domain.features.as_ref().and_then(|features| features.ps2) == Some(OnOff::Off);
        if is_off {
            out.unsupported(at("@bus"), "PS/2 devices need the feature `ps2`, which is turned off");
        } else if !os::is_x86(domain) {
            out.unsupported(at("@bus"), format!("there are no PS/2 ports on {}", out.machine()));
        }
    }
    if is_virtio {
        let is_ccw =
            matches!(device.info.address.as_ref().map(|address| &address.place), Some(Place::Ccw(_)));
        let needed = match (&input.kind, is_ccw) {
            (InputKind::Mouse, false) => Capability::VirtioMouse,
            (InputKind::Mouse, true) => Capability::VirtioMouseCcw,
            (InputKind::Tablet, false) => Capability::VirtioTablet,
            (InputKind::Tablet, true) => Capability::VirtioTabletCcw,
            (InputKind::Keyboard, false) => Capability::VirtioKeyboard,
            (InputKind::Keyboard, true) => Capability::VirtioKeyboardCcw,
            (InputKind::Passthrough(_), true) => {
                out.unsupported(at("@type"), "QEMU passes input devices on by PCI only, not by channel I/O");
                return;
            }
            (InputKind::Passthrough(_), false) => Capability::VirtioInputHost,
            (InputKind::Evdev(_), _) => Capability::InputLinux,
        };
        out.requires(needed, &format!("<input type='{kind}' bus='virtio'>"), at("@type"));
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
