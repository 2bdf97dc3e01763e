//! Command lines of today's QEMU.

mod boot;
mod cpu;
mod disk;
mod display;
mod hostdev;
mod image;
mod leftover;
mod machine;
mod memory;
mod network;
mod pci;
mod port;
mod process;
mod small;
mod sound;
mod time;
mod usb;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use domain_model::address::{Address, Ccw, Place};
use domain_model::chardev::{CharSource, Chardev};
use domain_model::device::graphics::Graphics;
use domain_model::device::{Boot, Listed, Rom};
use domain_model::os::Arch;
use domain_model::xml::text::{Hex, OnOff, YesNo};
use domain_model::{Device, DeviceInfo, Domain, Origin};

use super::option::Opt;
use super::pairs::Pairs;
use super::{Importing, chardev};
use pci::Slots;

/// Reads the options into the domain.
///
/// Whether something has a place in the domain can hang on something else: a disk on its controller, a controller
/// on every device below it. So what turns out to have none is remembered, and the reading starts again without it,
/// until nothing more turns up.
pub(super) fn read(cx: &mut Importing<'_>) {
    let options = std::mem::take(&mut cx.options);
    let before = (cx.domain.clone(), cx.problems.clone());
    let mut kept = BTreeSet::new();
    loop {
        leftover::close(&options, &mut kept);
        options.iter().for_each(Opt::reset);
        let mut build = Build::new(&options, kept.clone(), cx);
        build.all();
        let (found, slots) = (build.kept, build.slots);
        if found.len() == kept.len() {
            leftover::keep(&options, &kept, &slots, cx);
            break;
        }
        kept = found;
        (cx.domain, cx.problems) = before.clone();
    }
    cx.options = options;
}

/// The domain while it is built.
struct Build<'o, 'c, 'f> {
    options: &'o [Opt],
    /// Options that go to QEMU as they are, by their number.
    kept: BTreeSet<usize>,
    cx: &'c mut Importing<'f>,
    slots: Slots,
    /// Controllers by their id: their type, and their index among those of the type.
    buses: BTreeMap<String, (&'static str, u32)>,
    /// What to add to QEMU's numbers of boot devices: they may start at 0, those of a domain start at 1.
    boot_shift: u32,
    /// Iothreads by the id of their object.
    iothreads: BTreeMap<String, u32>,
    /// The domain's audio backends, by their id.
    audios: BTreeMap<String, NonZeroU32>,
}

/// A `-device`, or what is as good as one.
#[derive(Clone, Copy)]
struct Frontend<'o> {
    /// Its number among the options.
    number: usize,
    option: &'o Opt,
    pairs: &'o Pairs,
}

impl Frontend<'_> {
    fn origin(&self) -> Origin {
        self.option.origin
    }
}

impl<'o, 'c, 'f> Build<'o, 'c, 'f> {
    fn new(options: &'o [Opt], kept: BTreeSet<usize>, cx: &'c mut Importing<'f>) -> Self {
        let counts_from_0 = options.iter().any(|option| option.peek("bootindex") == Some("0"));
        Build {
            boot_shift: u32::from(counts_from_0),
            options,
            kept,
            cx,
            slots: Slots::default(),
            buses: BTreeMap::new(),
            iothreads: BTreeMap::new(),
            audios: BTreeMap::new(),
        }
    }

    fn all(&mut self) {
        machine::read(self);
        self.slots = pci::slots(self);
        memory::read(self);
        cpu::read(self);
        boot::read(self);
        time::read(self);
        process::read(self);
        pci::controllers(self);
        usb::controllers(self);
        disk::drives(self);
        network::cards(self);
        sound::read(self);
        display::screens(self);
        port::shorthands(self);
        small::shorthands(self);
        usb::shorthands(self);
        self.devices();
        display::defaults(self);
        port::defaults(self);
        disk::defaults(self);
        boot::order(self);
        usb::none(self);
        small::none(self);
        machine::rest(self);
    }

    /// Every `-device`, in order.
    fn devices(&mut self) {
        for number in 0..self.options.len() {
            let Some(frontend) = self.frontend(number) else { continue };
            if frontend.option.is_taken() {
                continue;
            }
            let driver = frontend.pairs.take("driver").unwrap_or_default();
            let done = disk::device(driver, frontend, self)
                .or_else(|| network::device(driver, frontend, self))
                .or_else(|| port::device(driver, frontend, self))
                .or_else(|| display::device(driver, frontend, self))
                .or_else(|| sound::device(driver, frontend, self))
                .or_else(|| usb::device(driver, frontend, self))
                .or_else(|| hostdev::device(driver, frontend, self))
                .or_else(|| memory::device(driver, frontend, self))
                .or_else(|| small::device(driver, frontend, self));
            match done {
                Some(()) => frontend.option.take(),
                None => {
                    self.kept.insert(number);
                }
            }
        }
    }

    fn domain(&mut self) -> &mut Domain {
        &mut self.cx.domain
    }

    /// The `-device` of this number, unless it goes to QEMU as it is.
    fn frontend(&self, number: usize) -> Option<Frontend<'o>> {
        let option = self.options.get(number).filter(|option| option.is(&["device"]))?;
        if self.kept.contains(&number) {
            return None;
        }
        Some(Frontend { number, option, pairs: option.pairs.as_ref()? })
    }

    /// Every option of these names that does not go to QEMU as it is, with its number.
    fn named(&self, names: &'static [&'static str]) -> impl Iterator<Item = (usize, &'o Opt)> + use<'o> {
        let kept = self.kept.clone();
        let options = self.options.iter().enumerate();
        options.filter(move |(number, option)| option.is(names) && !kept.contains(number))
    }

    /// The last option of these names.
    fn last(&self, names: &'static [&'static str]) -> Option<&'o Opt> {
        self.named(names).map(|(_, option)| option).last()
    }

    /// Whether a flag is there; it counts as read.
    fn flag(&self, names: &'static [&'static str]) -> Option<Origin> {
        let mut found = None;
        for (_, option) in self.named(names) {
            option.take();
            found = Some(option.origin);
        }
        found
    }

    /// The backend of this kind and id.
    fn backend(&self, kind: &str, id: &str) -> Option<(&'o Opt, &'o Pairs)> {
        let key = if kind == "blockdev" { "node-name" } else { "id" };
        let option = self.options.iter().find(|option| option.is(&[kind]) && option.peek(key) == Some(id))?;
        Some((option, option.pairs.as_ref()?))
    }

    /// The character device of this id, which counts as read.
    fn chardev(&self, id: &str) -> Option<Chardev> {
        let (option, pairs) = self.backend("chardev", id)?;
        // A multiplexed device belongs to several.
        if pairs.peek("mux").is_some() {
            return None;
        }
        let chardev = chardev::backend(pairs)?;
        let needs_spice = matches!(chardev.source, CharSource::Spicevmc | CharSource::Spiceport { .. });
        let has_spice = || {
            let graphics = &self.cx.domain.devices.graphics;
            graphics.iter().any(|graphics| matches!(graphics.spec, Graphics::Spice(_)))
        };
        if needs_spice && !has_spice() {
            return None;
        }
        let is_all = pairs.is_spent();
        is_all.then(|| option.take());
        is_all.then_some(chardev)
    }

    /// What all devices share, on no bus of interest.
    fn info(&mut self, frontend: Frontend<'o>) -> DeviceInfo {
        let pairs = frontend.pairs;
        pairs.take("id");
        let boot = pairs
            .small::<u32>("bootindex")
            .map(|index| Box::new(Boot { order: index.saturating_add(self.boot_shift), ..Boot::default() }));
        let bar = pairs.word("rombar").or_else(|| pairs.number("rombar").map(|on| on_off(on != 0)));
        let mut rom = Rom { bar, ..Rom::default() };
        match pairs.take("romfile") {
            Some("") => rom.enabled = Some(YesNo::No),
            file => rom.file = file.map(str::to_owned),
        }
        let rom = (rom != Rom::default()).then(|| Box::new(rom));
        DeviceInfo { boot, rom, acpi_index: pairs.small("acpi-index"), ..DeviceInfo::default() }
    }

    /// What all devices share, and the place on a PCI bus; `None` if the bus is not one of the domain's.
    fn pci_info(&mut self, frontend: Frontend<'o>) -> Option<DeviceInfo> {
        let pairs = frontend.pairs;
        let driver = pairs.peek("driver").unwrap_or_default();
        if let Some(name) = driver.strip_suffix("-device").filter(|name| name.starts_with("virtio-")) {
            // A slot of the machine for virtio devices; which one is up to QEMU.
            return (!name.is_empty() && pairs.peek("bus").is_none())
                .then(|| self.placed(frontend, Place::VirtioMmio));
        }
        if matches!(self.domain().os.arch, Some(Arch::S390x)) && !driver.ends_with("-pci") {
            let Some(devno) = pairs.take("devno") else { return Some(self.info(frontend)) };
            let place = Place::Ccw(ccw(devno)?);
            return Some(self.placed(frontend, place));
        }
        let pci = self.slots.of(frontend.number)?;
        pairs.take_any(&["bus", "addr", "multifunction"]);
        Some(self.placed(frontend, Place::Pci(pci)))
    }

    /// What all devices share, at a place.
    fn placed(&mut self, frontend: Frontend<'o>, place: Place) -> DeviceInfo {
        let info = self.info(frontend);
        DeviceInfo { address: Some(Address::implied(place, frontend.origin())), ..info }
    }

    /// Adds a device; what is left of its properties goes to QEMU as a change to this device.
    fn push<T: Listed>(&mut self, frontend: Frontend<'o>, spec: T, mut info: DeviceInfo) -> Option<()> {
        leftover::properties(self, frontend, &mut info);
        let meta = domain_model::xml::Meta::from_origin(frontend.origin());
        T::of_mut(&mut self.cx.domain.devices).push(Device { spec, info, meta });
        Some(())
    }

    /// Adds a device that no `-device` stands for.
    fn add<T: Listed>(&mut self, spec: T, origin: Origin, place: Option<Place>) {
        let mut device = Device::implied(spec, origin);
        device.info.address = place.map(|place| Address::implied(place, origin));
        T::of_mut(&mut self.cx.domain.devices).push(device);
    }
}

/// `CSSID.SSID.DEVNO`, in hexadecimal.
fn ccw(text: &str) -> Option<Ccw> {
    let mut parts = text.split('.').map(|part| u64::from_str_radix(part, 16).ok());
    let mut next = || parts.next().flatten();
    Some(Ccw { cssid: Some(Hex(next()?)), ssid: Some(Hex(next()?)), devno: Some(Hex(next()?)) })
}

fn on_off(on: bool) -> OnOff {
    if on { OnOff::On } else { OnOff::Off }
}

/// The driver without the suffix of its bus: `virtio-net` for `virtio-net-pci`; `None` if it has another name.
///
/// The variants of virtio devices, and whether they are on PCI, are told apart by [`virtio`].
fn virtio(driver: &str, name: &str) -> Option<domain_model::virtio::VirtioModel> {
    use domain_model::virtio::VirtioModel;
    match driver.strip_prefix(name)? {
        "" | "-pci" | "-device" | "-ccw" => Some(VirtioModel::Virtio),
        "-pci-transitional" => Some(VirtioModel::VirtioTransitional),
        "-pci-non-transitional" => Some(VirtioModel::VirtioNonTransitional),
        _ => None,
    }
}
