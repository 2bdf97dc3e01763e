//! `<tpm>`: trusted platform modules.

use caps_parser::Capability;
use domain_model::device::tpm::{
    PcrBanks, Tpm, TpmBackendKind, TpmEmulator, TpmModel, TpmStorage, TpmVersion,
};
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Inputs, Resolved};
use crate::host::FdRequest;
use crate::needs::{Helper, Link, Word};
use crate::props::{Props, Value};
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::{address, gate, os};

/// The host's TPM, if the domain names none.
const HOST_TPM: &str = "/dev/tpm0";

impl QemuDevice for Tpm {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("tpm{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let is_pseries = Board::of(&cx.domain) == Board::Pseries;
        let suits = if is_pseries { TpmModel::TpmSpapr } else { TpmModel::TpmTis };
        let model = *device.spec.model.get_or_insert(suits);
        match &mut device.spec.backend.kind {
            TpmBackendKind::Emulator(emulator) => {
                // The oldest device has the oldest standard where there were guests before TPM 2.0.
                let is_old = model == TpmModel::TpmTis && os::is_x86(&cx.domain);
                let version = if is_old { TpmVersion::V1_2 } else { TpmVersion::V2_0 };
                emulator.version.get_or_insert(version);
            }
            TpmBackendKind::Passthrough { device } => {
                device.get_or_insert_with(|| HOST_TPM.to_owned());
            }
            TpmBackendKind::External { .. } => {}
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let mut refuse = |path, message: &str| {
            problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
        };
        let tpms = &cx.domain.devices.tpms;
        let is_proxy = |tpm: &Device<Tpm>| tpm.spec.model == Some(TpmModel::SpaprTpmProxy);
        if tpms.iter().take(device.index).any(|tpm| is_proxy(tpm) == is_proxy(device.device())) {
            refuse("@model", "a guest has one TPM, and on pSeries machines one proxy besides");
        }
        let is_pseries = Board::of(cx.domain) == Board::Pseries;
        match device.spec.model {
            Some(TpmModel::TpmSpapr | TpmModel::SpaprTpmProxy) if !is_pseries => {
                refuse("@model", "this TPM is for pSeries machines");
            }
            Some(TpmModel::TpmCrb) if !os::is_x86(cx.domain) => {
                refuse("@model", "a TPM of model `tpm-crb` is for x86 guests");
            }
            _ => {}
        }
        if let TpmBackendKind::Emulator(emulator) = &device.spec.backend.kind {
            let is_v2 = emulator.version == Some(TpmVersion::V2_0);
            for (path, is_there) in [
                ("backend/active_pcr_banks", emulator.active_pcr_banks != PcrBanks::default()),
                ("backend/profile", emulator.profile.is_some()),
            ] {
                if is_there && !is_v2 {
                    let message = "banks of registers and profiles are those of TPM 2.0";
                    problems.push(Diagnostic::error(Code::Conflict, device.at(path), message));
                }
            }
            let mut refuse = |path, message: &str| {
                problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
            };
            let known = cx.inputs.host.tpm_versions();
            let version = emulator.version.map(TpmVersion::as_str).unwrap_or_default();
            if !known.iter().any(|known| known == version) {
                let known = known.join(", ");
                let message = format!("swtpm on this host emulates TPM {known}, not {version}");
                refuse("backend/@version", &message);
            }
            let is_v1 = emulator.version == Some(TpmVersion::V1_2);
            if is_v1 && device.spec.model != Some(TpmModel::TpmTis) {
                refuse("backend/@version", "TPM 1.2 is for devices of model `tpm-tis`");
            }
            if is_v1 && matches!(cx.domain.os.arch, Some(Arch::Aarch64 | Arch::Riscv64 | Arch::Loongarch64)) {
                refuse("backend/@version", "TPM 1.2 is for x86 guests");
            }
        }
        let backend = match &device.spec.backend.kind {
            TpmBackendKind::Passthrough { .. } => Capability::TpmPassthrough,
            TpmBackendKind::Emulator(_) | TpmBackendKind::External { .. } => Capability::TpmEmulator,
        };
        let model = match device.spec.model {
            Some(TpmModel::TpmTis) | None => Capability::TpmTis,
            Some(TpmModel::TpmCrb) => Capability::TpmCrb,
            Some(TpmModel::TpmSpapr) => Capability::TpmSpapr,
            Some(TpmModel::SpaprTpmProxy) => Capability::SpaprTpmProxy,
        };
        for (capability, what, path) in
            [(backend, "-tpmdev", "backend/@type"), (model, "-device tpm-…", "@model")]
        {
            if !cx.has(capability) {
                problems.push(gate::missing(capability, what, device.at(path), cx.inputs.caps));
            }
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if device.spec.model == Some(TpmModel::SpaprTpmProxy) {
            proxy(device, cx, out);
            return;
        }
        let id = format!("tpm-{}", device.alias);
        let origin = device.at("backend");
        let backend = match &device.spec.backend.kind {
            TpmBackendKind::Passthrough { device: path } => {
                passthrough(path.as_deref().unwrap_or(HOST_TPM), &id, device, cx, out)
            }
            TpmBackendKind::Emulator(settings) => {
                let socket = emulator_socket(cx);
                match cx.config().layout {
                    Layout::Libvirt => emulator(Value::from(socket), &id, device, out),
                    Layout::Run => {
                        let place = swtpm(settings, &socket, device, cx, out);
                        emulator(place, &id, device, out)
                    }
                }
            }
            TpmBackendKind::External { source } => {
                let path = source.path.as_deref().unwrap_or_default();
                emulator(Value::from(cx.config().path(path)), &id, device, out)
            }
        };
        out.props("-tpmdev", backend);
        let model = match device.spec.model {
            Some(TpmModel::TpmTis) | None if os::is_x86(cx.domain) => "tpm-tis",
            // Without an ISA bus it is a device of the platform.
            Some(TpmModel::TpmTis) | None => "tpm-tis-device",
            Some(model) => model.as_str(),
        };
        let props =
            Props::new("driver", model, device.origin).set_at("tpmdev", &id, origin).set("id", device.alias);
        out.props("-device", address::address(props, device.info, cx));
    }
}

/// The host's TPM.
fn passthrough(path: &str, id: &str, device: &Resolved<'_, Tpm>, cx: &Context<'_>, out: &mut Args) -> Props {
    let origin = device.at("backend/device/@path");
    let path = cx.config().path(path);
    let backend = Props::new("type", "passthrough", device.at("backend")).set("id", id);
    if cx.config().layout == Layout::Run {
        // QEMU finds the file that cancels a command by itself.
        return backend.set_at("path", path, origin);
    }
    let opaque = |what| format!("{}-{what}", device.alias);
    let tpm = out.fdset(FdRequest::Tpm { path: path.clone() }, &opaque("tpm"), origin, device.at("backend"));
    let cancel = out.fdset(FdRequest::TpmCancel { path }, &opaque("cancel"), origin, device.at("backend"));
    backend.set("path", tpm).set("cancel-path", cancel)
}

/// A program behind a socket: one at a path, or one that is connected already.
fn emulator(place: Value, id: &str, device: &Resolved<'_, Tpm>, out: &mut Args) -> Props {
    let origin = device.at("backend");
    let chardev = "chrtpm";
    let key = if matches!(place, Value::Fd(_)) { "fd" } else { "path" };
    out.props("-chardev", Props::new("backend", "socket", origin).set("id", chardev).set(key, place));
    Props::new("type", "emulator", origin).set("id", id).set("chardev", chardev)
}

/// Where the emulator that is started with the guest listens.
fn emulator_socket(cx: &Context<'_>) -> String {
    match (&cx.config().tpm_socket, cx.config().layout) {
        (Some(socket), _) => socket.clone(),
        (None, Layout::Libvirt) => {
            format!("{}/swtpm/{}-swtpm.sock", cx.config().run_dir, cx.config().short_name(cx.name()))
        }
        (None, Layout::Run) => format!("{}/swtpm.sock", cx.guest_dir()),
    }
}

/// Names swtpm among the processes that have to run beside QEMU, and says where it is reached.
fn swtpm(
    settings: &TpmEmulator,
    socket: &str,
    device: &Resolved<'_, Tpm>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Value {
    if settings.encryption.is_some() {
        cx.not_yet("the encrypted state of a TPM", device.at("backend/encryption"), out);
    }
    if settings.profile.is_some() {
        cx.not_yet("a profile of a TPM", device.at("backend/profile"), out);
    }
    let supervised = cx.config().supervised;
    let link = if supervised { Link::Listener } else { Link::Makes(socket.to_owned()) };
    let mut helper = Helper::new("swtpm", device.alias, link, device.at("backend"));
    helper.args(["socket", "--ctrl"]);
    helper.args.push(match supervised {
        true => Word::Socket { before: "type=unixio,fd=" },
        false => Word::Text(format!("type=unixio,path={socket},mode=0600")),
    });
    let path = settings.source.as_ref().map(|source| cx.config().path(&source.path));
    let is_dir = settings.source.as_ref().is_none_or(|source| source.kind == Some(TpmStorage::Dir));
    let state = path.unwrap_or_else(|| format!("{}/{}", cx.config().swtpm_dir, cx.name()));
    if state.contains(',') {
        let message = "swtpm takes no path with a comma";
        out.problem(Diagnostic::error(Code::Unsupported, device.at("backend"), message));
    }
    helper.args(["--tpmstate".to_owned()]);
    helper.args([match is_dir {
        true => format!("dir={state},mode=0600"),
        false => format!("backend-uri=file://{state},mode=0600"),
    }]);
    let is_v2 = settings.version != Some(TpmVersion::V1_2);
    helper.args(is_v2.then_some("--tpm2"));
    // It has nothing to do without QEMU, so it goes with the connection.
    helper.args(["--terminate"]);
    if let Some(level) = settings.debug.filter(|level| *level > 0) {
        let log = if is_dir { format!("{state}/swtpm.log") } else { format!("{state}.log") };
        helper.args(["--log".to_owned(), format!("file={log},level={level},truncate")]);
    }
    let banks = settings.active_pcr_banks;
    let named =
        [(banks.sha1, "sha1"), (banks.sha256, "sha256"), (banks.sha384, "sha384"), (banks.sha512, "sha512")];
    let named: Vec<&str> = named.into_iter().filter_map(|(active, name)| active.then_some(name)).collect();
    if is_v2 && !named.is_empty() {
        // The banks are chosen when the state is made; a guest may have sealed secrets to what they hold since.
        let place = if is_dir { state.clone() } else { format!("file://{state}") };
        let args = ["--tpm2", "--tpmstate", &place, "--pcr-banks", &named.join(","), "--not-overwrite"];
        helper.setup = Some(("swtpm_setup".to_owned(), args.map(str::to_owned).to_vec()));
    }
    helper.folder = Some(state).filter(|_| is_dir);
    out.needs.helpers.push(helper);
    match supervised {
        true => Value::Fd(FdRequest::Helper { device: device.alias.to_owned() }),
        false => Value::from(socket),
    }
}

/// The proxy of pSeries machines, which has no backend of its own.
fn proxy(device: &Resolved<'_, Tpm>, cx: &Context<'_>, out: &mut Args) {
    let path = match &device.spec.backend.kind {
        TpmBackendKind::Passthrough { device } => device.as_deref().unwrap_or(HOST_TPM),
        TpmBackendKind::Emulator(_) | TpmBackendKind::External { .. } => {
            let message = "a TPM of model `spapr-tpm-proxy` needs `<backend type='passthrough'>`";
            out.problem(Diagnostic::error(Code::Unsupported, device.at("backend/@type"), message));
            return;
        }
    };
    let path = cx.config().path(path);
    out.props(
        "-device",
        Props::new("driver", "spapr-tpm-proxy", device.origin).set("id", device.alias).set_at(
            "host-path",
            path,
            device.at("backend/device/@path"),
        ),
    );
}
