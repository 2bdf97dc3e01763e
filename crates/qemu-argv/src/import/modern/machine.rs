//! `-machine`, `-accel` and what else says which machine it is.

use domain_model::DomainType;
use domain_model::Origin;
use domain_model::features::{DirtyRing, Features, Gic, IoapicDriver, Kvm, Smm, Tcg};
use domain_model::memory::MemoryBacking;
use domain_model::os::Arch;
use domain_model::values::{Kib, Uuid};
use domain_model::xml::Text;
use domain_model::xml::text::OnOff;

use super::{Build, on_off};
use crate::import::{emulator, pairs};
use crate::props::Props;
use crate::spell::{self, Spelling};

/// Reads the machine, its accelerator and its features.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    emulator::read(build.cx, Arch::X86_64);
    let cx = &mut *build.cx;
    // A name without a folder is looked for in `PATH`, which the domain leaves to whoever starts it.
    cx.domain.devices.emulator.take_if(|path| !path.contains('/'));
    for (_, option) in build.named(&["machine", "M"]) {
        if let Some(name) = option.pairs.as_ref().and_then(|pairs| pairs.take("type")) {
            build.domain().os.machine = Some(name.to_owned());
        }
        option.take();
    }
    let is_x86 = matches!(build.domain().os.arch, Some(Arch::X86_64 | Arch::I686));
    if is_x86 {
        build.domain().os.machine.get_or_insert_with(|| "pc".to_owned());
    }
    accelerator(build);
    features(build, is_x86);
    if let Some((_, option)) = build.named(&["uuid"]).last() {
        match Uuid::parse(&option.value) {
            Ok(uuid) => build.domain().uuid = Some(uuid),
            Err(error) => build.cx.refuse(option.origin, format!("`{}` is no UUID: {error}", option.value)),
        }
        option.take();
    }
    if let Some(pairs) = build.last(&["name"]).and_then(|option| option.pairs.as_ref()) {
        build.domain().name = pairs.take("guest").filter(|name| !name.is_empty()).map(str::to_owned);
        // What the threads are called tells debuggers which is which; libvirt always names them.
        pairs.take("debug-threads");
        let left: Vec<(String, String)> = left(pairs);
        let option = build.last(&["name"]);
        option.into_iter().for_each(crate::import::option::Opt::take);
        pass_left(build, "-name", &left, option.map_or(Origin::Built, |option| option.origin));
    }
}

fn accelerator(build: &mut Build<'_, '_, '_>) {
    let of_machine = build
        .named(&["machine", "M"])
        .filter_map(|(_, option)| Some((option.pairs.as_ref()?.take("accel")?.to_owned(), option.origin)));
    let mut wanted: Vec<(String, Origin)> = of_machine
        .flat_map(|(list, at)| list.split(':').map(|word| (word.to_owned(), at)).collect::<Vec<_>>())
        .collect();
    for (_, option) in build.named(&["accel"]) {
        if let Some(name) = option.pairs.as_ref().and_then(|pairs| pairs.take("accel")) {
            wanted.push((name.to_owned(), option.origin));
        }
        option.take();
    }
    wanted.extend(build.flag(&["enable-kvm"]).map(|at| ("kvm".to_owned(), at)));
    if let Some(at) = build.flag(&["no-kvm"]) {
        wanted = vec![("tcg".to_owned(), at)];
    }
    let Some((name, at)) = wanted.first().cloned() else { return };
    match name.as_str() {
        "kvm" => build.domain().kind = DomainType::Kvm,
        "tcg" => build.domain().kind = DomainType::Qemu,
        "hvf" => build.domain().kind = DomainType::Hvf,
        other => build.cx.pass("-accel", other, at),
    }
    for (other, at) in wanted.iter().skip(1).filter(|(other, _)| *other != name) {
        let message = format!("a domain has one accelerator: `{name}` is it, and `{other}` is left out");
        build.cx.left_out(*at, message);
    }
    let is_kvm = build.domain().kind == DomainType::Kvm;
    for (_, option) in build.named(&["accel"]) {
        let Some(pairs) = &option.pairs else { continue };
        if let Some(size) = pairs.small::<u32>("dirty-ring-size").filter(|_| is_kvm) {
            let ring = DirtyRing { state: OnOff::On, size: Some(size), ..DirtyRing::default() };
            kvm(build).dirty_ring = Some(ring);
        }
        if let Some(size) = pairs.number("tb-size").filter(|_| !is_kvm) {
            features_of(build).tcg =
                Some(Tcg { tb_cache: Some(Kib(size.saturating_mul(1024))), ..Tcg::default() });
        }
        if let Some(word) = pairs.take("kernel-irqchip") {
            irqchip(build, word);
        }
        for pair in pairs.left() {
            let message =
                format!("`{}` of the accelerator has no place in the domain; it is left out", pair.key);
            build.cx.left_out(option.origin, message);
        }
    }
}

/// The domain's features, made if there are none.
pub(super) fn features_of<'b>(build: &'b mut Build<'_, '_, '_>) -> &'b mut Features {
    build.domain().features.get_or_insert_default()
}

/// What KVM tells the guest, made if there is nothing.
pub(super) fn kvm<'b>(build: &'b mut Build<'_, '_, '_>) -> &'b mut Kvm {
    features_of(build).kvm.get_or_insert_default()
}

fn irqchip(build: &mut Build<'_, '_, '_>, word: &str) {
    features_of(build).ioapic = match word {
        "split" | "off" => Some(IoapicDriver::Qemu),
        _ => Some(IoapicDriver::Kvm),
    };
}

fn features(build: &mut Build<'_, '_, '_>, is_x86: bool) {
    let is_virt = build.domain().os.machine.as_deref().is_some_and(|name| name.starts_with("virt"));
    let mut acpi = is_x86 || is_virt;
    if build.flag(&["no-acpi"]).is_some() {
        acpi = false;
    }
    for (_, option) in build.named(&["machine", "M"]) {
        let Some(pairs) = &option.pairs else { continue };
        if let Some(on) = pairs.switch("acpi") {
            acpi = on;
        }
        if let Some(on) = pairs.switch("vmport") {
            features_of(build).vmport = Some(on_off(on));
        }
        if let Some(on) = pairs.switch("smm") {
            features_of(build).smm = Some(Smm { state: on_off(on), ..Smm::default() });
        }
        if let Some(on) = pairs.switch("dump-guest-core") {
            build.domain().memory.get_or_insert_default().dump_core = Some(on_off(on));
        }
        if pairs.switch("mem-merge") == Some(false) {
            let backing: &mut MemoryBacking = build.domain().memory_backing.get_or_insert_default();
            backing.nosharepages = true;
        }
        if let Some(word) = pairs.take_any(&["kernel-irqchip", "kernel_irqchip"]) {
            irqchip(build, word);
        }
        if is_virt && let Some(version) = pairs.word("gic-version") {
            features_of(build).gic = Some(Gic { version: Some(version), ..Gic::default() });
        }
        if is_x86 && let Some(on) = pairs.switch("i8042") {
            features_of(build).ps2 = Some(on_off(on));
        }
        if let Some(on) = pairs.switch("ras").filter(|_| is_virt) {
            features_of(build).ras = Some(on_off(on));
        }
    }
    if acpi {
        features_of(build).acpi = true;
    }
}

/// What is left of `-machine` when everybody has read it.
pub(super) fn rest(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["machine", "M"]) {
        let Some(pairs) = &option.pairs else { continue };
        let left = left(pairs);
        pass_left(build, "-machine", &left, option.origin);
    }
}

/// What nobody has read.
pub(super) fn left(pairs: &pairs::Pairs) -> Vec<(String, String)> {
    pairs.left().map(|pair| (pair.key.clone(), pair.value.clone())).collect()
}

/// Passes on what nobody has read, for options that QEMU joins if they are given twice.
pub(super) fn pass_left(
    build: &mut Build<'_, '_, '_>,
    flag: &str,
    left: &[(String, String)],
    origin: Origin,
) {
    if left.is_empty() {
        return;
    }
    let mut left = left.iter().peekable();
    let implied = match flag {
        "-netdev" => "type",
        _ => "driver",
    };
    let props = match left.next_if(|(key, _)| key == implied) {
        Some((_, value)) => Props::new(implied, value.as_str(), origin),
        None => Props::plain(origin),
    };
    let props = left.fold(props, |props, (key, value)| props.set(key.clone(), value.as_str()));
    let text = spell::spell(&props, Spelling::KeyValue, &mut |_| String::new());
    build.cx.pass(flag, &text, origin);
}
