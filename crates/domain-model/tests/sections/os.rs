//! `<os>`.

use domain_model::Code;
use domain_model::os::{Arch, BootDeviceKind, Os};
use domain_model::storage::SourceKind;

use super::{check, check_problems, check_same, read};

#[test]
fn os_is_written_as_libvirt_does() {
    check_same::<Os>(
        "os",
        "<os firmware='efi'>
  <type arch='x86_64' machine='q35'>hvm</type>
  <firmware>
    <feature enabled='yes' name='secure-boot'/>
  </firmware>
  <loader readonly='yes' secure='yes' type='pflash' format='qcow2'>/fw/code</loader>
  <nvram template='/fw/vars' templateFormat='raw' format='qcow2'>/var/vars</nvram>
  <kernel>/boot/k</kernel>
  <initrd>/boot/i</initrd>
  <cmdline>quiet a=&quot;b&quot;</cmdline>
  <shim>/boot/s</shim>
  <dtb>/boot/d</dtb>
  <acpi>
    <table type='slic'>/acpi/slic</table>
    <table type='raw'>/acpi/other</table>
  </acpi>
  <boot dev='cdrom'/>
  <boot dev='hd'/>
  <bootmenu enable='yes' timeout='3000'/>
  <bios useserial='yes' rebootTimeout='-1'/>
  <smbios mode='sysinfo'/>
</os>",
    );
    check::<Os>(
        "os",
        "<os><boot dev='hd'/><loader secure='no' type='rom'> /fw </loader><type>hvm</type></os>",
        "<os>\n  <type>hvm</type>\n  <loader secure='no' type='rom'> /fw </loader>\n  <boot dev='hd'/>\n</os>",
    );
}

#[test]
fn nvrams_are_written_as_libvirt_does() {
    fn check_nvram(nvram: &str) {
        let os =
            format!("<os firmware='efi'>\n  <type>hvm</type>\n  <loader stateless='no'/>\n  {nvram}\n</os>");
        check_same::<Os>("os", &os);
    }
    check_nvram("<nvram>/var/vars</nvram>");
    check_nvram("<nvram template='/fw/vars'/>");
    check_nvram("<nvram type='file' format='raw'>\n    <source file='/var/vars'/>\n  </nvram>");
    check_nvram(
        "<nvram type='network'>\n    <source protocol='nbd' name='vars'>\n      \
         <host name='example.org' port='6000'/>\n    </source>\n  </nvram>",
    );
}

#[test]
fn what_os_says() {
    let (os, _) = read::<Os>(
        "<os><type arch='s390x' machine='virt'>hvm</type><boot dev='network'/>\
         <nvram type='block'><source dev='/dev/vg/vars'/></nvram></os>",
    );
    assert_eq!((os.arch, os.machine.as_deref()), (Some(Arch::S390x), Some("virt")));
    assert_eq!(os.boot[0].dev, BootDeviceKind::Network);
    let source = os.nvram.unwrap().source.unwrap();
    assert!(matches!(source.kind, SourceKind::Block { path: Some(path) } if path == "/dev/vg/vars"));
}

#[test]
fn firmware_that_libvirt_refuses() {
    fn check(firmware: &str, rest: &str, expected: &[Code]) {
        check_problems::<Os>(&format!("<os {firmware}><type>hvm</type>{rest}</os>"), expected);
    }
    let (none, bios, efi) = ("", "firmware='bios'", "firmware='efi'");
    let secure = "<firmware><feature enabled='yes' name='secure-boot'/></firmware>";
    // Domains defined long ago have features without a choice of firmware; only new ones must not.
    check(none, secure, &[]);
    check(efi, secure, &[]);
    check(
        efi,
        "<firmware><feature enabled='yes' name='enrolled-keys'/>\
         <feature enabled='no' name='secure-boot'/></firmware>",
        &[Code::Conflict],
    );
    // What is said last holds.
    check(
        efi,
        "<firmware><feature enabled='yes' name='enrolled-keys'/><feature enabled='no' name='secure-boot'/>\
         <feature enabled='yes' name='secure-boot'/></firmware>",
        &[],
    );
    check(none, "<loader readonly='yes'/>", &[Code::MissingElement]);
    check(efi, "<loader readonly='yes'/>", &[]);
    check(none, "<nvram>/vars</nvram>", &[Code::MissingElement]);
    check(none, "<nvram template='/vars'/>", &[Code::MissingElement]);
    check(none, "<loader>/fw</loader><nvram>/vars</nvram>", &[]);
    check(none, "<loader type='pflash'>/fw</loader><nvram type='file'/>", &[Code::MissingElement]);
    check(bios, "<nvram>/vars</nvram>", &[Code::Conflict]);
    check(none, "<loader type='pflash'>/fw</loader><nvram>/vars</nvram>", &[]);
    check(bios, "<loader/><nvram>/vars</nvram>", &[Code::Conflict]);
    check(none, "<loader stateless='no'>/fw</loader>", &[Code::Conflict]);
    check(efi, "<loader stateless='yes'/><nvram>/vars</nvram>", &[Code::Conflict]);
    check(efi, "<loader stateless='yes'/><nvram template='/vars'/>", &[Code::Conflict]);
    check(efi, "<loader stateless='yes'/>", &[]);
}

#[test]
fn boot_options_that_libvirt_refuses() {
    check_problems::<Os>("<os><bootmenu enable='yes' timeout='65536'/></os>", &[Code::Unsupported]);
    check_problems::<Os>("<os><bios rebootTimeout='-2'/></os>", &[Code::Unsupported]);
    check_problems::<Os>("<os><bios rebootTimeout='65535'/></os>", &[]);
    check_problems::<Os>("<os><boot/></os>", &[Code::MissingAttribute]);
    check_problems::<Os>("<os><type arch='z80'>hvm</type></os>", &[Code::UnknownWord]);
    check_problems::<Os>("<os><smbios mode='none'/></os>", &[]);
    check_problems::<Os>("<os><smbios mode='all'/></os>", &[Code::UnknownWord]);
    check_problems::<Os>("<os><type arch='ppcle'>hvm</type></os>", &[]);
    check_problems::<Os>("<os><type>container</type></os>", &[Code::UnknownWord]);
    check_problems::<Os>("<os><acpi><table>/t</table></acpi></os>", &[Code::MissingAttribute]);
}
