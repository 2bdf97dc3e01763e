//! Command lines of QEMU 0.9 to 0.13, as read in 2011.

mod disk;
mod host;
pub(super) use host::pci_address;
mod network;

use domain_model::chardev::Chardev;
use domain_model::clock::{Clock, ClockOffset};
use domain_model::cpu::{Cpu, CpuFeature, CpuMatch, CpuModel, FeaturePolicy, Topology};
use domain_model::device::disk::{Disk, DiskBus, DiskDevice};
use domain_model::device::graphics::{Graphics, Sdl, Vnc};
use domain_model::device::input::{Input, InputBus, InputKind};
use domain_model::device::parallel::Parallel;
use domain_model::device::serial::Serial;
use domain_model::device::sound::{Sound, SoundModel};
use domain_model::device::video::{Video, VideoModel, VideoType};
use domain_model::device::watchdog::{Watchdog, WatchdogAction};
use domain_model::features::Features;
use domain_model::memory::{Memory, Vcpu};
use domain_model::os::{Arch, BootDevice, BootDeviceKind, Loader};
use domain_model::pm::LifecycleAction;
use domain_model::values::{Kib, Uuid};
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;
use domain_model::{DomainType, Origin};

use super::emulator;
use super::option::Opt;
use super::{Importing, chardev, implied, pairs};

/// Options that say how QEMU is run, and nothing about the guest.
const IGNORED: &[&str] =
    &["S", "nodefaults", "nodefconfig", "usb", "domid", "pidfile", "incoming", "monitor", "daemonize"];
/// Variables that libvirt sets, or that are no business of QEMU's.
const USUAL_ENV: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LC_ALL",
    "LANG",
    "TMPDIR",
    "DISPLAY",
    "XAUTHORITY",
    "QEMU_AUDIO_DRV",
    "SDL_AUDIODRIVER",
    "SASL_CONF_DIR",
    "CEPH_ARGS",
];

/// What is known only when every option has been seen.
#[derive(Default)]
struct Seen {
    no_graphics: bool,
    sdl: bool,
    full_screen: bool,
    video: Option<VideoType>,
    virtio_disks: u32,
}

/// Reads the options into the domain.
pub(super) fn read(cx: &mut Importing<'_>) {
    let options = std::mem::take(&mut cx.options);
    defaults(cx);
    let mut seen = Seen::default();
    for option in &options {
        one(option, &options, &mut seen, cx);
    }
    finish(&seen, cx);
    cx.options = options;
    for (name, value) in std::mem::take(&mut cx.env) {
        if !USUAL_ENV.contains(&name.as_str()) {
            cx.variable(name, &value);
        }
    }
}

fn defaults(cx: &mut Importing<'_>) {
    emulator::read(cx, Arch::I686);
    let domain = &mut cx.domain;
    let pae = domain.kind == DomainType::Kvm;
    domain.features = Some(Features { acpi: true, pae, ..Features::default() });
    set_memory(Kib(64 << 10), cx);
    let domain = &mut cx.domain;
    domain.vcpu = Some(Vcpu { count: Some(1), ..Vcpu::default() });
    domain.clock = Some(Clock::default());
    domain.on_poweroff = Some(LifecycleAction::Destroy);
    domain.on_reboot = Some(LifecycleAction::Restart);
    domain.on_crash = Some(LifecycleAction::Destroy);
}

fn set_memory(size: Kib, cx: &mut Importing<'_>) {
    cx.domain.memory = Some(Memory { size: Some(size), ..Memory::default() });
    cx.domain.current_memory = Some(size);
}

fn one(option: &Opt, all: &[Opt], seen: &mut Seen, cx: &mut Importing<'_>) {
    option.take();
    let value = option.value.as_str();
    let at = option.origin;
    match option.name.as_str() {
        name if IGNORED.contains(&name) => {}
        "vnc" => match vnc(value) {
            Some(vnc) => cx.domain.devices.graphics.push(implied(Graphics::Vnc(Box::new(vnc)), at)),
            None => cx.refuse(at, format!("`{value}` is no VNC display: the port is missing, as in `:1`")),
        },
        "sdl" => seen.sdl = true,
        "m" => match pairs::size(value, 1 << 20) {
            Some(bytes) => set_memory(Kib(bytes >> 10), cx),
            None => cx.refuse(at, format!("`{value}` is no size of memory")),
        },
        "smp" => smp(option, cx),
        "uuid" => match Uuid::parse(value) {
            Ok(uuid) => cx.domain.uuid = Some(uuid),
            Err(error) => cx.refuse(at, format!("`{value}` is no UUID: {error}")),
        },
        "hda" | "hdb" | "hdc" | "hdd" | "fda" | "fdb" | "cdrom" => disk::short(option, cx),
        "drive" => {
            if let Some(disk) = disk::drive(option, seen.virtio_disks, cx) {
                seen.virtio_disks += u32::from(disk.target.bus == Some(DiskBus::Virtio));
                cx.domain.devices.disks.push(implied(disk, at));
            }
        }
        "no-acpi" => {
            if let Some(features) = &mut cx.domain.features {
                features.acpi = false;
            }
        }
        "no-reboot" => cx.domain.on_reboot = Some(LifecycleAction::Destroy),
        "no-kvm" => cx.domain.kind = DomainType::Qemu,
        "enable-kvm" => cx.domain.kind = DomainType::Kvm,
        "enable-kqemu" | "kernel-kqemu" => cx.domain.kind = DomainType::Kqemu,
        "no-kqemu" => {}
        "nographic" => seen.no_graphics = true,
        "full-screen" => seen.full_screen = true,
        "localtime" => {
            let offset = ClockOffset::Localtime { adjustment: None };
            cx.domain.clock.get_or_insert_default().offset = offset;
        }
        "kernel" => cx.domain.os.kernel = Some(value.to_owned()),
        "initrd" => cx.domain.os.initrd = Some(value.to_owned()),
        "append" => cx.domain.os.cmdline = Some(value.to_owned()),
        "bootloader" => cx.domain.bootloader = Some(value.to_owned()),
        "bios" => cx.domain.os.loader = Some(Loader { path: Some(value.to_owned()), ..Loader::default() }),
        "boot" => boot(value, cx),
        "name" => {
            let name = value.split_once(",process=").map_or(value, |(name, _)| name);
            cx.domain.name = (!name.is_empty()).then(|| name.to_owned());
        }
        "M" | "machine" => machine_type(value, cx),
        "serial" | "parallel" if value == "none" => {}
        "serial" => {
            if let Some(source) = port(option, cx) {
                let port = u32::try_from(cx.domain.devices.serials.len()).ok();
                let chardev = Chardev { source, log: None };
                cx.domain.devices.serials.push(implied(Serial { chardev, port, ..Serial::default() }, at));
            }
        }
        "parallel" => {
            if let Some(source) = port(option, cx) {
                let port = u32::try_from(cx.domain.devices.parallels.len()).ok();
                let chardev = Chardev { source, log: None };
                cx.domain.devices.parallels.push(implied(Parallel { chardev, port }, at));
            }
        }
        "usbdevice" => usb_device(option, cx),
        "net" => network::net(option, all, cx),
        "pcidevice" => host::pci(option, cx),
        "soundhw" => {
            for name in value.split(',') {
                let model = match name {
                    // QEMU's name for the controller; libvirt's is that of the chip.
                    "hda" => Some(SoundModel::Ich6),
                    name => SoundModel::parse(name).ok(),
                };
                match model {
                    Some(model) => {
                        cx.domain.devices.sounds.push(implied(Sound { model, ..Sound::default() }, at))
                    }
                    None => cx.left_out(at, format!("there is no sound card `{name}` in a domain")),
                }
            }
        }
        "watchdog" => match Text::parse(value) {
            Ok(model) => {
                let spec = Watchdog { model, action: Some(WatchdogAction::Reset) };
                cx.domain.devices.watchdogs = vec![implied(spec, at)];
            }
            Err(_) => cx.left_out(at, format!("there is no watchdog `{value}` in a domain")),
        },
        "watchdog-action" => {
            let action = WatchdogAction::parse(value).ok();
            match (cx.domain.devices.watchdogs.first_mut(), action) {
                (Some(watchdog), Some(action)) => watchdog.spec.action = Some(action),
                _ => cx.keep(option),
            }
        }
        "vmwarevga" => seen.video = Some(VideoType::Vmvga),
        "std-vga" => seen.video = Some(VideoType::Vga),
        "vga" if value == "none" => {}
        "vga" => match super::video_type(value) {
            Some(kind) => seen.video = Some(kind),
            None => cx.refuse(at, format!("there is no video card `{value}`")),
        },
        "cpu" => cpu(option, cx),
        _ => cx.keep(option),
    }
}

fn finish(seen: &Seen, cx: &mut Importing<'_>) {
    disk::ceph_hosts(cx);
    cx.domain.features.take_if(|features| *features == Features::default());
    let has_graphics = !cx.domain.devices.graphics.is_empty();
    if !seen.no_graphics && (!has_graphics || seen.sdl) {
        let variable = |name: &str| {
            let found = cx.env.iter().find(|(own, _)| own == name);
            found.map(|(_, word)| word.text.clone())
        };
        let sdl = Sdl {
            display: variable("DISPLAY"),
            xauth: variable("XAUTHORITY"),
            fullscreen: seen.full_screen.then_some(YesNo::Yes),
            ..Sdl::default()
        };
        let origin = Origin::always("QEMU opens a window unless it is told otherwise");
        cx.domain.devices.graphics.push(implied(Graphics::Sdl(sdl), origin));
    }
    if let Some(graphics) = cx.domain.devices.graphics.first() {
        let origin = graphics.meta.origin;
        let kind = Some(seen.video.unwrap_or(VideoType::Cirrus));
        let model = Some(VideoModel { kind, ..VideoModel::default() });
        cx.domain.devices.videos.push(implied(Video { model, ..Video::default() }, origin));
        let mouse = Input { kind: InputKind::Mouse, bus: Some(InputBus::Ps2), ..Input::default() };
        cx.domain.devices.inputs.push(implied(mouse, origin));
    }
    if cx.domain.os.machine.is_none() && matches!(cx.domain.os.arch, Some(Arch::I686 | Arch::X86_64)) {
        cx.domain.os.machine = Some("pc".to_owned());
    }
}

/// `ADDRESS:DISPLAY` or `unix:PATH`; what follows a comma was libvirt's configuration, not the domain's.
fn vnc(value: &str) -> Option<Vnc> {
    if let Some(path) = value.strip_prefix("unix:") {
        return Some(Vnc { socket: Some(path.to_owned()), ..Vnc::default() });
    }
    let display = value.split_once(',').map_or(value, |(display, _)| display);
    let (listen, number) = match display.strip_prefix('[') {
        Some(display) => display.split_once("]:")?,
        None => display.split_once(':')?,
    };
    let port = number.parse::<i32>().ok()?.checked_add(5900)?;
    let listen = (!listen.is_empty()).then(|| listen.to_owned());
    Some(Vnc { port: Some(port), autoport: Some(YesNo::No), listen, ..Vnc::default() })
}

fn smp(option: &Opt, cx: &mut Importing<'_>) {
    let Some(options) = &option.pairs else { return };
    let number = |key| options.small::<u32>(key).filter(|number| *number > 0);
    let (cpus, most) = (number("cpus"), number("maxcpus"));
    let shape = (number("sockets"), number("cores"), number("threads"));
    if !options.is_spent() {
        return cx.refuse(option.origin, format!("`{}` is no number of CPUs", option.value));
    }
    let topology = match shape {
        (Some(sockets), Some(cores), Some(threads)) => {
            Some(Topology { sockets, cores, threads, ..Topology::default() })
        }
        (None, None, None) => None,
        _ => {
            let message = "a topology needs `sockets`, `cores` and `threads`";
            return cx.refuse(option.origin, message.to_owned());
        }
    };
    let shaped = topology.as_ref().and_then(|topology| u32::try_from(topology.cpus()).ok());
    let Some(count) = most.or(cpus).or(shaped) else {
        return cx.refuse(option.origin, format!("`{}` is no number of CPUs", option.value));
    };
    if topology.is_some() {
        cx.domain.cpu.get_or_insert_default().topology = topology;
    }
    let current = cpus.filter(|cpus| *cpus < count);
    cx.domain.vcpu = Some(Vcpu { count: Some(count), current, ..Vcpu::default() });
}

fn boot(value: &str, cx: &mut Importing<'_>) {
    let mut order = value;
    for part in value.split(',') {
        if let Some(letters) = part.strip_prefix("order=") {
            order = letters;
        } else if part == "menu=on" {
            cx.domain.os.bootmenu = Some(YesNo::Yes);
            order = if order == value { "" } else { order };
        } else if part == "menu=off" {
            cx.domain.os.bootmenu = Some(YesNo::No);
            order = if order == value { "" } else { order };
        }
    }
    let letters = order.split_once(',').map_or(order, |(letters, _)| letters);
    let devices = letters.chars().filter_map(boot_device);
    cx.domain.os.boot = devices.map(|dev| BootDevice { dev, ..BootDevice::default() }).collect();
}

/// The device that a letter of `-boot` stands for.
pub(super) fn boot_device(letter: char) -> Option<BootDeviceKind> {
    Some(match letter {
        'a' => BootDeviceKind::Fd,
        'c' => BootDeviceKind::Hd,
        'd' => BootDeviceKind::Cdrom,
        'n' => BootDeviceKind::Network,
        _ => return None,
    })
}

fn machine_type(value: &str, cx: &mut Importing<'_>) {
    let mut parts = value.split(',');
    for part in parts.by_ref() {
        match part.split_once('=') {
            None => cx.domain.os.machine = Some(part.to_owned()),
            Some(("type", name)) => cx.domain.os.machine = Some(name.to_owned()),
            Some(("accel", "kvm")) => cx.domain.kind = DomainType::Kvm,
            Some(_) => {
                cx.left_out(Origin::Built, format!("`{part}` of `-machine` has no place in the domain"))
            }
        }
    }
}

fn port(option: &Opt, cx: &mut Importing<'_>) -> Option<domain_model::chardev::CharSource> {
    let source = chardev::shorthand(&option.value);
    if source.is_none() {
        cx.refuse(option.origin, format!("`{}` is no character device", option.value));
    }
    source
}

fn usb_device(option: &Opt, cx: &mut Importing<'_>) {
    let kind = match option.value.as_str() {
        "tablet" => InputKind::Tablet,
        "mouse" => InputKind::Mouse,
        "keyboard" => InputKind::Keyboard,
        value => {
            if let Some(path) = value.strip_prefix("disk:") {
                let mut spec =
                    Disk { source: disk::source(path), device: Some(DiskDevice::Disk), ..Disk::default() };
                spec.target.dev = "sda".to_owned();
                spec.target.bus = Some(DiskBus::Usb);
                cx.domain.devices.disks.push(implied(spec, option.origin));
            } else if value.starts_with("host:") {
                host::usb(option, cx);
            } else {
                cx.keep(option);
            }
            return;
        }
    };
    let spec = Input { kind, bus: Some(InputBus::Usb), ..Input::default() };
    cx.domain.devices.inputs.push(implied(spec, option.origin));
}

fn cpu(option: &Opt, cx: &mut Importing<'_>) {
    let mut parts = option.value.split(',');
    let model = parts.next().unwrap_or_default();
    if model.is_empty() {
        return cx.refuse(option.origin, format!("`{}` names no CPU", option.value));
    }
    let mut cpu = cx.domain.cpu.take().unwrap_or_else(|| Cpu { matching: None, ..Cpu::default() });
    // These are what QEMU has anyway: the one for guests of 32 bits, the other for those of 64.
    let is_default = matches!(model, "qemu32" | "qemu64");
    if model == "qemu32" && cx.domain.os.arch == Some(Arch::X86_64) {
        cx.domain.os.arch = Some(Arch::I686);
    }
    for part in parts {
        let (policy, name) = match (part.strip_prefix('+'), part.strip_prefix('-')) {
            (Some(name), _) if !name.is_empty() => (FeaturePolicy::Require, name),
            (_, Some(name)) if !name.is_empty() => (FeaturePolicy::Disable, name),
            (None, None) if !part.is_empty() => {
                cx.left_out(option.origin, format!("`{part}` of `-cpu` has no place in the domain"));
                continue;
            }
            _ => {
                cx.refuse(option.origin, format!("`{part}` is no feature of a CPU: `+` or `-` and its name"));
                continue;
            }
        };
        let feature = CpuFeature { policy: Some(policy), name: name.to_owned(), ..CpuFeature::default() };
        cpu.features.push(feature);
    }
    if !is_default || !cpu.features.is_empty() {
        cpu.matching = Some(CpuMatch::Exact);
        cpu.model = Some(CpuModel { name: Some(model.to_owned()), ..CpuModel::default() });
    }
    if cpu != Cpu::default() {
        cx.domain.cpu = Some(cpu);
    }
}
