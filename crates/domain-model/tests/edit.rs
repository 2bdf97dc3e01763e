//! Changes written into a text leave the rest of it alone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use domain_model::device::watchdog::{Watchdog, WatchdogAction};
use domain_model::values::Uuid;
use domain_model::{Device, Document, Domain};

const TEXT: &str = r#"<?xml version="1.0"?>
<domain type="kvm"   id='3'>
	<!-- kept -->
	<name>guest</name> <!-- and this -->
	<title/>
	<vendor:note xmlns:vendor="urn:v">x</vendor:note>
	<devices>
		<watchdog action="reset"
			model="itco"/>
		<!-- the hub -->
		<hub type='usb'><alias name="hub0"/></hub>
		<emulator>/bin/qemu</emulator>
		<console type='pty'/>
		<hub type='usb'/>
	</devices>
	<on_crash>destroy</on_crash>
</domain>
"#;

/// After `change`, the text has each `old` replaced by its `new`, and nothing else.
fn check(change: impl FnOnce(&mut Domain), replacements: &[(&str, &str)]) {
    let document = Document::parse("test", TEXT).unwrap();
    let (mut domain, _) = Domain::read(&document);
    change(&mut domain);
    let mut expected = TEXT.to_owned();
    for (old, new) in replacements {
        assert_eq!(expected.matches(old).count(), 1, "{old}");
        expected = expected.replacen(old, new, 1);
    }
    assert_eq!(domain.write_into(&document), expected);
}

#[test]
fn nothing() {
    check(|_| {}, &[]);
}

#[test]
fn values() {
    check(|domain| domain.name = Some("a<b".to_owned()), &[("<name>guest", "<name>a&lt;b")]);
    check(|domain| domain.title = Some("t".to_owned()), &[("<title/>", "<title>t</title>")]);
    check(|domain| domain.id = None, &[("   id='3'", "")]);
    check(|domain| domain.id = Some(4), &[("'3'", "'4'")]);
    check(
        |domain| domain.devices.watchdogs[0].spec.action = Some(WatchdogAction::Pause),
        &[("\"reset\"", "\"pause\"")],
    );
    check(|domain| domain.devices.watchdogs[0].spec.action = None, &[(" action=\"reset\"", "")]);
    check(|domain| domain.devices.hubs[0].info.alias = Some("it's".to_owned()), &[("hub0", "it&apos;s")]);
}

#[test]
fn elements() {
    check(
        |domain| domain.uuid = Some(Uuid([0x11; 16])),
        &[("</name>", "</name>\n\t<uuid>11111111-1111-1111-1111-111111111111</uuid>")],
    );
    check(|domain| domain.on_crash = None, &[("\n\t<on_crash>destroy</on_crash>", "")]);
    check(|domain| domain.devices.hubs.truncate(1), &[("\n\t\t<hub type='usb'/>", "")]);
    check(
        |domain| domain.devices.watchdogs.clear(),
        &[("\n\t\t<watchdog action=\"reset\"\n\t\t\tmodel=\"itco\"/>", "")],
    );
    check(
        |domain| domain.devices.hubs.push(Device::default()),
        &[("\t\t<hub type='usb'/>", "\t\t<hub type='usb'/>\n\t\t<hub type='usb'/>")],
    );
    check(
        |domain| {
            let mut watchdog = Device::<Watchdog>::default();
            watchdog.info.alias = Some("ua-dog".to_owned());
            domain.devices.watchdogs.push(watchdog);
        },
        &[(
            "model=\"itco\"/>",
            "model=\"itco\"/>\n\t\t<watchdog model='i6300esb'>\n\t\t  <alias name='ua-dog'/>\n\t\t</watchdog>",
        )],
    );
    check(
        |domain| domain.devices.consoles[0].info.alias = Some("ua-c".to_owned()),
        &[("<console type='pty'/>", "<console type='pty'>\n\t\t  <alias name='ua-c'/>\n\t\t</console>")],
    );
}

/// What libvirt reads as one can be changed wherever it stands.
#[test]
fn what_occurs_again() {
    fn check(change: impl FnOnce(&mut Domain), text: &str, expected: &str) {
        let document = Document::parse("test", text).unwrap();
        let (mut domain, _) = Domain::read(&document);
        change(&mut domain);
        assert_eq!(domain.write_into(&document), expected);
    }
    let text = |inside: &str| format!("<domain type='kvm'>\n  {inside}<name>a</name>\n</domain>");
    let hubs = text("<devices><hub type='usb'/></devices> <devices>\n    <hub  type=\"usb\"/></devices>");
    check(|domain| domain.name = Some("b".to_owned()), &hubs, &hubs.replace("<name>a", "<name>b"));
    check(
        |domain| drop(domain.devices.hubs.remove(1)),
        &hubs,
        &hubs.replace("\n    <hub  type=\"usb\"/>", ""),
    );
    check(
        |domain| domain.devices.hubs[1].info.alias = Some("ua-x".to_owned()),
        &hubs,
        &hubs.replace("<hub  type=\"usb\"/>", "<hub type='usb'>\n      <alias name='ua-x'/>\n    </hub>"),
    );
    let tuned = text("<cputune><shares>5</shares></cputune><cputune><period>1000</period></cputune>");
    check(|domain| domain.cputune = None, &tuned, "<domain type='kvm'><name>a</name>\n</domain>");
}
