//! Network cards: what is read, what is written back, what is refused.

use domain_model::device::interface::{Bridge, DirectMode, InterfaceSource, Vlan, VlanTag};
use domain_model::values::CNumber;
use domain_model::{Code, Device, xml};

use super::{check, check_problem, check_same, read};

#[test]
fn sources_are_written_as_libvirt_does() {
    check("<interface/>", "<interface type='user'/>\n");
    check_same("<interface type='null'/>\n");
    check_same(
        "<interface type='user'>\n  <source dev='eno1'/>\n  <backend type='passt' logFile='/run/p.log'/>\n</interface>\n",
    );
    check_same(
        "<interface type='ethernet'>\n  <source>\n    <ip address='10.9.0.1' family='ipv4' prefix='30' peer='10.9.0.2'/>\n    \
         <route family='ipv4' address='10.8.0.0' netmask='255.255.0.0' gateway='10.9.0.2' metric='3'/>\n  </source>\n  \
         <target dev='veth7' managed='no'/>\n</interface>\n",
    );
    check_same(
        "<interface type='vhostuser'>\n  <source type='unix' path='/run/dpdk/p1' mode='client'>\n    \
         <reconnect enabled='yes' timeout='4'/>\n  </source>\n</interface>\n",
    );
    check_same("<interface type='server'>\n  <source port='7001'/>\n</interface>\n");
    check_same("<interface type='client'>\n  <source address='198.51.100.3' port='7001'/>\n</interface>\n");
    check_same("<interface type='mcast'>\n  <source address='239.1.2.3' port='7002'/>\n</interface>\n");
    check_same(
        "<interface type='udp'>\n  <source address='198.51.100.3' port='7003'>\n    \
         <local address='198.51.100.4' port='7004'/>\n  </source>\n</interface>\n",
    );
    check_same(
        "<interface type='network'>\n  <source network='lab' portgroup='slow' \
         portid='7e1a43b6-7a1e-4c14-8a8b-3bd3a7e1f001' bridge='virbr7' macTableManager='libvirt'/>\n</interface>\n",
    );
    check_same("<interface type='bridge'>\n  <source bridge='br0'/>\n</interface>\n");
    check_same("<interface type='internal'>\n  <source name='inner'/>\n</interface>\n");
    check(
        "<interface type='direct'><source dev='eno1'/></interface>",
        "<interface type='direct'>\n  <source dev='eno1' mode='vepa'/>\n</interface>\n",
    );
    check_same(
        "<interface type='hostdev' managed='yes'>\n  <driver name='vfio' model='mlx5_vfio_pci'/>\n  <source>\n    \
         <address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/>\n  </source>\n</interface>\n",
    );
    check_same("<interface type='vdpa'>\n  <source dev='/dev/vhost-vdpa-3'/>\n</interface>\n");
    check_same(
        "<interface type='vds'>\n  <source switchid='7e1a43b6-7a1e-4c14-8a8b-3bd3a7e1f001' portid='9' \
         portgroupid='pg-4' connectionid='12'/>\n</interface>\n",
    );
}

#[test]
fn options_keep_libvirts_order() {
    check(
        "<interface type='network' trustGuestRxFilters='yes'>\
           <coalesce><rx><frames max='32'/></rx></coalesce><mtu size='9000'/><link state='down'/>\
           <teaming type='transient' persistent='ua-slow'/><tune><sndbuf>1600</sndbuf></tune>\
           <filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.9'/></filterref>\
           <backend tap='/dev/tun9' vhost='/dev/vhost9'/>\
           <driver packed='on' queues='3' name='vhost' rss='on' txmode='timer'>\
             <guest ufo='off' csum='off'/><host mrg_rxbuf='off' csum='off'/></driver>\
           <model type='virtio'/><guest actual='eth1' dev='eth0'/><target dev='tap9'/>\
           <backenddomain name='net'/><downscript path='/bin/down'/><script path='/bin/up'/>\
           <portForward proto='udp' dev='eno1'><range start='53' to='5353'/><range start='60' end='70' exclude='yes'/></portForward>\
           <route address='::' prefix='0' gateway='fe80::1'/><ip address='2001:DB8::9' prefix='64'/>\
           <port isolated='yes'/><bandwidth><outbound average='8'/><inbound burst='5' peak='20' average='10' floor='2'/></bandwidth>\
           <virtualport><parameters typeid='0x1f' managerid='7'/></virtualport>\
           <vlan trunk='yes'><tag id='0x10' nativeMode='untagged'/><tag id='17'/></vlan>\
           <source network='lab'/><mac check='no' address='52:54:00:AA:0B:C'/></interface>",
        "<interface type='network' trustGuestRxFilters='yes'>
  <mac address='52:54:00:aa:0b:0c' check='no'/>
  <source network='lab'/>
  <vlan trunk='yes'>
    <tag id='16' nativeMode='untagged'/>
    <tag id='17'/>
  </vlan>
  <virtualport>
    <parameters managerid='7' typeid='31'/>
  </virtualport>
  <bandwidth>
    <inbound average='10' peak='20' floor='2' burst='5'/>
    <outbound average='8'/>
  </bandwidth>
  <port isolated='yes'/>
  <ip address='2001:db8::9' prefix='64'/>
  <route address='::' prefix='0' gateway='fe80::1'/>
  <portForward proto='udp' dev='eno1'>
    <range start='53' to='5353'/>
    <range start='60' end='70' exclude='yes'/>
  </portForward>
  <script path='/bin/up'/>
  <downscript path='/bin/down'/>
  <backenddomain name='net'/>
  <target dev='tap9'/>
  <guest dev='eth0' actual='eth1'/>
  <model type='virtio'/>
  <driver name='vhost' txmode='timer' queues='3' rss='on' packed='on'>
    <host csum='off' mrg_rxbuf='off'/>
    <guest csum='off' ufo='off'/>
  </driver>
  <backend tap='/dev/tun9' vhost='/dev/vhost9'/>
  <filterref filter='clean-traffic'>
    <parameter name='IP' value='10.0.0.9'/>
  </filterref>
  <tune>
    <sndbuf>1600</sndbuf>
  </tune>
  <teaming type='transient' persistent='ua-slow'/>
  <link state='down'/>
  <mtu size='9000'/>
  <coalesce>
    <rx>
      <frames max='32'/>
    </rx>
  </coalesce>
</interface>
",
    );
}

#[test]
fn what_libvirt_refuses_is_refused() {
    fn with(inner: &str) -> String {
        format!("<interface type='user'>{inner}</interface>")
    }
    let check = check_problem;
    check("<interface type='wifi'/>", Code::BadValue, "`wifi`");
    check("<interface type='bridge'/>", Code::MissingElement, "`<source>`");
    check("<interface type='bridge'><source/></interface>", Code::MissingAttribute, "`bridge`");
    check("<interface type='network'><source/></interface>", Code::MissingAttribute, "`network`");
    check("<interface type='server'><source address='::1'/></interface>", Code::MissingAttribute, "`port`");
    check(
        "<interface type='mcast'><source address='239.0.0.1' port='66000'/></interface>",
        Code::BadValue,
        "65535",
    );
    check("<interface type='vdpa'><source/></interface>", Code::MissingAttribute, "`dev`");
    check("<interface type='hostdev'><source/></interface>", Code::Unsupported, "`<address>`");
    check(
        "<interface type='udp'><source address='::1' port='1'/></interface>",
        Code::MissingElement,
        "`<local>`",
    );
    check(
        "<interface type='vhostuser'><source type='unix' mode='client'/></interface>",
        Code::MissingAttribute,
        "`path`",
    );
    check(
        "<interface type='vhostuser'><source mode='client'/></interface>",
        Code::MissingAttribute,
        "`path`",
    );
    check(
        "<interface type='vhostuser'><source type='tcp' path='/s'/></interface>",
        Code::UnknownWord,
        "`unix`",
    );
    check(
        "<interface type='hostdev'><source><address type='drive'/></source></interface>",
        Code::Unsupported,
        "`usb`",
    );
    check(&with("<mac address='01:00:5e:00:00:01'/>"), Code::BadValue, "multicast");
    check(&with("<mac address='52:54:00'/>"), Code::BadValue, "MAC");
    check(&with("<model type='e1000,mac=0'/>"), Code::InvalidArgument, "model");
    check(&with("<driver queues='-1'/>"), Code::BadValue, "`queues`");
    check(&with("<driver txmode='slow'/>"), Code::BadValue, "`iothread`");
    check(&with("<link state='maybe'/>"), Code::UnknownWord, "`up`");
    check(&with("<vlan/>"), Code::MissingElement, "tag");
    check(&with("<vlan><tag id='4096'/></vlan>"), Code::BadValue, "4095");
    check(&with("<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>"), Code::Conflict, "trunk");
    check(
        &with("<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='tagged'/></vlan>"),
        Code::Conflict,
        "native",
    );
    check(
        "<interface type='network'><source network='n'/><bandwidth><inbound burst='4' floor='1'/></bandwidth></interface>",
        Code::MissingAttribute,
        "average",
    );
    check(
        "<interface type='network'><source network='n'/><bandwidth><outbound average='4' floor='1'/></bandwidth></interface>",
        Code::Conflict,
        "floor",
    );
    check(&with("<teaming type='transient'/>"), Code::Unsupported, "persistent");
    check(&with("<teaming type='persistent' persistent='ua-x'/>"), Code::Unsupported, "persistent");
    check(&with("<ip address='10.0.0.1' family='ipv6'/>"), Code::Conflict, "family");
    check(&with("<ip address='10.0.0.1' prefix='33'/>"), Code::BadValue, "32");
    check(&with("<route address='10.0.0.0'/>"), Code::MissingAttribute, "gateway");
    check(&with("<route address='10.0.0.0' gateway='10.0.0.1' metric='0'/>"), Code::BadValue, "metric");
    check(&with("<route address='10.0.0.1' prefix='8' gateway='10.0.0.1'/>"), Code::BadValue, "10.0.0.1");
    check(&with("<portForward><range start='1'/></portForward>"), Code::MissingAttribute, "proto");
    check(&with("<portForward proto='tcp'><range end='1'/></portForward>"), Code::Unsupported, "start");
    check(&with("<portForward proto='tcp'><range start='0'/></portForward>"), Code::BadValue, "port 0");
    check(&with("<target dev='t' managed='no'/>"), Code::Unsupported, "`user`");
    check(&with("<virtualport type='openvswitch'/>"), Code::Unsupported, "switch");
    check(&with("<port isolated='yes'/>"), Code::Unsupported, "isolated");
    check(&with("<bandwidth><inbound average='4' floor='1'/></bandwidth>"), Code::Unsupported, "floor");
    check(&with("<source><ip address='10.0.0.1'/></source>"), Code::Unsupported, "`ethernet`");
    check(&with("<rom enabled='no' bar='on'/>"), Code::Unsupported, "`bar`");
    check(&with("<acpi index='0'/>"), Code::BadValue, "begin at 1");
    check(&with("<address bus='1'/>"), Code::MissingAttribute, "`type`");
    for (port, code, part) in [
        ("<virtualport/>", Code::MissingAttribute, "`type`"),
        ("<virtualport type='midonet'/>", Code::MissingAttribute, "`interfaceid`"),
        ("<virtualport type='802.1Qbh'/>", Code::MissingAttribute, "`profileid`"),
        (
            "<virtualport type='openvswitch'><parameters managerid='1'/></virtualport>",
            Code::Conflict,
            "`managerid`",
        ),
        (
            "<virtualport type='802.1Qbh'><parameters profileid='p' typeidversion='1'/></virtualport>",
            Code::Conflict,
            "`typeidversion`",
        ),
        (
            "<virtualport type='802.1Qbg'><parameters managerid='1' typeid='2' typeidversion='3' profileid='p'/>\
             </virtualport>",
            Code::Conflict,
            "`profileid`",
        ),
    ] {
        check(&format!("<interface type='bridge'><source bridge='b'/>{port}</interface>"), code, part);
    }
    let vepa = "<interface type='network'><source network='n'/><virtualport type='vepa'/></interface>";
    check(vepa, Code::UnknownWord, "`802.1Qbg`");
    let served =
        "<source type='unix' path='/s' mode='server'><reconnect enabled='yes' timeout='1'/></source>";
    check(&format!("<interface type='vhostuser'>{served}</interface>"), Code::Unsupported, "connect");
    check(&with("<filterref/>"), Code::MissingAttribute, "filter");
}

#[test]
fn passt_makes_up_the_socket_of_a_vhost_user_card() {
    check_same(
        "<interface type='vhostuser'>\n  <source dev='eno1'/>\n  <backend type='passt'/>\n</interface>\n",
    );
}

#[test]
fn cards_are_built_without_xml() {
    let mut card = Device::<domain_model::device::interface::Interface>::default();
    card.spec.source =
        InterfaceSource::Bridge(Bridge { bridge: Some("br0".to_owned()), ..Bridge::default() });
    card.spec.vlan =
        Some(Vlan { tags: vec![VlanTag { id: CNumber(5), ..VlanTag::default() }], ..Vlan::default() });
    assert_eq!(
        xml::write("interface", &card),
        "<interface type='bridge'>\n  <source bridge='br0'/>\n  <vlan>\n    <tag id='5'/>\n  </vlan>\n</interface>\n"
    );
    let (domain, _) = read("<interface type='direct'><source dev='e' mode='private'/></interface>");
    let devices = &domain.devices;
    let InterfaceSource::Direct(direct) = &devices.interfaces[0].spec.source else { panic!() };
    assert_eq!(direct.mode, DirectMode::Private);
}
