//! What devices become, and what of them is refused.

mod support;

use caps_parser::Capability;
use qemu_argv::Layout;
use support::{MODERN, arguments, layout};

const CAPS: &[Capability] = &[
    Capability::BochsDisplay,
    Capability::Qxl,
    Capability::Ramfb,
    Capability::Spice,
    Capability::VfioPci,
    Capability::VgaDevice,
    Capability::VirtioGpu,
    Capability::VirtioVga,
    Capability::Vnc,
];

/// The arguments with one of these words, or what is wrong.
#[track_caller]
fn check(devices: &str, words: &[&str], expected: &[&str]) {
    let caps: Vec<Capability> = MODERN.iter().chain(CAPS).copied().collect();
    let lines = arguments("qemu", devices, &caps, &layout(Layout::Libvirt));
    let wanted = |line: &&String| words.is_empty() || words.iter().any(|word| line.contains(word));
    // Addresses are tested where they are assigned.
    let without_address = |line: &String| line.split(",\"bus\"").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = lines.iter().filter(wanted).map(without_address).collect();
    assert_eq!(lines, expected, "{devices}");
}

/// The one thing that is wrong.
#[track_caller]
fn refused(devices: &str, expected: &str) {
    check(devices, &[], &[expected]);
}

#[test]
fn video_cards() {
    let card = |model: &str| format!("<video>{model}</video>");
    let words = ["video0", "video1"];
    // Sizes that are no power of two are the next one, and 0 is the default.
    for (vram, expected) in [("0", 16), ("16000", 16), ("16385", 32)] {
        let vga = format!(r#"-device {{"driver":"VGA","id":"video0","vgamem_mb":{expected}"#);
        check(&card(&format!("<model type='vga' vram='{vram}'/>")), &words, &[&vga]);
    }
    check(
        &card("<model type='vga'><resolution x='800' y='600'/></model>"),
        &words,
        &[r#"-device {"driver":"VGA","id":"video0","vgamem_mb":16,"xres":800,"yres":600"#],
    );
    check(&card("<model type='ramfb'/>"), &words, &[r#"-device {"driver":"ramfb","id":"video0"}"#]);
    refused(
        &card("<model type='vga' blob='on'/>"),
        "unsupported-configuration: a card of type `vga` shares no buffers with the guest",
    );
    refused(
        &card("<model type='qxl' vram='4194304'/>"),
        "unsupported-configuration: a card of type `qxl` has less than 4 GiB in one piece",
    );
    refused(
        &card("<model type='bochs'/>").repeat(2),
        "unsupported-configuration: a card of type `bochs` is the first of a guest",
    );
}

#[test]
fn screens() {
    let vnc = |rest: &str| format!("<graphics type='vnc' {rest}</graphics>");
    let words = ["-vnc"];
    check(&vnc("socket='/s'><listen type='address'/>"), &words, &["-vnc vnc=unix:/s,audiodev=audio1"]);
    check(&vnc("port='5901' autoport='no'>"), &words, &["-vnc 127.0.0.1:1,audiodev=audio1"]);
    let range = "unsupported-configuration: VNC's ports are those from 5900 to 65535, not";
    refused(&vnc("autoport='no'>"), &format!("{range} 0"));
    refused(&vnc("port='70000'>"), &format!("{range} 70000"));
    refused(&vnc(">").repeat(2), "unsupported-configuration: there is a `<graphics>` of type `vnc` already");
    refused(
        &vnc("><listen type='address' address='::1'/><listen type='address' address='::2'/>"),
        "unsupported-configuration: QEMU's servers listen at one place only",
    );
    refused(
        "<graphics type='spice' tlsPort='5902'/>",
        "unsupported-configuration: the configuration has no TLS for Spice",
    );
}

#[test]
fn character_devices() {
    // The first serial port is the console, in front of consoles of other kinds.
    let both = "<serial type='pty'/><console type='pty'><target type='virtio'/></console>";
    check(
        both,
        &["console"],
        &[
            "-chardev pty,id=charconsole1",
            r#"-device {"driver":"virtconsole","chardev":"charconsole1","id":"console1"}"#,
        ],
    );
    check(
        "<serial type='pty'><address type='isa' irq='4'/></serial>",
        &["isa-serial"],
        &[
            r#"-device {"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0,"iobase":0,"irq":4}"#,
        ],
    );
    check(
        "<parallel type='pty'><address type='isa' iobase='0x3bc'/></parallel>",
        &["isa-parallel"],
        &[r#"-device {"driver":"isa-parallel","chardev":"charparallel0","id":"parallel0"}"#],
    );
    refused(
        "<console type='pty'/><console type='pty'/>",
        "unsupported-configuration: only the first console can be a serial port",
    );
    refused(
        "<serial type='pty'><target type='system-serial'/></serial>",
        "malformed: this machine has no serial port of its own",
    );
    refused(
        "<console type='pty'><target type='virtio'/><address type='pci' slot='7'/></console>",
        "malformed: the address of a virtio port is of type `virtio-serial`",
    );
    refused(
        "<graphics type='spice'/><channel type='spicevmc'>\
         <target type='guestfwd' address='10.0.2.1' port='7'/></channel>",
        "unsupported-configuration: a channel of type `spicevmc` is a virtio channel",
    );
}

#[test]
fn network_cards() {
    let card = |kind: &str, rest: &str| format!("<interface type='{kind}'>{rest}</interface>");
    refused(
        &card("vhostuser", "<source type='unix' path='/s' mode='client'/>"),
        "unsupported-configuration: a `vhostuser` interface needs memory that is shared with the program behind it",
    );
    refused(
        &card("ethernet", "<model type='e1000'/><driver packed='on'/>"),
        "unsupported-configuration: `iommu`, `ats`, `packed` and `page_per_vq` are for virtio cards",
    );
    refused(
        &card("null", ""),
        "unsupported-configuration: an interface of type `null` has no counterpart in QEMU",
    );
}

#[test]
fn devices_of_the_host() {
    let pci = |driver: &str, rest: &str| {
        format!(
            "<hostdev mode='subsystem' type='pci'>{driver}<source><address bus='1' slot='0'/></source>{rest}</hostdev>"
        )
    };
    check(&pci("", "<address type='unassigned'/>"), &["vfio"], &[]);
    refused(&pci("<driver name='kvm'/>", ""), "malformed: QEMU hands devices over by `vfio`, not by `kvm`");
}
