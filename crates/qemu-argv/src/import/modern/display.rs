//! Screens: video cards and ways to look at them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use domain_model::Origin;
use domain_model::address::Place;
use domain_model::device::graphics::{
    Channel, ChannelMode, ChannelName, Graphics, Listen, ListenKind, MouseMode, Password, Sdl, Spice, Vnc,
};
use domain_model::device::video::{Acceleration, Video, VideoModel, VideoType};
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;

use super::disk::virtio_options;
use super::pci::Board;
use super::{Build, Frontend, virtio};
use crate::import::option::Opt;
use crate::import::pairs::Pairs;

/// Devices in whose presence QEMU adds no card by itself.
const CARDS: &[&str] = &[
    "VGA",
    "isa-vga",
    "cirrus-vga",
    "isa-cirrus-vga",
    "vmware-svga",
    "qxl-vga",
    "virtio-vga",
    "ati-vga",
    "vhost-user-vga",
    "virtio-vga-gl",
];

/// The card that the machine itself has, by the word of `-vga`.
pub(super) fn machine_screen(build: &mut Build<'_, '_, '_>) -> Option<String> {
    if let Some(option) = build.options.iter().rfind(|option| option.is(&["vga"])) {
        return Some(option.value.clone()).filter(|word| word != "none");
    }
    let plugged =
        build.options.iter().filter_map(|option| option.peek("driver")).any(|driver| CARDS.contains(&driver));
    let is_bare = build.options.iter().any(|option| option.is(&["nodefaults"]));
    let has_default = Board::of(build) != Board::Other;
    (has_default && !plugged && !is_bare).then(|| "std".to_owned())
}

/// The machine's own card, and how it is looked at.
pub(super) fn screens(build: &mut Build<'_, '_, '_>) {
    let vga = build.last(&["vga"]);
    if let Some(word) = machine_screen(build) {
        let origin =
            vga.map_or(Origin::always("QEMU has a video card unless it is told otherwise"), |vga| vga.origin);
        if let Some(kind) = crate::import::video_type(&word) {
            let place = build.slots.screen.map(Place::Pci);
            add_video(kind, origin, place, build);
            vga.into_iter().for_each(Opt::take);
        }
    } else {
        vga.into_iter().for_each(Opt::take);
    }
    let mut keymap = build.last(&["k"]);
    for (_, option) in build.named(&["vnc"]) {
        if option.value == "none" {
            option.take();
        } else if let Some(mut vnc) = vnc(&option.value, &build.audios) {
            vnc.keymap = keymap.take().map(|option| {
                option.take();
                option.value.clone()
            });
            option.take();
            build.add(Graphics::Vnc(Box::new(vnc)), option.origin, None);
        }
    }
    for (_, option) in build.named(&["spice"]) {
        let Some(spice) = option.pairs.as_ref().and_then(spice) else { continue };
        option.take();
        build.add(Graphics::Spice(Box::new(spice)), option.origin, None);
    }
    if let Some(origin) = build.flag(&["sdl"]) {
        build.add(Graphics::Sdl(Sdl::default()), origin, None);
    }
    for (_, option) in build.named(&["display"]) {
        let Some(pairs) = &option.pairs else { continue };
        match pairs.take("type") {
            Some("none") => option.take(),
            Some("sdl") => {
                let gl = pairs.switch("gl").map(YesNo::from);
                if pairs.is_spent() {
                    option.take();
                    build.add(Graphics::Sdl(Sdl { gl, ..Sdl::default() }), option.origin, None);
                }
            }
            // `-display vnc=:1` is `-vnc :1`.
            _ if option.value.starts_with("vnc=") => {
                if let Some(vnc) =
                    option.value.strip_prefix("vnc=").and_then(|value| vnc(value, &build.audios))
                {
                    option.take();
                    build.add(Graphics::Vnc(Box::new(vnc)), option.origin, None);
                }
            }
            _ => {}
        }
    }
    build.flag(&["nographic"]);
}

fn add_video(kind: VideoType, origin: Origin, place: Option<Place>, build: &mut Build<'_, '_, '_>) {
    let model = Some(VideoModel { kind: Some(kind), ..VideoModel::default() });
    build.add(Video { model, ..Video::default() }, origin, place);
}

/// `[ADDRESS]:DISPLAY` or `unix:PATH`, with options; `None` if the domain cannot say it.
fn vnc(value: &str, audios: &BTreeMap<String, NonZeroU32>) -> Option<Vnc> {
    let pairs = Pairs::key_value(value, Some("vnc"));
    let display = pairs.take("vnc")?;
    let mut vnc = Vnc::default();
    if let Some(path) = display.strip_prefix("unix:") {
        vnc.listens = vec![listen(ListenKind::Socket { socket: Some(path.to_owned()) })];
    } else {
        let (address, number) = display.rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        vnc.port = Some(number.parse::<i32>().ok()?.checked_add(5900)?);
        vnc.autoport = Some(YesNo::No);
        // Without an address QEMU listens everywhere, where libvirt listens on the loopback.
        vnc.listen = Some(if address.is_empty() { "0.0.0.0" } else { address }.to_owned());
    }
    vnc.audio = match pairs.take("audiodev") {
        Some(id) => Some(*audios.get(id)?),
        None => None,
    };
    vnc.share_policy = pairs.word("share");
    match pairs.take("websocket") {
        Some("on") => vnc.websocket = vnc.port.and_then(|port| port.checked_sub(200)),
        Some(port) => vnc.websocket = Some(port.parse().ok()?),
        None => {}
    }
    vnc.power_control = pairs.switch("power-control").map(YesNo::from);
    pairs.is_spent().then_some(vnc)
}

fn listen(kind: ListenKind) -> Listen {
    Listen { kind, ..Listen::default() }
}

fn spice(pairs: &Pairs) -> Option<Spice> {
    let mut spice = Spice { autoport: Some(YesNo::No), ..Spice::default() };
    spice.port = pairs.small::<i32>("port").filter(|port| *port > 0);
    spice.tls_port = pairs.small::<i32>("tls-port").filter(|port| *port > 0);
    spice.listen = match (pairs.take("addr"), pairs.switch("unix")) {
        (Some(path), Some(true)) => {
            spice.listens = vec![listen(ListenKind::Socket { socket: Some(path.to_owned()) })];
            None
        }
        (address, _) => Some(address.unwrap_or("0.0.0.0").to_owned()),
    };
    // The only place that libvirt has for certificates, unless it is configured otherwise.
    if pairs.peek("x509-dir") == Some("/etc/pki/libvirt-spice") {
        pairs.take("x509-dir");
    }
    for (key, mode) in [("tls-channel", ChannelMode::Secure), ("plaintext-channel", ChannelMode::Insecure)] {
        for name in pairs.take_all(key) {
            match ChannelName::parse(name) {
                Ok(name) => spice.channels.push(Channel { name, mode, ..Channel::default() }),
                Err(_) if name == "default" => spice.default_mode = Some(mode),
                Err(_) => return None,
            }
        }
    }
    if let Some(on) = pairs.switch("agent-mouse") {
        spice.mouse = Some(if on { MouseMode::Client } else { MouseMode::Server });
    }
    // A password by another way, or none: libvirt has none unless the domain says one.
    pairs.switch("disable-ticketing");
    spice.password = Password { passwd: pairs.take("password").map(str::to_owned), ..Password::default() };
    if pairs.switch("disable-copy-paste") == Some(true) {
        spice.clipboard = Some(YesNo::No);
    }
    if pairs.switch("disable-agent-file-xfer") == Some(true) {
        spice.filetransfer = Some(YesNo::No);
    }
    spice.image = pairs.word("image-compression");
    spice.jpeg = pairs.word("jpeg-wan-compression");
    spice.zlib = pairs.word("zlib-glz-wan-compression");
    spice.playback = pairs.word("playback-compression");
    spice.streaming = pairs.word("streaming-video");
    if let Some(on) = pairs.switch("gl") {
        spice.gl.enable = Some(YesNo::from(on));
        spice.gl.rendernode = pairs.take("rendernode").map(str::to_owned);
    }
    // libvirt says so itself.
    pairs.take("seamless-migration");
    pairs.is_spent().then_some(spice)
}

/// Cards of `-device`.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let is_first = build.domain().devices.videos.is_empty();
    let megabytes = |key| pairs.small::<u32>(key).and_then(|size| size.checked_mul(1024));
    let kib = |key: &str| {
        let bytes = pairs.take(key).and_then(|text| crate::import::pairs::size(text, 1))?;
        u32::try_from(bytes >> 10).ok()
    };
    let mut model = VideoModel::default();
    let gpu = |name| virtio(driver, name) == Some(VirtioModel::Virtio);
    let accelerated = || Some(Acceleration { accel3d: Some(YesNo::Yes), ..Acceleration::default() });
    let mut spec = Video::default();
    // Whether the domain's first card is this one decides what libvirt takes it for.
    let suits = match driver {
        "VGA" => {
            model.kind = Some(VideoType::Vga);
            model.vram = megabytes("vgamem_mb");
            is_first
        }
        "secondary-vga" => {
            model.kind = Some(VideoType::Vga);
            model.vram = megabytes("vgamem_mb");
            !is_first
        }
        "cirrus-vga" => {
            model.kind = Some(VideoType::Cirrus);
            is_first
        }
        "vmware-svga" => {
            model.kind = Some(VideoType::Vmvga);
            model.vram = megabytes("vgamem_mb");
            true
        }
        "bochs-display" => {
            model.kind = Some(VideoType::Bochs);
            model.vram = kib("vgamem");
            true
        }
        "qxl-vga" | "qxl" => {
            model.kind = Some(VideoType::Qxl);
            model.ram = kib("ram_size").or_else(|| megabytes("ram_size_mb"));
            model.vram = kib("vram_size").or_else(|| megabytes("vram_size_mb"));
            model.vram64 = megabytes("vram64_size_mb").filter(|size| *size > 0);
            model.vgamem = megabytes("vgamem_mb");
            model.heads = pairs.small("max_outputs");
            is_first == (driver == "qxl-vga")
        }
        "virtio-vga" | "virtio-vga-gl" => {
            model.kind = Some(VideoType::Virtio);
            model.heads = pairs.small("max_outputs");
            model.acceleration = if driver == "virtio-vga-gl" { accelerated() } else { None };
            spec.virtio = virtio_options(pairs);
            is_first
        }
        _ if gpu("virtio-gpu") || gpu("virtio-gpu-gl") => {
            model.kind = Some(VideoType::Virtio);
            model.heads = pairs.small("max_outputs");
            model.acceleration = if gpu("virtio-gpu-gl") { accelerated() } else { None };
            spec.virtio = virtio_options(pairs);
            !is_first || Board::of(build) == Board::Other
        }
        _ => return None,
    };
    // The resolution that a card asks for, libvirt has it for all.
    if let (Some(x), Some(y)) = (pairs.small("xres"), pairs.small("yres")) {
        model.resolution = Some(domain_model::device::video::Resolution { x, y, ..Default::default() });
    }
    let info = build.pci_info(frontend).filter(|_| suits)?;
    spec.model = Some(model);
    build.push(frontend, spec, info)
}

/// What QEMU shows if nobody says anything, and no card for libvirt to add.
pub(super) fn defaults(build: &mut Build<'_, '_, '_>) {
    let says = ["vnc", "spice", "sdl", "display", "nographic", "curses"];
    let is_told = build.options.iter().any(|option| option.is(&says));
    let has_video = !build.domain().devices.videos.is_empty();
    if !is_told && has_video {
        let origin = Origin::always("QEMU opens a window, or serves VNC on this host where it can open none");
        let vnc = Vnc { autoport: Some(YesNo::Yes), port: Some(-1), ..Vnc::default() };
        let listen = Some("127.0.0.1".to_owned());
        build.add(Graphics::Vnc(Box::new(Vnc { listen, ..vnc })), origin, None);
        let message = "QEMU would open a window; the domain has VNC on this host instead";
        build.cx.left_out(origin, message.to_owned());
    }
    let has_graphics = !build.domain().devices.graphics.is_empty();
    let has_video = !build.domain().devices.videos.is_empty();
    if has_graphics && !has_video {
        let origin = Origin::always("QEMU adds no card by itself here");
        add_video(VideoType::None, origin, None, build);
    }
}
