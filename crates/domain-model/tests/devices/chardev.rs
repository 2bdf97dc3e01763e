//! Character devices: what is read, what is written back, what is refused.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn sources_are_written_as_libvirt_does() {
    check("<serial/>", "<serial type='pty'/>\n");
    for word in ["null", "vc", "stdio", "spicevmc"] {
        check_same(&format!("<serial type='{word}'/>\n"));
    }
    check_same(
        "<serial type='dev'>\n  <source path='/dev/ttyS9'>\n    <seclabel model='dac' relabel='no'/>\n  </source>\n</serial>\n",
    );
    check_same(
        "<serial type='file'>\n  <source path='/tmp/out' append='on'/>\n  <log file='/tmp/log' append='off'/>\n</serial>\n",
    );
    check_same("<serial type='pipe'>\n  <source path='/tmp/pipe'/>\n</serial>\n");
    check(
        "<serial type='udp'><source service='9' host='::1'/><source service='8' mode='bind'/></serial>",
        "<serial type='udp'>\n  <source mode='bind' service='8'/>\n  <source mode='connect' host='::1' service='9'/>\n</serial>\n",
    );
    check(
        "<serial type='tcp'><source host='h' service='9' tls='yes'><reconnect enabled='no'/></source></serial>",
        "<serial type='tcp'>\n  <source mode='connect' host='h' service='9' tls='yes'>\n    <reconnect enabled='no'/>\n  \
         </source>\n  <protocol type='raw'/>\n</serial>\n",
    );
    check_same(
        "<serial type='tcp'>\n  <source mode='bind' host='h' service='9'/>\n  <protocol type='telnet'/>\n  <log file='/l'/>\n</serial>\n",
    );
    check(
        "<serial type='unix'><source path='/s'/></serial>",
        "<serial type='unix'>\n  <source mode='connect' path='/s'/>\n</serial>\n",
    );
    check_same("<serial type='spiceport'>\n  <source channel='org.example.port'/>\n</serial>\n");
    check_same("<serial type='dbus'>\n  <source channel='org.example.port'/>\n</serial>\n");
    check_same("<serial type='nmdm'>\n  <source master='/dev/nmdm0A' slave='/dev/nmdm0B'/>\n</serial>\n");
    check_same(
        "<channel type='qemu-vdagent'>\n  <source>\n    <clipboard copypaste='yes'/>\n    <mouse mode='client'/>\n  </source>\n  \
         <target type='virtio' name='com.redhat.spice.0'/>\n</channel>\n",
    );
}

#[test]
fn targets_are_written_as_libvirt_does() {
    check_same(
        "<serial type='pty'>\n  <target type='isa-serial' port='1'>\n    <model name='isa-serial'/>\n  </target>\n</serial>\n",
    );
    check_same("<parallel type='pty'>\n  <target port='2'/>\n</parallel>\n");
    check_same("<console type='pty' tty='/dev/pts/7'>\n  <target type='virtio' port='1'/>\n</console>\n");
    check_same("<channel type='unix'>\n  <target type='virtio' name='a.b' state='connected'/>\n</channel>\n");
    check_same(
        "<channel type='pty'>\n  <target type='guestfwd' address='10.0.2.9' port='77'/>\n</channel>\n",
    );
    check_same("<channel type='pty'>\n  <target type='xen' name='a.b'/>\n</channel>\n");
    check("<redirdev type='spicevmc'/>", "<redirdev bus='usb' type='spicevmc'/>\n");
    check_same(
        "<redirdev bus='usb' type='unix'>\n  <source mode='bind' path='/s'/>\n  <boot order='1'/>\n</redirdev>\n",
    );
    check_same("<smartcard mode='host'/>\n");
    check_same(
        "<smartcard mode='host-certificates'>\n  <certificate>a</certificate>\n  <certificate>b</certificate>\n  \
         <certificate>c</certificate>\n  <database>/etc/nss</database>\n</smartcard>\n",
    );
    check_same(
        "<smartcard mode='passthrough' type='tcp'>\n  <source mode='bind' host='::1' service='77'/>\n  \
         <protocol type='raw'/>\n  <address type='ccid' controller='0' slot='1'/>\n</smartcard>\n",
    );
}

#[test]
fn filter_rules_are_written_as_libvirt_does() {
    fn check_rule(rule: &str, expected: &str) {
        check(
            &format!("<redirfilter>{rule}</redirfilter>"),
            &format!("<redirfilter>\n  {expected}\n</redirfilter>\n"),
        );
    }
    check_rule("<usbdev allow='no'/>", "<usbdev allow='no'/>");
    check_rule(
        "<usbdev class='8' vendor='0xabc' product='0x15e1' version='1.1' allow='yes'/>",
        "<usbdev class='0x08' vendor='0x0ABC' product='0x15E1' version='1.10' allow='yes'/>",
    );
    check_rule(
        "<usbdev class='-1' vendor='-1' product='-1' version='-1' allow='no'/>",
        "<usbdev allow='no'/>",
    );
    check_rule("<usbdev version='10.05' allow='no'/>", "<usbdev version='10.05' allow='no'/>");
}

#[test]
fn what_libvirt_refuses_is_refused() {
    let check = check_problem;
    check("<serial type='carrier-pigeon'/>", Code::UnknownWord, "carrier-pigeon");
    check("<console><target type='isa-debug'/></console>", Code::UnknownWord, "isa-debug");
    check("<channel><target type='pipe'/></channel>", Code::UnknownWord, "`guestfwd`");
    let unix = |rest: &str| format!("<serial type='unix'><source path='/s'>{rest}</source></serial>");
    check(&unix("<reconnect enabled='yes'/>"), Code::MissingAttribute, "`timeout`");
    for (kind, child) in [
        ("tcp", "<source mode='connect' host='h' service='1'/>"),
        // These have neither, and still not two of them.
        ("null", "<source path='/s'/>"),
        ("stdio", "<protocol type='raw'/>"),
        ("pty", "<protocol type='raw'/>"),
    ] {
        let (domain, problems) = crate::read(&format!("<serial type='{kind}'>{child}{child}</serial>"));
        let repeated = problems.iter().filter(|(code, _)| *code == Code::RepeatedElement).count();
        assert_eq!(repeated, 1, "{problems:?}");
        assert_eq!(domain.devices.serials.len(), 1);
    }
    check("<serial type='file'/>", Code::Malformed, "`path`");
    check("<serial type='unix'/>", Code::Malformed, "`path`");
    check("<console type='unix'><target type='serial'/></console>", Code::Malformed, "`path`");
    check("<serial type='tcp'><source host='h'/></serial>", Code::Malformed, "`service`");
    check("<serial type='udp'><source mode='bind' service='1'/></serial>", Code::Malformed, "`service`");
    check("<serial type='spiceport'/>", Code::Unsupported, "`channel`");
    check("<serial type='nmdm'><source master='/a'/></serial>", Code::Malformed, "`slave`");
    check("<serial><target type='isa-cereal'/></serial>", Code::UnknownWord, "isa-serial");
    check("<serial><target><model name='16450'/></target></serial>", Code::UnknownWord, "16550a");
    check("<parallel><target port='first'/></parallel>", Code::BadValue, "first");
    check("<channel type='pty'/>", Code::MissingElement, "target");
    check("<channel type='pty'><target name='x'/></channel>", Code::UnknownWord, "`type`");
    check(
        "<channel type='pty'><target type='guestfwd' port='1'/></channel>",
        Code::MissingAttribute,
        "`address`",
    );
    check(
        "<channel type='pty'><target type='guestfwd' address='10.0.2' port='1'/></channel>",
        Code::BadValue,
        "IPv4",
    );
    check("<redirdev bus='usb'/>", Code::Malformed, "`type`");
    check("<redirdev bus='pci' type='pty'/>", Code::UnknownWord, "`usb`");
    check("<redirdev type='pty'><address type='pci' slot='7'/></redirdev>", Code::Conflict, "`usb`");
    check("<smartcard/>", Code::MissingAttribute, "`mode`");
    check("<smartcard mode='passthrough'/>", Code::MissingAttribute, "`type`");
    check(
        "<smartcard mode='host-certificates'><certificate>a</certificate></smartcard>",
        Code::MissingElement,
        "three",
    );
    check("<redirfilter><usbdev class='256' allow='no'/></redirfilter>", Code::BadValue, "0xff");
    check("<redirfilter><usbdev version='1' allow='no'/></redirfilter>", Code::BadValue, "1.10");
    check("<redirfilter><usbdev/></redirfilter>", Code::MissingAttribute, "`allow`");
    check(
        "<serial type='dev'><source path='/d'><seclabel relabel='no'><label>x</label></seclabel></source></serial>",
        Code::Conflict,
        "label",
    );
}
