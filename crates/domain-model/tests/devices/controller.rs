//! `<controller>`.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn every_kind_is_kept() {
    for kind in ["fdc", "sata", "ccid", "isa"] {
        check_same(&format!("<controller type='{kind}' index='0'/>"));
    }
    check_same("<controller type='ide' index='0' model='piix4'/>");
    check_same("<controller type='xenbus' maxGrantFrames='64' maxEventChannels='2047'/>");
    check_same(
        "<controller type='virtio-serial' index='1' model='virtio-transitional' ports='16' vectors='4'>
  <driver iommu='on'/>
  <address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/>
</controller>",
    );
    check_same(
        "<controller type='scsi' index='0' model='virtio-scsi'>
  <driver queues='4' cmd_per_lun='50' max_sectors='512' ioeventfd='on' iothread='1' packed='off'>
    <iothreads>
      <iothread id='1'/>
    </iothreads>
  </driver>
</controller>",
    );
}

#[test]
fn a_companion_follows_its_alias() {
    check_same(
        "<controller type='usb' index='0' model='ich9-uhci2'>
  <alias name='ua-usb'/>
  <master startport='2'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x1d' function='0x1'/>
</controller>",
    );
    check(
        "<controller type='usb' index='0' model='ich9-uhci2'><master/></controller>",
        "<controller type='usb' index='0' model='ich9-uhci2'>\n  <master startport='0'/>\n</controller>\n",
    );
}

#[test]
fn pci_controllers_are_kept() {
    check_same(
        "<controller type='pci' index='1' model='pcie-root-port'>
  <model name='pcie-root-port'/>
  <target chassis='1' port='0x1a' hotplug='off' memReserve='4096'/>
</controller>",
    );
    check_same(
        "<controller type='pci' index='2' model='pcie-expander-bus'>
  <model name='pxb-pcie'/>
  <target busNr='254'>
    <node>1</node>
  </target>
</controller>",
    );
    check(
        "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='GiB'>1</pcihole64></controller>",
        "<controller type='pci' index='0' model='pcie-root'>
  <pcihole64 unit='KiB'>1048576</pcihole64>
</controller>",
    );
}

#[test]
fn numbers_have_their_ranges() {
    let target =
        |target: &str| format!("<controller type='pci' model='pci-bridge'><target {target}/></controller>");
    check_problem(&target("chassisNr='0'"), Code::Unsupported, "1 to 255");
    check_problem(&target("chassis='256'"), Code::Unsupported, "0 to 255");
    check_problem(&target("busNr='255'"), Code::Unsupported, "1 to 254");
    check_problem(&target("index='32'"), Code::Unsupported, "0 to 30");
    check_problem(&target("port='0x100'"), Code::Unsupported, "0 to 255");
    check_problem(&target("memReserve='0'"), Code::BadValue, "above 0");
    check_problem("<controller type='scsi' index='-1'/>", Code::BadValue, "0 to 4294967295");
    check_problem("<controller type='scsi' model='lsi'/>", Code::UnknownWord, "`lsilogic`");
    check_problem("<controller type='mfm'/>", Code::BadValue, "`fdc`");
}
