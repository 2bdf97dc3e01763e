//! Devices with little to say: balloons, random numbers, TPMs, watchdogs, shared folders.

use std::num::NonZeroU32;

use domain_model::Origin;
use domain_model::address::Place;
use domain_model::chardev::CharSource;
use domain_model::device::filesystem::{
    AccessMode, Filesystem, FilesystemDriverType, FilesystemSource, Mode, WritePolicy,
};
use domain_model::device::input::{Input, InputBus, InputKind, Passthrough};
use domain_model::device::iommu::{Iommu, IommuModel};
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::device::panic::{Panic, PanicModel};
use domain_model::device::rng::{Rate, Rng, RngBackend, RngBackendKind, RngModel};
use domain_model::device::tpm::{ExternalMode, ExternalTpm, Tpm, TpmBackend, TpmBackendKind};
use domain_model::device::vsock::Vsock;
use domain_model::device::watchdog::{Watchdog, WatchdogAction, WatchdogModel};
use domain_model::iothreads::Iothread;
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;

use super::disk::{virtio_model, virtio_options};
use super::{Build, Frontend, on_off, virtio};
use crate::import::pairs::Pairs;

/// The number of an iothread, by the id of its object.
pub(super) fn iothread(id: &str, build: &mut Build<'_, '_, '_>) -> Option<u32> {
    if let Some(number) = build.iothreads.get(id) {
        return Some(*number);
    }
    let (option, pairs) = build.backend("object", id)?;
    (pairs.take("qom-type") == Some("iothread")).then_some(())?;
    pairs.take("id");
    if !pairs.is_spent() {
        return None;
    }
    option.take();
    // libvirt calls them `iothread1` and so on.
    let own = id.strip_prefix("iothread").and_then(|number| number.parse::<u32>().ok());
    let used: Vec<u32> = build.iothreads.values().copied().collect();
    let number = own.filter(|number| *number > 0 && !used.contains(number));
    let number = number.or_else(|| (1..u32::MAX).find(|number| !used.contains(number)))?;
    build.iothreads.insert(id.to_owned(), number);
    let count = u32::try_from(build.iothreads.len()).ok();
    let domain = build.domain();
    domain.iothreads = count;
    domain.iothread_ids.push(Iothread { id: number, ..Iothread::default() });
    Some(number)
}

/// Options that stand for a device, and iothreads that no device asks for.
pub(super) fn shorthands(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["object"]) {
        if let (Some("iothread"), Some(id)) = (option.peek("qom-type"), option.peek("id")) {
            iothread(id, build);
        }
    }
    itco(build);
    for (_, option) in build.named(&["watchdog"]) {
        if let Ok(model) = WatchdogModel::parse(&option.value) {
            option.take();
            build.add(Watchdog { model, action: None }, option.origin, None);
        }
    }
    for (number, option) in build.named(&["virtfs"]) {
        let Some(pairs) = &option.pairs else { continue };
        let target = pairs.take("mount_tag").map(str::to_owned);
        pairs.take("id");
        if let Some(spec) = shared_folder(pairs).filter(|_| pairs.is_spent() && target.is_some()) {
            option.take();
            let place = build.slots.of(number).map(Place::Pci);
            build.add(Filesystem { target, ..spec }, option.origin, place);
        }
    }
}

/// The watchdog of Q35, which counts only if it is let.
fn itco(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["global"]) {
        if matches!(option.value.as_str(), "ICH9-LPC.noreboot=off" | "ICH9-LPC.noreboot=false") {
            option.take();
            build.add(Watchdog { model: WatchdogModel::Itco, action: None }, option.origin, None);
        }
    }
}

/// What is shared, by `-fsdev` or `-virtfs`.
fn shared_folder(pairs: &Pairs) -> Option<Filesystem> {
    (pairs.take("fsdriver")? == "local").then_some(())?;
    let dir = pairs.take("path").map(str::to_owned);
    let accessmode = match pairs.take("security_model")? {
        "passthrough" => AccessMode::Passthrough,
        "mapped" | "mapped-xattr" => AccessMode::Mapped,
        "none" => AccessMode::Squash,
        _ => return None,
    };
    let mode = |key| pairs.take(key).and_then(|text| Mode::parse(text).ok());
    let mut spec = Filesystem {
        source: FilesystemSource::Mount { dir, socket: None },
        accessmode: Some(accessmode),
        fmode: mode("fmode"),
        dmode: mode("dmode"),
        multidevs: pairs.word("multidevs"),
        readonly: pairs.switch("readonly") == Some(true),
        ..Filesystem::default()
    };
    spec.driver.wrpolicy = pairs.word::<WritePolicy>("writeout");
    Some(spec)
}

/// Devices with little to say.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let is = |name| virtio(driver, name);
    if let Some(model) = is("virtio-balloon") {
        return balloon(model, frontend, build);
    }
    if let Some(model) = is("virtio-rng") {
        return rng(model, frontend, build);
    }
    if is("virtio-9p").is_some() {
        let info = build.pci_info(frontend)?;
        let (option, options) = build.backend("fsdev", pairs.take("fsdev")?)?;
        options.take("id");
        let spec = shared_folder(options).filter(|_| options.is_spent())?;
        option.take();
        let target = Some(pairs.take("mount_tag")?.to_owned());
        return build.push(frontend, Filesystem { target, ..spec }, info);
    }
    // libvirt insists that the process behind it can see the memory.
    if is("vhost-user-fs").is_some() && super::memory::is_shared(build) {
        let info = build.pci_info(frontend)?;
        let chardev = build.chardev(pairs.take("chardev")?)?;
        let CharSource::Unix(unix) = chardev.source else { return None };
        let mut spec = Filesystem {
            source: FilesystemSource::Mount { dir: None, socket: Some(unix.path?) },
            target: Some(pairs.take("tag")?.to_owned()),
            ..Filesystem::default()
        };
        spec.driver.kind = Some(FilesystemDriverType::Virtiofs);
        spec.driver.queue = pairs.number("queue-size");
        return build.push(frontend, spec, info);
    }
    if is("vhost-vsock").is_some() {
        let info = build.pci_info(frontend)?;
        let address = pairs.small::<u32>("guest-cid").and_then(NonZeroU32::new)?;
        let auto = Some(YesNo::No);
        return build.push(frontend, Vsock { auto, address: Some(address), ..Vsock::default() }, info);
    }
    if is("virtio-iommu").is_some() {
        let info = build.pci_info(frontend)?;
        return build.push(frontend, Iommu { model: IommuModel::Virtio, ..Iommu::default() }, info);
    }
    if let Some(kind) = virtio_input(driver, pairs) {
        let info = build.pci_info(frontend)?;
        let spec = Input { kind, bus: Some(InputBus::Virtio), ..Input::default() };
        return build.push(frontend, spec, info);
    }
    match driver {
        "i6300esb" | "ib700" | "diag288" => {
            let model = WatchdogModel::parse(driver).ok()?;
            let info = if model == WatchdogModel::I6300esb {
                build.pci_info(frontend)?
            } else {
                build.info(frontend)
            };
            build.push(frontend, Watchdog { model, action: None }, info)
        }
        "tpm-tis" | "tpm-crb" | "tpm-spapr" | "tpm-tis-device" => tpm(driver, frontend, build),
        "pvpanic" | "pvpanic-pci" => {
            let is_pci = driver == "pvpanic-pci";
            let info = if is_pci { build.pci_info(frontend)? } else { build.info(frontend) };
            let model = Some(if is_pci { PanicModel::Pvpanic } else { PanicModel::Isa });
            build.push(frontend, Panic { model }, info)
        }
        "intel-iommu" => {
            let info = build.info(frontend);
            let switch = |key| pairs.switch(key).map(on_off);
            let spec = Iommu {
                model: IommuModel::Intel,
                intremap: switch("intremap"),
                caching_mode: switch("caching-mode"),
                eim: switch("eim"),
                iotlb: switch("device-iotlb"),
                aw_bits: pairs.small("aw-bits"),
                dma_translation: switch("dma-translation"),
            };
            build.push(frontend, spec, info)
        }
        "vmcoreinfo" => {
            pairs.take("id");
            pairs.is_spent().then_some(())?;
            super::machine::features_of(build).vmcoreinfo = Some(on_off(true));
            Some(())
        }
        "vmgenid" => {
            use domain_model::domain::Genid;
            pairs.take("id");
            let genid =
                Genid::parse(pairs.take("guid").filter(|guid| *guid != "auto").unwrap_or_default()).ok()?;
            pairs.is_spent().then_some(())?;
            build.domain().genid = Some(genid);
            Some(())
        }
        _ => None,
    }
}

fn balloon<'o>(model: VirtioModel, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let info = build.pci_info(frontend)?;
    if !build.domain().devices.memballoons.is_empty() {
        return None;
    }
    let spec = Memballoon {
        model: match virtio_model(model, pairs) {
            VirtioModel::VirtioTransitional => MemballoonModel::VirtioTransitional,
            VirtioModel::VirtioNonTransitional => MemballoonModel::VirtioNonTransitional,
            _ => MemballoonModel::Virtio,
        },
        autodeflate: pairs.switch("deflate-on-oom").map(on_off),
        free_page_reporting: pairs.switch("free-page-reporting").map(on_off),
        virtio: virtio_options(pairs),
        ..Memballoon::default()
    };
    build.push(frontend, spec, info)
}

fn rng<'o>(model: VirtioModel, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let info = build.pci_info(frontend)?;
    let kind = match pairs.take("rng") {
        // QEMU makes one of its own.
        None => RngBackendKind::Builtin,
        Some(id) => {
            let (option, object) = build.backend("object", id)?;
            object.take("id");
            let kind = match object.take("qom-type")? {
                "rng-random" => RngBackendKind::Random {
                    path: Some(object.take("filename").unwrap_or("/dev/urandom").to_owned()),
                },
                "rng-egd" => RngBackendKind::Egd(Box::new(build.chardev(object.take("chardev")?)?)),
                "rng-builtin" => RngBackendKind::Builtin,
                _ => return None,
            };
            object.is_spent().then_some(())?;
            option.take();
            kind
        }
    };
    let rate = pairs.small::<u32>("max-bytes").filter(|bytes| *bytes > 0);
    let rate = rate.map(|bytes| Rate { bytes, period: pairs.small("period"), ..Rate::default() });
    let spec = Rng {
        model: match virtio_model(model, pairs) {
            VirtioModel::VirtioTransitional => RngModel::VirtioTransitional,
            VirtioModel::VirtioNonTransitional => RngModel::VirtioNonTransitional,
            _ => RngModel::Virtio,
        },
        rate,
        backend: RngBackend { kind, ..RngBackend::default() },
        virtio: virtio_options(pairs),
    };
    build.push(frontend, spec, info)
}

fn virtio_input(driver: &str, pairs: &Pairs) -> Option<InputKind> {
    let is = |name| virtio(driver, name) == Some(VirtioModel::Virtio);
    if is("virtio-keyboard") {
        return Some(InputKind::Keyboard);
    }
    if is("virtio-mouse") {
        return Some(InputKind::Mouse);
    }
    if is("virtio-tablet") {
        return Some(InputKind::Tablet);
    }
    if is("virtio-input-host") {
        let evdev = pairs.take("evdev")?.to_owned();
        return Some(InputKind::Passthrough(Some(Passthrough { evdev, ..Passthrough::default() })));
    }
    None
}

fn tpm<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let (option, backend) = build.backend("tpmdev", pairs.take("tpmdev")?)?;
    backend.take("id");
    let kind = match backend.take("type")? {
        "passthrough" => {
            let device = backend.take("path").map(str::to_owned);
            backend.take("cancel-path");
            TpmBackendKind::Passthrough { device }
        }
        "emulator" => {
            let chardev = build.chardev(backend.take("chardev")?)?;
            let CharSource::Unix(unix) = chardev.source else { return None };
            let source = ExternalTpm {
                mode: Some(ExternalMode::Connect),
                path: Some(unix.path?),
                ..ExternalTpm::default()
            };
            TpmBackendKind::External { source }
        }
        _ => return None,
    };
    backend.is_spent().then_some(())?;
    option.take();
    let model = Text::parse(driver.trim_end_matches("-device")).ok();
    let info = build.info(frontend);
    let backend = TpmBackend { kind, ..TpmBackend::default() };
    build.push(frontend, Tpm { model, backend }, info)
}

/// Says what there is none of, which libvirt would add, and what all watchdogs do.
pub(super) fn none(build: &mut Build<'_, '_, '_>) {
    if build.domain().devices.memballoons.is_empty() {
        let origin = Origin::always("QEMU has no memory balloon unless it is told to");
        let spec = Memballoon { model: MemballoonModel::None, ..Memballoon::default() };
        build.add(spec, origin, None);
    }
    if build.domain().devices.watchdogs.is_empty() {
        return;
    }
    let mut action = None;
    for (_, option) in build.named(&["watchdog-action", "action"]) {
        let word = match option.name.as_str() {
            "action" => option.value.split(',').find_map(|part| part.strip_prefix("watchdog=")),
            _ => Some(option.value.as_str()),
        };
        let is_only = option.name == "watchdog-action" || !option.value.contains(',');
        if let Some(known) = word.and_then(|word| WatchdogAction::parse(word).ok()).filter(|_| is_only) {
            option.take();
            action = Some(known);
        }
    }
    for watchdog in &mut build.domain().devices.watchdogs {
        watchdog.spec.action = action;
    }
}
