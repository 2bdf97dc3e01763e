//! `<graphics>`: ways to see the screen.

mod check;
mod historic;
mod listen;
mod local;
mod spice;
mod vnc;

use caps_parser::Capability;
use domain_model::device::graphics::{Graphics, Password};
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Device, Diagnostic, Domain};
use serde_json::json;

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::gate;
use crate::resolve::Resolving;
use crate::secret;

impl QemuDevice for Graphics {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("graphics{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let origin = device.meta.origin;
        if cx.dialect.era == Era::Historic {
            listen::historic(&mut device.spec);
            return;
        }
        match &mut device.spec {
            Graphics::Vnc(vnc) => listen::vnc(vnc, origin),
            Graphics::Spice(spice) => listen::spice(spice, origin),
            Graphics::Rdp(rdp) => listen::rdp(rdp, origin),
            Graphics::Sdl(sdl) => sdl.fullscreen = sdl.fullscreen.filter(|full| *full == YesNo::Yes),
            Graphics::Dbus(dbus) => dbus.p2p = dbus.p2p.filter(|p2p| *p2p == YesNo::Yes),
            Graphics::Desktop(_) | Graphics::EglHeadless(_) => {}
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Modern {
            check::check(device, &mut Problems::new(cx, problems));
        }
        if cx.dialect.era == Era::Historic {
            return;
        }
        let graphics = &cx.domain.devices.graphics;
        let tag = device.spec.tag();
        let has_egl = graphics.iter().any(|other| matches!(other.spec, Graphics::EglHeadless(_)));
        let own_gl = match device.spec {
            Graphics::Spice(spice) => spice.gl.enable == Some(YesNo::Yes),
            Graphics::Sdl(sdl) => sdl.gl == Some(YesNo::Yes),
            _ => false,
        };
        if has_egl && own_gl {
            let message = format!("`egl-headless` draws already, so `{tag}` cannot draw with OpenGL too");
            problems.push(Diagnostic::error(Code::Unsupported, device.at("gl/@enable"), message));
        }
        let needs = match device.spec {
            Graphics::Vnc(_) => Some(Capability::Vnc),
            Graphics::Spice(_) => Some(Capability::Spice),
            Graphics::EglHeadless(_) => Some(Capability::EglHeadless),
            Graphics::Dbus(_) | Graphics::Rdp(_) => Some(Capability::DisplayDbus),
            Graphics::Sdl(_) => Some(Capability::Sdl),
            Graphics::Desktop(_) => None,
        };
        match needs {
            Some(capability) if !cx.has(capability) => {
                let origin = device.at("@type");
                problems.push(gate::missing(capability, &format!("-display {tag}"), origin, cx.inputs.caps));
            }
            Some(_) => {}
            None => {
                let message = format!("QEMU has no `<graphics>` of type `{tag}`");
                problems.push(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
            }
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.era == Era::Historic {
            historic::args(device, cx, out);
            return;
        }
        check::started(device, cx, out);
        match device.spec {
            Graphics::Vnc(server) => vnc::args(server, device, cx, out),
            Graphics::Spice(server) => spice::args(server, device, cx, out),
            Graphics::Sdl(window) => local::sdl(window, device, out),
            Graphics::EglHeadless(gl) => local::egl_headless(gl, device, cx, out),
            Graphics::Dbus(dbus) => local::dbus(dbus, device, cx, out),
            // Its server is a program that looks at the D-Bus display.
            Graphics::Rdp(_) => {}
            Graphics::Desktop(_) => cx.not_yet("`<graphics type='desktop'>`", device.origin, out),
        }
    }
}

/// Adds the object with the password of a server, and gives its id.
///
/// libvirt tells QEMU passwords over the monitor once the guest is there. A guest of our own has them from the
/// start, in `secret` objects (`password-secret` of `-vnc` and `-spice`, QEMU 6.0).
fn password_secret(
    password: &Password,
    default: Option<&String>,
    device: &Resolved<'_, Graphics>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<String> {
    let value = password.passwd.as_ref().or(default).filter(|_| !cx.is_libvirt())?;
    if let Some(end) = password.passwd_valid_to {
        let origin = device.at("@passwdValidTo");
        if cx.config().supervised {
            // One of the ways to say the end is in seconds since 1970; what is before is past anyway.
            let time = end.seconds().max(1).to_string();
            let arguments = json!({ "protocol": device.spec.tag(), "time": time });
            out.command("expire_password", arguments, "until when a password is valid", origin, cx);
        } else {
            // A password that stays valid is worse than none at all.
            cx.not_yet("a password that is valid for some time only, without a monitor,", origin, out);
        }
    }
    let id = format!("{}-password", device.alias);
    secret::object(id, value.as_bytes(), device.at("@passwd"), cx, out)
}
