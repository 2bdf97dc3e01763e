//! How long a command line takes, from XML to strings, with the capabilities at hand.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use caps_parser::Capabilities;
use domain_model::{Document, Domain};
use qemu_argv::{Config, Inputs, RecordedHost};

fn main() {
    divan::main();
}

fn capabilities() -> Capabilities {
    Capabilities::from_json(include_str!("../../cli/builtin/qemu-10.0-x86_64.json")).unwrap()
}

/// A Q35 guest such as `virt-install` makes.
const GUEST: &str = "<domain type='qemu'>
  <name>guest</name>
  <uuid>8d4e4d7c-6f0c-4d57-9b64-1f2c3a5e7b90</uuid>
  <memory unit='GiB'>2</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/images/guest.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='/images/install.iso'/><target dev='sda' bus='sata'/><readonly/>
    </disk>
    <interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' port='5901'/>
    <video><model type='virtio'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>";

/// A guest on the older board with so many virtio disks that they need bridges.
fn with_disks(count: usize) -> String {
    let disks: String = (0..count)
        .map(|index| {
            let (first, second) = (index / 26, index % 26);
            let letter = |index: usize| char::from(b'a' + u8::try_from(index % 26).unwrap());
            let name = match first {
                0 => letter(second).to_string(),
                _ => format!("{}{}", letter(first - 1), letter(second)),
            };
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
                 <source file='/images/{index}.img'/><target dev='vd{name}' bus='virtio'/></disk>\n"
            )
        })
        .collect();
    format!(
        "<domain type='qemu'><name>disks</name><memory>1048576</memory>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\n{disks}</devices></domain>"
    )
}

/// Everything between the text and the strings.
fn build(xml: &str, caps: &Capabilities) -> Vec<String> {
    let document = Document::parse("guest.xml", xml).unwrap();
    let (domain, _) = Domain::read(&document);
    let inputs = Inputs { caps, host: &RecordedHost::default(), config: &Config::default() };
    let (line, _) = qemu_argv::build(&domain, inputs).unwrap();
    line.argv(&mut |_| "3".to_owned())
}

#[divan::bench]
fn typical_guest(bencher: divan::Bencher) {
    let caps = capabilities();
    bencher.bench(|| build(GUEST, &caps));
}

#[divan::bench(args = [26, 52, 105])]
fn virtio_disks(bencher: divan::Bencher, count: usize) {
    let (caps, xml) = (capabilities(), with_disks(count));
    bencher.bench(|| build(&xml, &caps));
}
