//! `-display`: screens on the host itself.

use caps_parser::Capability;
use domain_model::device::graphics::{Dbus, Gl, Graphics, Sdl};
use domain_model::xml::text::YesNo;

use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::device::sound;
use crate::props::Props;

/// Adds a window of SDL.
pub(super) fn sdl(sdl: &Sdl, device: &Resolved<'_, Graphics>, out: &mut Args) {
    if let Some(xauth) = &sdl.xauth {
        out.env("XAUTHORITY", xauth, device.at("@xauth"));
    }
    if let Some(display) = &sdl.display {
        out.env("DISPLAY", display, device.at("@display"));
    }
    if sdl.fullscreen == Some(YesNo::Yes) {
        out.flag("-full-screen", device.at("@fullscreen"));
    }
    let props = Props::new("type", "sdl", device.origin);
    out.props("-display", props.requires(Capability::SdlGl, "gl", sdl.gl, device.at("gl/@enable")));
}

/// Adds OpenGL for a screen that nobody sees.
pub(super) fn egl_headless(gl: &Gl, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let rendernode = match cx.has(Capability::EglHeadlessRendernode) {
        true => gl.rendernode.clone().or_else(|| cx.inputs.host.render_node()),
        false => gl.rendernode.clone(),
    };
    let props = Props::new("type", "egl-headless", device.origin);
    out.props(
        "-display",
        props.requires(
            Capability::EglHeadlessRendernode,
            "rendernode",
            rendernode,
            device.at("gl/@rendernode"),
        ),
    );
}

/// Adds screens over D-Bus.
pub(super) fn dbus(dbus: &Dbus, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let is_p2p = dbus.p2p == Some(YesNo::Yes);
    let address = (!is_p2p).then(|| dbus.address.clone().unwrap_or_else(|| bus_address(cx)));
    let gl = dbus.gl.enable == Some(YesNo::Yes);
    let rendernode =
        dbus.gl.rendernode.clone().or_else(|| gl.then(|| cx.inputs.host.render_node()).flatten());
    let audio = dbus.audio.and_then(|id| sound::audiodev(Some(id), cx));
    out.props(
        "-display",
        Props::new("type", "dbus", device.origin)
            .set_at("p2p", is_p2p.then_some(true), device.at("@p2p"))
            .set_at("addr", address, device.at("@address"))
            .set_at("gl", dbus.gl.enable, device.at("gl/@enable"))
            .set_at("rendernode", rendernode, device.at("gl/@rendernode"))
            .set_at("audiodev", audio, device.at("audio/@id")),
    );
}

/// Where the bus is that is started with the guest.
fn bus_address(cx: &Context<'_>) -> String {
    match cx.config().layout {
        Layout::Libvirt => {
            let name = cx.config().short_name(cx.name());
            format!("unix:path={}/dbus/{name}-dbus.sock", cx.config().run_dir)
        }
        Layout::Run => format!("unix:path={}/dbus.sock", cx.guest_dir()),
    }
}
