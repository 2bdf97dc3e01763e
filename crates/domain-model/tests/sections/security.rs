//! Labels, protected guests and what goes to QEMU directly.

use domain_model::device::seclabel::DeviceSeclabel;
use domain_model::launch_security::LaunchSecurity;
use domain_model::seclabel::Seclabel;
use domain_model::{Code, Domain};

use super::{check_problems, check_same, read};

#[test]
fn labels_are_written_as_libvirt_does() {
    check_same::<Seclabel>("seclabel", "<seclabel type='none' model='none'/>");
    check_same::<Seclabel>(
        "seclabel",
        "<seclabel type='dynamic' model='selinux' relabel='yes'>
  <label>a</label>
  <imagelabel>b</imagelabel>
  <baselabel>c</baselabel>
</seclabel>",
    );
}

#[test]
fn labels_that_libvirt_refuses() {
    check_problems::<Seclabel>("<seclabel relabel='no'/>", &[Code::Unsupported]);
    check_problems::<Seclabel>("<seclabel type='none' relabel='yes'/>", &[Code::Unsupported]);
    check_problems::<Seclabel>("<seclabel type='static'/>", &[Code::MissingElement]);
    check_problems::<Seclabel>("<seclabel type='static' relabel='no'><label>a</label></seclabel>", &[]);
    check_problems::<DeviceSeclabel>("<seclabel relabel='yes'/>", &[Code::Conflict]);
    check_problems::<DeviceSeclabel>("<seclabel relabel='no'><label>a</label></seclabel>", &[Code::Conflict]);
    check_problems::<DeviceSeclabel>("<seclabel relabel='yes'><label>a</label></seclabel>", &[]);
}

#[test]
fn protection_is_written_as_libvirt_does() {
    check_same::<LaunchSecurity>("launchSecurity", "<launchSecurity type='s390-pv'/>");
    check_same::<LaunchSecurity>(
        "launchSecurity",
        "<launchSecurity type='sev' kernelHashes='yes'>
  <cbitpos>47</cbitpos>
  <reducedPhysBits>1</reducedPhysBits>
  <policy>0x0003</policy>
  <dhCert>QUJD</dhCert>
  <session>REVG</session>
</launchSecurity>",
    );
    check_same::<LaunchSecurity>(
        "launchSecurity",
        "<launchSecurity type='sev-snp' kernelHashes='no' authorKey='yes' vcek='no'>
  <policy>0x00030000</policy>
  <guestVisibleWorkarounds>QUJD</guestVisibleWorkarounds>
  <idBlock>QUJD</idBlock>
  <idAuth>QUJD</idAuth>
  <hostData>QUJD</hostData>
</launchSecurity>",
    );
}

#[test]
fn protection_that_libvirt_refuses() {
    check_problems::<LaunchSecurity>("<launchSecurity type='sev'/>", &[Code::MissingElement]);
    check_problems::<LaunchSecurity>("<launchSecurity type='tde'/>", &[Code::MissingElement, Code::BadValue]);
    check_problems::<LaunchSecurity>(
        "<launchSecurity type='sev'><policy>0x100000000</policy></launchSecurity>",
        &[Code::BadValue],
    );
    check_problems::<LaunchSecurity>(
        "<launchSecurity type='sev-snp'><policy>0x100000000</policy></launchSecurity>",
        &[],
    );
}

const QEMU: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

#[test]
fn qemu_elements_are_known_under_any_prefix() {
    let expected = format!(
        "<domain type='kvm' xmlns:qemu='{QEMU}'>
  <os/>
  <devices/>
  <qemu:commandline>
    <qemu:arg value='-s'/>
    <qemu:env name='A_1' value='b'/>
  </qemu:commandline>
  <qemu:capabilities>
    <qemu:add capability='a'/>
    <qemu:del capability='b'/>
  </qemu:capabilities>
  <qemu:override>
    <qemu:device alias='ua-net'>
      <qemu:frontend>
        <qemu:property name='tx' type='string' value='bh'/>
        <qemu:property name='mq' type='remove'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
  <qemu:deprecation behavior='omit'/>
</domain>
"
    );
    let other_prefix =
        expected.replace("qemu:", "q:").replace("xmlns:q:", "xmlns:q=").replace("xmlns:qemu", "xmlns:q");
    for text in
        [&expected, &other_prefix, &other_prefix.replace("<domain ", "<domain xmlns:qemu='urn:other' ")]
    {
        let (domain, problems) = read::<Domain>(text);
        assert_eq!(problems, []);
        assert_eq!(domain.write(), expected);
    }
}

#[test]
fn a_default_namespace_counts_too() {
    let text =
        format!("<domain type='kvm'><commandline xmlns='{QEMU}'><arg value='-s'/></commandline></domain>");
    let (domain, problems) = read::<Domain>(&text);
    assert_eq!(problems, []);
    assert_eq!(domain.qemu_commandline.as_ref().unwrap().args[0].value, "-s");
    assert_eq!(read::<Domain>(&domain.write()).0, domain);
}

#[test]
fn qemu_elements_that_libvirt_refuses() {
    fn check(inside: &str, expected: &[Code]) {
        check_problems::<Domain>(
            &format!("<domain type='kvm' xmlns:qemu='{QEMU}'>{inside}</domain>"),
            expected,
        );
    }
    fn check_property(attributes: &str, expected: &[Code]) {
        let property = format!("<qemu:property name='x' {attributes}/>");
        let device =
            format!("<qemu:device alias='a'><qemu:frontend>{property}</qemu:frontend></qemu:device>");
        check(&format!("<qemu:override>{device}</qemu:override>"), expected);
    }
    check("<qemu:commandline><qemu:arg/></qemu:commandline>", &[Code::Malformed]);
    check("<qemu:commandline><qemu:env name='1A'/></qemu:commandline>", &[Code::Malformed]);
    check("<qemu:commandline><qemu:env name='A='/></qemu:commandline>", &[Code::Malformed]);
    check("<qemu:deprecation behavior='warn'/>", &[Code::BadValue]);
    check_property("type='signed' value='-1'", &[]);
    check_property("type='unsigned' value='-1'", &[Code::BadValue]);
    check_property("type='bool' value='on'", &[Code::BadValue]);
    check_property("type='string'", &[Code::MissingAttribute]);
    check_property("type='remove'", &[]);
    check_property("value='1'", &[Code::MissingAttribute]);
}
