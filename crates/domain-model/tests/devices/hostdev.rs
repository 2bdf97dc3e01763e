//! `<hostdev>`.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn every_kind_is_kept() {
    check_same(
        "<hostdev mode='subsystem' type='usb' managed='no'>
  <source startupPolicy='optional' guestReset='uninitialized'>
    <vendor id='0x0bda'/>
    <product id='0x8153'/>
  </source>
  <boot order='2'/>
</hostdev>",
    );
    check_same(
        "<hostdev mode='subsystem' type='pci' managed='yes' display='on' ramfb='off'>
  <driver name='vfio' model='mlx5_vfio_pci'/>
  <source writeFiltering='no'>
    <address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/>
  </source>
  <teaming type='transient' persistent='ua-net0'/>
  <rom bar='off'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x07' function='0x0'/>
</hostdev>",
    );
    check_same(
        "<hostdev mode='subsystem' type='scsi' managed='no' sgio='unfiltered' rawio='yes'>
  <source>
    <adapter name='scsi_host3'/>
    <address bus='0' target='1' unit='18446744073709551615'/>
  </source>
  <readonly/>
  <shareable/>
</hostdev>",
    );
    check_same(
        "<hostdev mode='subsystem' type='scsi' managed='no'>
  <source protocol='iscsi' name='iqn.2020-01.example:disk/1'>
    <host name='target' port='3260'/>
    <auth username='me'>
      <secret type='iscsi' usage='target'/>
    </auth>
  </source>
</hostdev>",
    );
    check_same(
        "<hostdev mode='subsystem' type='scsi_host' managed='no' model='virtio-non-transitional'>
  <source protocol='vhost' wwpn='naa.5001405aabbccdde'/>
</hostdev>",
    );
    check_same(
        "<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-ccw' display='off' ramfb='off'>
  <source>
    <address uuid='00112233-4455-6677-8899-aabbccddeeff'/>
  </source>
</hostdev>",
    );
    check_same(
        "<hostdev mode='capabilities' type='storage'>\n  <source>\n    <block>/dev/sdx</block>\n  </source>\n</hostdev>",
    );
    check_same(
        "<hostdev mode='capabilities' type='misc'>\n  <source>\n    <char>/dev/input/event3</char>\n  </source>\n</hostdev>",
    );
    check_same(
        "<hostdev mode='capabilities' type='net'>\n  <source>\n    <interface>eth9</interface>\n  </source>\n  <ip address='192.0.2.9' prefix='24'/>\n</hostdev>",
    );
}

#[test]
fn usb_numbers_may_have_any_base() {
    check(
        "<hostdev type='usb'><source><address bus='0x10' device='010'/></source></hostdev>",
        "<hostdev mode='subsystem' type='usb'>
  <source>
    <address bus='16' device='8'/>
  </source>
</hostdev>",
    );
}

#[test]
fn what_libvirt_refuses_is_refused() {
    let device = |attributes: &str, source: &str| {
        format!("<hostdev mode='subsystem' {attributes}><source>{source}</source></hostdev>")
    };
    let usb = "<address bus='1' device='2'/>";
    check_problem(&device("type='usb' sgio='filtered'", usb), Code::Conflict, "`scsi`");
    check_problem(&device("type='usb' rawio='yes'", usb), Code::Conflict, "`scsi`");
    check_problem(&device("type='usb' model='vfio-pci'", usb), Code::Conflict, "`mdev` and `scsi_host`");
    check_problem(&device("type='usb' display='on'", usb), Code::Conflict, "`mdev` and `pci`");
    check_problem(&device("type='usb'", "<vendor id='0x1234'/>"), Code::Malformed, "`<product>`");
    check_problem(&device("type='usb'", "<address bus='1'/>"), Code::MissingAttribute, "`device`");
    check_problem(&device("type='usb'", ""), Code::MissingElement, "`<vendor>`");
    check_problem(
        &device("type='usb'", "<vendor id='0'/><product id='0x1234'/>"),
        Code::BadValue,
        "0x0001 to 0xffff",
    );
    let auth = "<host name='a'/><auth username='u'><secret usage='a'/></auth>";
    check_problem(
        &format!("<hostdev type='scsi'><source protocol='iscsi' name='a'>{auth}</source></hostdev>"),
        Code::Unsupported,
        "`iscsi`",
    );
    check_problem(&device("type='pci'", ""), Code::MissingElement, "`<address>`");
    check_problem(&device("type='scsi'", "<adapter name='scsi_host0'/>"), Code::MissingElement, "`unit`");
    check_problem(&device("type='mdev' model='vfio-pci'", ""), Code::Unsupported, "`uuid`");
    check_problem(
        &device("type='mdev'", "<address uuid='00112233-4455-6677-8899-aabbccddeeff'/>"),
        Code::MissingAttribute,
        "`model`",
    );
    check_problem(
        "<hostdev type='scsi'><source protocol='iscsi'><host name='a'/></source></hostdev>",
        Code::MissingAttribute,
        "`name`",
    );
    check_problem(
        "<hostdev type='scsi'><source protocol='iscsi' name='a'/></hostdev>",
        Code::MissingElement,
        "exactly one `<host>`",
    );
    check_problem(
        "<hostdev type='scsi_host'><source protocol='vhost' wwpn='naa.12'/></hostdev>",
        Code::BadValue,
        "16 hexadecimal digits",
    );
    check_problem(
        "<hostdev mode='capabilities' type='usb'><source><address bus='1' device='2'/></source></hostdev>",
        Code::Conflict,
        "another mode",
    );
    check_problem(
        &device("managed='no'", "<address domain='0' bus='1' slot='0' function='0'/>"),
        Code::MissingAttribute,
        "`type`",
    );
}
