//! What devices of a domain dispute with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::Problems;
use crate::device::console::ConsoleTargetType;
use crate::device::filesystem::FilesystemDriverType;
use crate::device::graphics::Graphics;
use crate::xml::Meta;
use crate::{Code, Device, Domain};

/// Names that users chose, each of which stands for one device.
pub(super) fn aliases(domain: &Domain, out: &mut Problems) {
    // The first console may be the first serial port under another name.
    let is_mirror = |kind: Option<ConsoleTargetType>| matches!(kind, None | Some(ConsoleTargetType::Serial));
    let mirrors = !domain.devices.serials.is_empty()
        && domain.devices.consoles.first().is_some_and(|console| is_mirror(console.spec.target_type));
    let mut names = BTreeSet::new();
    let mut consoles = 0;
    for (element, meta, info) in domain.devices.shared() {
        consoles += usize::from(element == "console");
        if mirrors && element == "console" && consoles == 1 {
            continue;
        }
        let Some(alias) = info.own_alias() else { continue };
        if !names.insert(alias) {
            let message = format!("the alias `{alias}` stands for another device already");
            out.add(Code::Unsupported, meta, "alias/@name", message);
        }
    }
}

/// Kinds of devices of which a guest has one at most.
pub(super) fn single(domain: &Domain, out: &mut Problems) {
    let devices = &domain.devices;
    fn second<T>(devices: &[Device<T>]) -> Option<&Meta> {
        devices.get(1).map(|device| &device.meta)
    }
    for (element, second, code) in [
        ("memballoon", second(&devices.memballoons), Code::Malformed),
        ("redirfilter", second(&devices.redirfilters), Code::Malformed),
        ("nvram", second(&devices.nvrams), Code::Malformed),
        ("iommu", second(&devices.iommus), Code::RepeatedElement),
        ("vsock", second(&devices.vsocks), Code::RepeatedElement),
        ("pstore", second(&devices.pstores), Code::RepeatedElement),
    ] {
        if let Some(second) = second {
            out.add(code, second, "", format!("a guest has one `<{element}>` at most"));
        }
    }
}

/// A place in the boot order is one device's, and either devices have an order or kinds of devices.
pub(super) fn boot_order(domain: &Domain, out: &mut Problems) {
    let mut taken = BTreeSet::new();
    for (_, meta, info) in domain.devices.shared() {
        let Some(boot) = &info.boot else { continue };
        if !taken.insert(boot.order) {
            let message = format!("another device has place {} in the boot order", boot.order);
            out.add(Code::Unsupported, meta, "boot/@order", message);
        }
        if taken.len() == 1 && !domain.os.boot.is_empty() {
            let message = "devices have no boot order of their own if `<os>` has a `<boot>`";
            out.add(Code::Unsupported, meta, "boot/@order", message);
        }
    }
}

/// Audio backends have numbers, by which other devices name them.
pub(super) fn audio(domain: &Domain, out: &mut Problems) {
    let mut ids = BTreeSet::new();
    for audio in &domain.devices.audios {
        let id = audio.spec.id;
        if !ids.insert(id) {
            out.add(Code::Conflict, &audio.meta, "@id", format!("there is an audio backend {id} already"));
        }
    }
    let sounds = domain.devices.sounds.iter().map(|sound| (&sound.meta, sound.spec.audio));
    let screens = domain.devices.graphics.iter().filter_map(|screen| match &screen.spec {
        Graphics::Vnc(vnc) => Some((&screen.meta, vnc.audio)),
        _ => None,
    });
    // A domain without backends gets one, with number 1.
    let exists = |id: &NonZeroU32| ids.contains(id) || ids.is_empty() && id.get() == 1;
    for (meta, id) in sounds.chain(screens) {
        if let Some(id) = id.filter(|id| !exists(id)) {
            let message = format!("the domain has no `<audio>` with the number {id}");
            out.add(Code::Conflict, meta, "audio/@id", message);
        }
    }
}

/// Disks are known by their names.
pub(super) fn disks(domain: &Domain, out: &mut Problems) {
    let mut names = BTreeSet::new();
    for disk in &domain.devices.disks {
        let name = disk.spec.target.dev.as_str();
        if !names.insert(name) {
            out.add(Code::Conflict, &disk.meta, "target/@dev", format!("another disk is `{name}` already"));
        }
    }
}

/// Guests mount what virtiofs shares by its tag.
pub(super) fn filesystems(domain: &Domain, out: &mut Problems) {
    let is_virtiofs = |kind| kind == Some(FilesystemDriverType::Virtiofs);
    let mut tags: BTreeMap<&str, bool> = BTreeMap::new();
    for filesystem in &domain.devices.filesystems {
        let Some(tag) = filesystem.spec.target.as_deref() else { continue };
        let is_one = is_virtiofs(filesystem.spec.driver.kind);
        if tags.get(tag).is_some_and(|was_one| *was_one || is_one) {
            let message = format!("another file system has the tag `{tag}`");
            out.add(Code::Unsupported, &filesystem.meta, "target/@dir", message);
        }
        *tags.entry(tag).or_default() |= is_one;
    }
}
