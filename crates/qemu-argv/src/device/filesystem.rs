//! `<filesystem>` on the QEMU side: 9pfs and virtiofs.

mod check;

use caps_parser::Capability;
use domain_model::device::filesystem::{
    AccessMode, Filesystem, FilesystemDriverType, FilesystemSource, Mode, Multidevs, Virtiofsd, WritePolicy,
};
use domain_model::xml::text::OnOff;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::config::Layout;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::host::FdRequest;
use crate::needs::{Access, Helper, Link, Word};
use crate::props::{Props, Value};
use crate::resolve::Resolving;
use crate::{boot, virtio};

impl QemuDevice for Filesystem {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("fs{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Modern {
            forget(&mut device.spec);
        }
        // What somebody else serves has the access mode that they chose.
        if device.spec.source.socket().is_none() {
            device.spec.accessmode.get_or_insert(AccessMode::Passthrough);
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        check::check(device, &mut Problems::new(cx, problems));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        match device.spec.driver.kind {
            Some(FilesystemDriverType::Virtiofs) => vhost_user(device, cx, out),
            Some(FilesystemDriverType::Mtp) => mtp(device, cx, out),
            _ => plan9(device, cx, out),
        }
    }
}

/// Drops what says nothing, or something to virtiofs only.
fn forget(filesystem: &mut Filesystem) {
    filesystem.multidevs.take_if(|multidevs| *multidevs == Multidevs::Default);
    let is_virtiofs = filesystem.driver.kind == Some(FilesystemDriverType::Virtiofs);
    if let FilesystemSource::Mount { dir, socket: Some(_) } = &mut filesystem.source
        && is_virtiofs
    {
        *dir = None;
    }
    filesystem.driver.queue.take_if(|size| *size == 0 || !is_virtiofs);
    if let Some(binary) = &mut filesystem.binary {
        binary.openfiles_max.take_if(|max| *max == 0);
    }
    filesystem.binary.take_if(|binary| {
        !is_virtiofs || *binary == Virtiofsd { meta: binary.meta.clone(), ..Virtiofsd::default() }
    });
    filesystem.idmap.take_if(|map| !is_virtiofs || map.uids.is_empty() && map.gids.is_empty());
}

/// A directory that QEMU itself shares.
fn plan9(device: &Resolved<'_, Filesystem>, cx: &Context<'_>, out: &mut Args) {
    let filesystem = device.spec;
    let FilesystemSource::Mount { dir, .. } = &filesystem.source else { return };
    let is_handle = filesystem.driver.kind == Some(FilesystemDriverType::Handle);
    let id = format!("fsdev-{}", device.alias);
    let props = if is_handle {
        Props::new("fsdriver", "handle", device.at("driver/@type"))
    } else {
        let security = filesystem.accessmode.map(|mode| match mode {
            AccessMode::Mapped => "mapped",
            AccessMode::Passthrough => "passthrough",
            AccessMode::Squash => "none",
        });
        let multidevs = filesystem.multidevs.filter(|multidevs| *multidevs != Multidevs::Default);
        Props::new("fsdriver", "local", device.origin)
            .set_at("security_model", security, device.at("@accessmode"))
            .set_at("multidevs", multidevs.map(Multidevs::as_str), device.at("@multidevs"))
            .set_at("fmode", filesystem.fmode.map(octal), device.at("@fmode"))
            .set_at("dmode", filesystem.dmode.map(octal), device.at("@dmode"))
    };
    // The word alone is libvirt's way; QEMU calls it out of date.
    let on = if cx.is_libvirt() { Value::Flag } else { Value::from(true) };
    let readonly = filesystem.readonly.then_some(on);
    let immediate = filesystem.driver.wrpolicy == Some(WritePolicy::Immediate);
    let props = props
        .set_at("writeout", immediate.then_some("immediate"), device.at("driver/@wrpolicy"))
        .set("id", &id)
        .set_at("path", cx.config().path(dir.as_deref().unwrap_or_default()), device.at("source/@dir"))
        .set_at("readonly", readonly, device.at("readonly"));
    out.props("-fsdev", props);
    if cx.dialect.era == Era::Historic {
        out.needing(Capability::Fsdev);
    }
    let access = if filesystem.readonly { Access::Read } else { Access::Write };
    out.file(cx.config().path(dir.as_deref().unwrap_or_default()), access, device.at("source/@dir"));
    let props = virtio::device("virtio-9p", filesystem.model, &filesystem.driver.virtio, device, cx)
        .set("id", device.alias)
        .set("fsdev", id)
        .set_at("mount_tag", filesystem.target.as_deref(), device.at("target/@dir"));
    out.props("-device", crate::address::address(props, device.info, cx));
}

/// A directory that the guest sees as a camera or a telephone on USB.
fn mtp(device: &Resolved<'_, Filesystem>, cx: &Context<'_>, out: &mut Args) {
    let filesystem = device.spec;
    let FilesystemSource::Mount { dir, .. } = &filesystem.source else { return };
    let props = Props::new("driver", "usb-mtp", device.at("driver/@type"))
        .set("id", device.alias)
        .set_at("rootdir", cx.config().path(dir.as_deref().unwrap_or_default()), device.at("source/@dir"))
        .set_at("desc", filesystem.target.as_deref(), device.at("target/@dir"))
        .set_at("readonly", filesystem.readonly, device.at("readonly"));
    out.props("-device", crate::address::address(props, device.info, cx));
    out.needing(Capability::UsbMtp);
}

fn octal(mode: Mode) -> String {
    format!("{:04o}", mode.0)
}

/// Names the daemon among the processes that have to run beside QEMU.
fn virtiofsd(socket: &str, device: &Resolved<'_, Filesystem>, cx: &Context<'_>, out: &mut Args) {
    let filesystem = device.spec;
    let none = Virtiofsd::default();
    let settings = filesystem.binary.as_ref().unwrap_or(&none);
    let FilesystemSource::Mount { dir, .. } = &filesystem.source else { return };
    let dir = cx.config().path(dir.as_deref().unwrap_or_default());
    if dir.contains(',') {
        let message = "the virtiofs daemon takes no path with a comma";
        out.problem(Diagnostic::error(Code::Unsupported, device.at("source/@dir"), message));
    }
    if let Some(idmap) = &filesystem.idmap {
        cx.not_yet("`<idmap>`", idmap.meta.origin, out);
    }
    out.file(&dir, Access::Read, device.at("source/@dir"));
    let supervised = cx.config().supervised;
    let link = if supervised { Link::Listener } else { Link::Makes(socket.to_owned()) };
    let program =
        settings.path.as_ref().map_or_else(|| "virtiofsd".to_owned(), |path| cx.config().path(path));
    let mut helper = Helper::new(program, device.alias, link, device.at("driver/@type"));
    helper.args.push(match supervised {
        true => Word::Socket { before: "--fd=" },
        false => Word::Text(format!("--socket-path={socket}")),
    });
    let switch = |value: Option<OnOff>, name: &str| match value {
        Some(OnOff::On) => format!(",{name}"),
        Some(OnOff::Off) => format!(",no_{name}"),
        None => String::new(),
    };
    let mut options = format!("source={dir}");
    if let Some(mode) = settings.cache {
        options.push_str(&format!(",cache={mode}"));
    }
    if let Some(mode) = settings.sandbox {
        options.push_str(&format!(",sandbox={mode}"));
    }
    options.push_str(&switch(settings.xattr, "xattr"));
    options.push_str(&switch(settings.lock_flock, "flock"));
    options.push_str(&switch(settings.lock_posix, "posix_lock"));
    helper.args(["-o".to_owned(), options]);
    helper.args(settings.thread_pool_size.map(|size| format!("--thread-pool-size={size}")));
    helper.args(settings.openfiles_max.map(|max| format!("--rlimit-nofile={max}")));
    // Since virtiofsd 1.13.
    helper.args(filesystem.readonly.then_some("--readonly"));
    out.needs.helpers.push(helper);
}

/// A directory that a daemon shares.
fn vhost_user(device: &Resolved<'_, Filesystem>, cx: &Context<'_>, out: &mut Args) {
    let filesystem = device.spec;
    let chardev = format!("chr-vu-{}", device.alias);
    let path = format!("{}/{}-fs.sock", cx.guest_dir(), device.alias);
    let (key, place) = match (filesystem.source.socket(), cx.config().layout) {
        (Some(socket), _) => ("path", Value::from(cx.config().path(socket))),
        (None, Layout::Libvirt) => ("path", Value::from(path)),
        (None, Layout::Run) => {
            virtiofsd(&path, device, cx, out);
            match cx.config().supervised {
                true => ("fd", Value::Fd(FdRequest::Helper { device: device.alias.to_owned() })),
                false => ("path", Value::from(path)),
            }
        }
    };
    let socket = Props::new("backend", "socket", device.at("driver/@type")).set("id", &chardev).set_at(
        key,
        place,
        device.at("source"),
    );
    out.props("-chardev", socket);
    let queue = filesystem.driver.queue.filter(|queue| *queue > 0);
    let props = virtio::device("vhost-user-fs", filesystem.model, &filesystem.driver.virtio, device, cx)
        .set("id", device.alias)
        .set("chardev", chardev)
        .set_at("queue-size", queue, device.at("driver/@queue"))
        .set_at("tag", filesystem.target.as_deref().unwrap_or_default(), device.at("target/@dir"));
    let props = boot::bootindex(props, device.info, None);
    out.props("-device", crate::address::address(props, device.info, cx));
    out.needing(Capability::VhostUserFs);
}
