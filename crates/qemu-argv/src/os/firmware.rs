//! The guest's firmware: which one, and how QEMU loads it.

use caps_parser::Capability;
use domain_model::features::{Features, Smm};
use domain_model::launch_security::LaunchSecurityKind;
use domain_model::os::{
    Arch, Firmware, FirmwareFeature, FirmwareFeatureName, FirmwareFormat, Loader, LoaderType, Nvram, Os,
};
use domain_model::storage::{Format, SourceKind};
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::xml::{Meta, Tagged as _, Text as _};
use domain_model::{Code, Diagnostic, Domain};

use super::descriptor::{Descriptor, Flash, FlashMode, Image, Mapping, in_force};
use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::device::disk::forget_in_source;
use crate::needs::Access;
use crate::props::{Props, Value};
use crate::resolve::Resolving;
use crate::storage::{Backing, Image as DiskImage};

const CHOSEN: &str = "the first firmware of the host that has what is asked for";

/// Fills in which firmware it is, and where it keeps its variables.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    // Domains from before this was refused may have it where a description of their loader is found.
    if cx.inputs.config.abi_update {
        cx.problems.extend(features_without_choice(&cx.domain));
    }
    let os = &mut cx.domain.os;
    if let Some(loader) = &mut os.loader
        && loader.path.is_some()
        && os.firmware.is_none()
    {
        // Who says that it is a ROM has said what there is to say.
        if loader.kind.is_none() {
            loader.kind = Some(LoaderType::Rom);
            loader.format.get_or_insert(FirmwareFormat::Raw);
        }
    }
    let by_kind = os.firmware.is_some();
    // Domains that were defined when there was no other format keep it.
    let any_format = cx.inputs.config.abi_update || !by_kind;
    if !any_format && os.nvram.as_ref().is_none_or(|nvram| nvram.format.is_none()) {
        let implied = cx.domain.meta.at("os/@firmware").implies("firmware is raw unless a format is named");
        let loader = cx
            .domain
            .os
            .loader
            .get_or_insert_with(|| Loader { meta: Meta::from_origin(implied), ..Loader::default() });
        loader.format.get_or_insert(FirmwareFormat::Raw);
    }
    let os = &mut cx.domain.os;
    let is_pflash = os.loader.as_ref().is_some_and(|loader| loader.kind == Some(LoaderType::Pflash));
    if by_kind || is_pflash {
        let descriptors = in_force(&cx.inputs.host.firmware_files());
        match descriptors.iter().find(|descriptor| fits(&cx.domain, descriptor)) {
            Some(descriptor) => take(&mut cx.domain, descriptor),
            None if !by_kind => custom(cx),
            // A domain can be defined before its firmware is installed; it cannot be started.
            None => return needs_acpi(cx),
        }
        nvram(cx);
    }
    needs_acpi(cx);
}

/// What is wrong with features of firmware that is not chosen by them.
pub(super) fn features_without_choice(domain: &Domain) -> Option<Diagnostic> {
    if domain.os.firmware.is_some() || domain.os.firmware_features.is_empty() {
        return None;
    }
    let message = "firmware features are for firmware that is chosen by them, with `<os firmware=…>`";
    Some(Diagnostic::error(Code::Conflict, domain.meta.at("os/firmware"), message))
}

/// Whether UEFI is the guest's firmware.
pub(crate) fn is_uefi(domain: &Domain) -> bool {
    let os = &domain.os;
    os.firmware == Some(Firmware::Efi)
        || os.loader.as_ref().is_some_and(|loader| loader.kind == Some(LoaderType::Pflash))
}

/// Whether a firmware has been chosen for the domain: then it is known what that can do.
fn is_chosen(os: &Os) -> bool {
    os.firmware_features.iter().any(|feature| feature.name == FirmwareFeatureName::SecureBoot)
}

/// UEFI finds its tables by ACPI on x86; on Arm ACPI is found by UEFI alone.
fn needs_acpi(cx: &mut Resolving<'_>) {
    let domain = &cx.domain;
    let acpi = domain.features.as_ref().is_some_and(|features| features.acpi);
    let message = match domain.os.arch {
        Some(Arch::X86_64) if is_uefi(domain) && !acpi => "UEFI needs `<acpi/>` among the `<features>`",
        Some(Arch::Aarch64) if !is_uefi(domain) && acpi => "ACPI needs UEFI on this architecture",
        _ => return,
    };
    let origin = if acpi { domain.meta.at("features/acpi") } else { domain.meta.at("os") };
    cx.problems.push(Diagnostic::error(Code::Unsupported, origin, message));
}

fn wanted(domain: &Domain, name: FirmwareFeatureName) -> Option<bool> {
    let feature = domain.os.firmware_features.iter().rfind(|feature| feature.name == name)?;
    Some(bool::from(feature.enabled))
}

/// Whether a firmware has what the domain asks for.
fn fits(domain: &Domain, descriptor: &Descriptor) -> bool {
    let os = &domain.os;
    let none = Loader::default();
    let loader = os.loader.as_ref().unwrap_or(&none);
    let interface = match (os.firmware, loader.kind) {
        (Some(Firmware::Efi), _) | (None, Some(LoaderType::Pflash)) => "uefi",
        _ => "bios",
    };
    let machine = os.machine.as_deref().unwrap_or_default();
    let arch = super::qemu_word(os.arch.unwrap_or(Arch::X86_64));
    if !descriptor.interface_types.iter().any(|kind| kind == interface) || !descriptor.fits(arch, machine) {
        return false;
    }
    let sleeps = domain.pm.as_ref();
    if sleeps.and_then(|pm| pm.suspend_to_mem) == Some(YesNo::Yes) && !descriptor.has("acpi-s3")
        || sleeps.and_then(|pm| pm.suspend_to_disk) == Some(YesNo::Yes) && !descriptor.has("acpi-s4")
    {
        return false;
    }
    for (name, feature) in [
        (FirmwareFeatureName::SecureBoot, "secure-boot"),
        (FirmwareFeatureName::EnrolledKeys, "enrolled-keys"),
    ] {
        if wanted(domain, name).is_some_and(|wanted| wanted != descriptor.has(feature)) {
            return false;
        }
    }
    let smm = domain.features.as_ref().and_then(|features| features.smm.as_ref()).map(|smm| smm.state);
    let refused = match descriptor.has("requires-smm") {
        true => smm == Some(OnOff::Off) || loader.secure == Some(YesNo::No),
        false => loader.secure == Some(YesNo::Yes),
    };
    let protects = match domain.launch_security.as_ref().map(|security| &security.kind) {
        Some(LaunchSecurityKind::Sev(sev)) => {
            // Bit 2 of the policy asks for encrypted registers as well.
            let encrypted_state = sev.policy.is_some_and(|policy| policy.0 & 4 != 0);
            descriptor.has("amd-sev") && (!encrypted_state || descriptor.has("amd-sev-es"))
        }
        Some(LaunchSecurityKind::SevSnp(_)) => descriptor.has("amd-sev-snp"),
        Some(LaunchSecurityKind::S390Pv) | None => true,
    };
    let same = |path: &str| loader.path.as_deref().is_none_or(|wanted| wanted == path);
    let kind = match &descriptor.mapping {
        Mapping::Flash(_) => Some(LoaderType::Pflash),
        Mapping::Memory { .. } => Some(LoaderType::Rom),
        Mapping::Kernel { .. } | Mapping::Unknown => loader.kind,
    };
    !refused
        && protects
        && (loader.kind.is_none() || loader.kind == kind)
        && match &descriptor.mapping {
            Mapping::Flash(flash) => same(&flash.executable.filename) && flash_fits(domain, loader, flash),
            // Memory that is loaded is neither written nor kept.
            Mapping::Memory { filename } => same(filename) && loader.readonly.is_none(),
            Mapping::Kernel { filename } => os.kernel.as_ref().is_none_or(|kernel| kernel == filename),
            Mapping::Unknown => false,
        }
}

fn flash_fits(domain: &Domain, loader: &Loader, flash: &Flash) -> bool {
    let nvram = domain.os.nvram.as_ref();
    let mode = match loader.stateless {
        Some(YesNo::Yes) => FlashMode::Stateless,
        _ => FlashMode::Split,
    };
    let template = flash.nvram_template.as_ref();
    let same_template = nvram.and_then(|nvram| nvram.template.as_deref()).is_none_or(|wanted| {
        flash.mode == FlashMode::Split && template.is_some_and(|template| template.filename == wanted)
    });
    let known = |image: &Image| FirmwareFormat::parse(&image.format).ok();
    let (Some(format), template_format) = (known(&flash.executable), template.and_then(known)) else {
        return false;
    };
    let same_format = match (loader.format, nvram.and_then(|nvram| nvram.format)) {
        (Some(wanted), _) => format == wanted,
        (None, Some(wanted)) if domain.os.firmware.is_some() => template_format == Some(wanted),
        (None, _) => true,
    };
    flash.mode == mode
        && same_template
        && same_format
        && (mode != FlashMode::Split || template_format.is_some())
        && loader.readonly != Some(YesNo::No)
}

/// Makes a firmware the domain's.
fn take(domain: &mut Domain, descriptor: &Descriptor) {
    let origin = domain.meta.at("os").implies(CHOSEN);
    let os = &mut domain.os;
    let fresh = || Loader { meta: Meta::from_origin(origin), ..Loader::default() };
    match &descriptor.mapping {
        Mapping::Flash(flash) => {
            let loader = os.loader.get_or_insert_with(fresh);
            loader.kind = Some(LoaderType::Pflash);
            loader.readonly = Some(YesNo::Yes);
            loader.format = FirmwareFormat::parse(&flash.executable.format).ok();
            loader.path = Some(flash.executable.filename.clone());
            if let Some(template) = flash.nvram_template.as_ref().filter(|_| flash.mode == FlashMode::Split) {
                let nvram = os
                    .nvram
                    .get_or_insert_with(|| Nvram { meta: Meta::from_origin(origin), ..Nvram::default() });
                let format = FirmwareFormat::parse(&template.format).ok();
                nvram.format = format;
                // What is not a file of this host cannot be made from a template.
                if is_local(nvram) {
                    nvram.template = Some(template.filename.clone());
                    nvram.template_format = format;
                }
            }
        }
        Mapping::Memory { filename } => {
            let loader = os.loader.get_or_insert_with(fresh);
            loader.kind = Some(LoaderType::Rom);
            loader.format = Some(FirmwareFormat::Raw);
            loader.path = Some(filename.clone());
        }
        Mapping::Kernel { filename } => os.kernel = Some(filename.clone()),
        Mapping::Unknown => return,
    }
    if os.firmware.is_none() {
        let is_uefi = descriptor.interface_types.first().is_some_and(|kind| kind == "uefi");
        os.firmware = Some(if is_uefi { Firmware::Efi } else { Firmware::Bios });
    }
    let keys_unknown = os.loader.as_ref().is_some_and(|loader| {
        loader.kind == Some(LoaderType::Pflash) && loader.stateless != Some(YesNo::Yes)
    }) && os.nvram.as_ref().is_none_or(|nvram| nvram.template.is_none());
    let feature = |name, has| FirmwareFeature {
        enabled: if has { YesNo::Yes } else { YesNo::No },
        name,
        meta: Meta::from_origin(origin),
    };
    os.firmware_features = Vec::new();
    if !keys_unknown {
        let has = descriptor.has("enrolled-keys");
        os.firmware_features.push(feature(FirmwareFeatureName::EnrolledKeys, has));
    }
    os.firmware_features.push(feature(FirmwareFeatureName::SecureBoot, descriptor.has("secure-boot")));
    if descriptor.has("requires-smm") {
        if let Some(loader) = &mut os.loader {
            loader.secure = Some(YesNo::Yes);
        }
        let features = domain.features.get_or_insert_with(Features::default);
        let smm =
            features.smm.get_or_insert_with(|| Smm { meta: Meta::from_origin(origin), ..Smm::default() });
        smm.state = OnOff::On;
    }
}

/// Firmware that no description knows: its variables come from where they always came from, if it is known.
fn custom(cx: &mut Resolving<'_>) {
    let Some(loader) = &mut cx.domain.os.loader else { return };
    let is_raw = loader.format.is_none_or(|format| format == FirmwareFormat::Raw);
    let keeps = loader.readonly != Some(YesNo::No) && loader.stateless != Some(YesNo::Yes);
    let pair = cx.inputs.config.firmwares.iter().find(|(code, _)| loader.path.as_ref() == Some(code));
    loader.format.get_or_insert(FirmwareFormat::Raw);
    if let Some((_, template)) = pair
        && is_raw
        && keeps
    {
        loader.readonly = Some(YesNo::Yes);
        let origin = loader.meta.origin.implies("this firmware's variables have a template of their own");
        let fresh = || Nvram { meta: Meta::from_origin(origin), ..Nvram::default() };
        let nvram = cx.domain.os.nvram.get_or_insert_with(fresh);
        if is_local(nvram) {
            nvram.template.get_or_insert_with(|| template.clone());
            nvram.template_format.get_or_insert(FirmwareFormat::Raw);
        }
    }
}

fn is_local(nvram: &Nvram) -> bool {
    !nvram.source.as_ref().is_some_and(|source| matches!(source.kind, SourceKind::Network(_)))
}

/// Firmware that is only read keeps its variables in a file of the guest's own.
fn nvram(cx: &mut Resolving<'_>) {
    let directory = cx.inputs.config.nvram_dir.clone();
    let abi_update = cx.inputs.config.abi_update;
    let name = cx.domain.name.clone().unwrap_or_default();
    let Some(loader) = &cx.domain.os.loader else { return };
    if loader.kind != Some(LoaderType::Pflash)
        || loader.readonly != Some(YesNo::Yes)
        || loader.stateless == Some(YesNo::Yes)
    {
        return;
    }
    let origin = loader.meta.origin.implies("firmware that is only read keeps its variables elsewhere");
    let format = loader.format;
    let nvram = cx
        .domain
        .os
        .nvram
        .get_or_insert_with(|| Nvram { meta: Meta::from_origin(origin), ..Nvram::default() });
    nvram.format = nvram.format.or(format);
    nvram.source.iter_mut().for_each(forget_in_source);
    if nvram.path.is_none() && nvram.source.is_none() {
        let is_raw_template = nvram.template.as_ref().is_some_and(|template| template.ends_with(".raw"));
        let extension = match nvram.format {
            Some(FirmwareFormat::Qcow2) => "qcow2",
            // Domains that were defined earlier have their variables under the older name.
            _ if abi_update && is_raw_template => "raw",
            _ => "fd",
        };
        nvram.path = Some(format!("{directory}/{name}_VARS.{extension}"));
    }
}

/// Refuses places that QEMU could not keep the variables in.
pub(super) fn check_variables(out: &mut Problems<'_>) {
    let Some(nvram) = &out.cx.domain.os.nvram else { return };
    let Some(source) = &nvram.source else { return };
    match &source.kind {
        SourceKind::File(_) | SourceKind::Block { .. } | SourceKind::Network(_) => {}
        SourceKind::Dir { .. }
        | SourceKind::Volume(_)
        | SourceKind::Nvme(_)
        | SourceKind::VhostUser(_)
        | SourceKind::VhostVdpa { .. } => {
            let message = format!(
                "an NVRAM is a file, a block device or on the network, not a `{}`",
                source.kind.tag()
            );
            out.unsupported(nvram.meta.at("@type"), message);
        }
    }
    if let Some(slice) = &source.slice {
        out.unsupported(slice.meta.origin, "an NVRAM has no slices");
    }
    if let Some(reservations) = &source.reservations {
        out.unsupported(reservations.meta.origin, "an NVRAM has no persistent reservations");
    }
}

/// The flash memory with the variables.
const VARIABLES: &str = "pflash1";

/// One of the two flash memories: the firmware, and its variables.
struct Unit<'a> {
    name: &'static str,
    path: String,
    format: FirmwareFormat,
    read_only: bool,
    /// Whether the image has a layer for its format, even if it is raw.
    layered: bool,
    meta: &'a Meta,
}

impl Unit<'_> {
    /// The node that the machine is told of.
    fn node(&self) -> String {
        format!("libvirt-{}-{}", self.name, if self.layered { "format" } else { "storage" })
    }
}

/// The flash memories that the guest has.
fn units<'a>(cx: &'a Context<'_>) -> Vec<Unit<'a>> {
    let os = &cx.domain.os;
    let Some(loader) = os.loader.as_ref().filter(|loader| loader.kind == Some(LoaderType::Pflash)) else {
        return Vec::new();
    };
    let Some(path) = &loader.path else { return Vec::new() };
    let mut units = vec![Unit {
        name: "pflash0",
        path: cx.config().path(path),
        format: loader.format.unwrap_or(FirmwareFormat::Raw),
        read_only: loader.readonly == Some(YesNo::Yes),
        layered: true,
        meta: &loader.meta,
    }];
    if let Some(nvram) = &os.nvram {
        let file = nvram.source.as_ref().and_then(|source| match &source.kind {
            SourceKind::File(file) => file.path.as_deref(),
            _ => None,
        });
        let path = nvram.path.as_deref().or(file);
        let format = nvram.format.unwrap_or(FirmwareFormat::Raw);
        let layered = format != FirmwareFormat::Raw || !cx.has(Capability::BlockjobBackingMaskProtocol);
        units.extend(path.map(|path| Unit {
            name: VARIABLES,
            path: cx.config().path(path),
            format,
            read_only: false,
            layered,
            meta: &nvram.meta,
        }));
    }
    units
}

/// The images of firmware in flash memory.
pub(crate) fn blockdevs(cx: &Context<'_>, out: &mut Args) {
    let os = &cx.domain.os;
    if let Some(firmware) = os.firmware
        && os.kernel.is_none()
        && !(os.loader.as_ref().is_some_and(|loader| loader.path.is_some()) && is_chosen(&cx.domain.os))
    {
        let message = format!("no firmware of type `{firmware}` on this host has what is asked for");
        let origin = cx.domain.meta.at("os/@firmware");
        let help = "install firmware with a description in `/usr/share/qemu/firmware`, or name a `<loader>`";
        out.problem(Diagnostic::error(Code::OperationFailed, origin, message).help(help));
        return;
    }
    for unit in units(cx) {
        let origin = unit.meta.origin;
        note(&unit, cx, out);
        let storage = Props::new("driver", "file", origin)
            .set("filename", unit.path.as_str())
            .set("node-name", format!("libvirt-{}-storage", unit.name));
        if !unit.layered {
            out.props("-blockdev", storage.set("read-only", unit.read_only));
            continue;
        }
        out.props("-blockdev", storage.set("auto-read-only", true).set("discard", "unmap"));
        let is_chain = unit.format == FirmwareFormat::Qcow2;
        let format = Props::new("node-name", unit.node(), origin)
            .set_at("read-only", unit.read_only, unit.meta.at("@readonly"))
            .set_at("driver", unit.format.as_str(), unit.meta.at("@format"))
            .set("file", format!("libvirt-{}-storage", unit.name))
            .set("backing", is_chain.then_some(Value::Null));
        out.props("-blockdev", format);
    }
    if let Some(image) = elsewhere(cx) {
        image.args(Backing::Nothing, cx, out);
    }
}

/// Variables that are not kept in a file, as an image like those of disks.
fn elsewhere<'a>(cx: &Context<'a>) -> Option<DiskImage<'a>> {
    let os = &cx.domain.os;
    let nvram =
        os.nvram.as_ref().filter(|_| os.loader.as_ref().is_some_and(|loader| loader.path.is_some()))?;
    let source = nvram.source.as_ref().filter(|source| !matches!(source.kind, SourceKind::File(_)))?;
    let format = match nvram.format {
        Some(FirmwareFormat::Qcow2) => Format::Qcow2,
        Some(FirmwareFormat::Raw) | None => Format::Raw,
    };
    Some(DiskImage {
        name: format!("libvirt-{VARIABLES}"),
        source,
        format,
        metadata_cache: None,
        auth: source.auth.as_deref(),
        encryption: source.encryption.as_deref(),
        data_file: None,
        readonly: false,
        driver: None,
        is_top: true,
        is_cdrom: false,
        is_floppy: false,
        meta: &nvram.meta,
    })
}

/// Notes the file of a flash memory; one with variables that is not there yet is made from its template.
fn note(unit: &Unit<'_>, cx: &Context<'_>, out: &mut Args) {
    let access = if unit.read_only { Access::Read } else { Access::Write };
    out.file(unit.path.as_str(), access, unit.meta.origin);
    let nvram = cx.domain.os.nvram.as_ref().filter(|_| unit.name == VARIABLES);
    let Some(nvram) = nvram else { return };
    let template_format = nvram.template_format.unwrap_or(FirmwareFormat::Raw);
    if nvram.template.is_some() && template_format != unit.format && !cx.is_libvirt() {
        let what = format!("variables in `{}` made from a template in `{template_format}`", unit.format);
        cx.not_yet(&what, unit.meta.at("@format"), out);
    }
    if let (Some(file), Some(template)) = (out.needs.files.last_mut(), &nvram.template) {
        file.template = Some(cx.config().path(template));
    }
}

/// Tells the machine of its flash memory.
pub(crate) fn pflash_options(props: Props, cx: &Context<'_>) -> Props {
    let props =
        units(cx).iter().fold(props, |props, unit| props.set_at(unit.name, unit.node(), unit.meta.origin));
    match elsewhere(cx) {
        Some(image) => props.set_at(VARIABLES, image.node(cx), image.meta.origin),
        None => props,
    }
}

/// `-bios`, or that only system management mode writes to flash memory.
pub(crate) fn bios(cx: &Context<'_>, out: &mut Args) {
    let Some(loader) = &cx.domain.os.loader else { return };
    match loader.kind {
        Some(LoaderType::Pflash) => {
            if loader.secure == Some(YesNo::Yes) {
                let props = Props::plain(loader.meta.at("@secure"))
                    .set("driver", "cfi.pflash01")
                    .set("property", "secure")
                    .set("value", true);
                out.props("-global", props);
            }
        }
        Some(LoaderType::Rom) | None => {
            if let Some(path) = &loader.path {
                // A bare name is looked for among QEMU's own firmware.
                if path.contains('/') {
                    out.file(cx.config().path(path), Access::Read, loader.meta.origin);
                }
                out.text("-bios", cx.config().path(path), loader.meta.origin);
            }
        }
    }
}
