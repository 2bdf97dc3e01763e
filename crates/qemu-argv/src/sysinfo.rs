//! `<sysinfo>`: `-smbios` and `-fw_cfg`.

use domain_model::os::SmbiosMode;
use domain_model::sysinfo::{Entry, Field, Smbios, SysinfoKind};
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::props::Props;

/// Reports tables and files that QEMU would not take.
pub(crate) fn check(out: &mut Problems<'_>) {
    for sysinfo in &out.cx.domain.sysinfos {
        let SysinfoKind::Fwcfg(files) = &sysinfo.kind else { continue };
        for file in files {
            let is_reserved = ["opt/ovmf/", "opt/org.qemu/"].iter().any(|it| file.name.starts_with(it));
            if !file.name.starts_with("opt/") || is_reserved {
                let message = format!(
                    "a file of the firmware has a name below `opt/`, which is its user's own, not `{}`",
                    file.name
                );
                out.unsupported(file.meta.at("@name"), message);
            }
        }
    }
}

/// The tables that describe the machine.
pub(crate) fn smbios(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("os/smbios/@mode");
    match cx.domain.os.smbios {
        None | Some(SmbiosMode::Emulate | SmbiosMode::None) => {}
        Some(SmbiosMode::Host) => host(origin, cx, out),
        Some(SmbiosMode::Sysinfo) => {
            let tables = cx.domain.sysinfos.iter().find_map(|sysinfo| match &sysinfo.kind {
                SysinfoKind::Smbios(tables) => Some((tables, sysinfo.meta.origin)),
                SysinfoKind::Fwcfg(_) => None,
            });
            match tables {
                Some((tables, origin)) => emit(tables, origin, out),
                None => {
                    let message = "`<smbios mode='sysinfo'>` needs a `<sysinfo type='smbios'>`";
                    out.problem(Diagnostic::error(Code::MissingElement, origin, message));
                }
            }
        }
    }
}

/// The host's tables: their numbers, and QEMU's and Linux's names of what is in them. The machine's UUID is left out, as
/// no two machines share one.
const HOST: &[(u32, &[(&str, &str)])] = &[
    (
        0,
        &[
            ("vendor", "bios_vendor"),
            ("version", "bios_version"),
            ("date", "bios_date"),
            ("release", "bios_release"),
        ],
    ),
    (
        1,
        &[
            ("manufacturer", "sys_vendor"),
            ("product", "product_name"),
            ("version", "product_version"),
            ("serial", "product_serial"),
            ("sku", "product_sku"),
            ("family", "product_family"),
        ],
    ),
    (
        2,
        &[
            ("manufacturer", "board_vendor"),
            ("product", "board_name"),
            ("version", "board_version"),
            ("serial", "board_serial"),
            ("asset", "board_asset_tag"),
        ],
    ),
    (
        3,
        &[
            ("manufacturer", "chassis_vendor"),
            ("version", "chassis_version"),
            ("serial", "chassis_serial"),
            ("asset", "chassis_asset_tag"),
        ],
    ),
];

/// The tables of the host.
fn host(origin: Origin, cx: &Context<'_>, out: &mut Args) {
    let mut is_known = false;
    for (kind, entries) in HOST {
        let found: Vec<(&'static str, String)> =
            entries.iter().filter_map(|(key, name)| Some((*key, cx.inputs.host.dmi(name)?))).collect();
        if !found.is_empty() {
            is_known = true;
            let props = Props::plain(origin).set("type", *kind);
            out.props("-smbios", found.into_iter().fold(props, |props, (key, value)| props.set(key, value)));
        }
    }
    if !is_known {
        let message = "this host does not say what machine it is";
        let problem = Diagnostic::error(Code::Unsupported, origin, message);
        out.problem(problem.help("say it with `<smbios mode='sysinfo'/>` and `<sysinfo type='smbios'>`"));
    }
}

fn emit(tables: &Smbios, origin: Origin, out: &mut Args) {
    table(0, &tables.bios, origin, out);
    table(1, &tables.system, origin, out);
    if let [_, second, ..] = tables.base_boards.as_slice() {
        let message = "QEMU describes one board only";
        out.problem(Diagnostic::error(Code::Unsupported, second.meta.origin, message));
    }
    for board in &tables.base_boards {
        table(2, &board.entries, board.meta.origin, out);
    }
    table(3, &tables.chassis, origin, out);
    if !tables.oem_strings.is_empty() {
        let strings = tables
            .oem_strings
            .iter()
            .fold(Props::plain(origin).set("type", 11_u32), |props, text| props.set("value", text));
        out.props("-smbios", strings);
    }
}

/// One table, if anything is said in it; entries are in libvirt's order, which is QEMU's.
fn table<N: Field>(kind: u32, entries: &[Entry<N>], origin: Origin, out: &mut Args) {
    if entries.is_empty() {
        return;
    }
    let props = entries.iter().fold(Props::plain(origin).set("type", kind), |props, entry| {
        props.set_at(entry.name.to_text(), entry.value.as_str(), entry.meta.origin)
    });
    out.props("-smbios", props);
}

/// Files that the firmware reads.
pub(crate) fn fw_cfg(cx: &Context<'_>, out: &mut Args) {
    for sysinfo in &cx.domain.sysinfos {
        let SysinfoKind::Fwcfg(files) = &sysinfo.kind else { continue };
        for file in files {
            let path = file.file.as_deref().map(|path| cx.config().path(path));
            let props = Props::plain(file.meta.origin)
                .set("name", file.name.as_str())
                .set("string", file.value.as_ref())
                .set("file", path.filter(|_| file.value.is_none()));
            out.props("-fw_cfg", props);
        }
    }
}
