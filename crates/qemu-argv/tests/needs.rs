//! What the host has to have ready, and what is asked of it only then.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod support;

use caps_parser::Capability;
use qemu_argv::{Config, FileKind, Link, NetworkPlug, RecordedHost};
use support::{MODERN, needs};

fn supervised() -> Config {
    Config { supervised: true, lib_dir: "/run/guest".to_owned(), ..Config::default() }
}

#[track_caller]
fn check_helper(devices: &str, config: &Config, expected: &[&str]) {
    let caps = [MODERN, &[Capability::NetdevStream, Capability::VhostUserFs]].concat();
    let needs = needs("qemu", devices, &caps, config);
    let helpers: Vec<String> = needs.helpers.iter().map(qemu_argv::Helper::describe).collect();
    assert_eq!(helpers, expected);
}

#[test]
fn helpers_inherit_their_end_of_the_link_when_somebody_starts_them() {
    let passt = "<interface type='user'><backend type='passt'/>\
                 <portForward proto='tcp'><range start='2022' to='22'/></portForward></interface>";
    check_helper(passt, &supervised(), &["passt --foreground --fd FD --tcp-ports 2022:22"]);
    let by_hand = Config { lib_dir: "/tmp/guest".to_owned(), ..Config::default() };
    check_helper(passt, &by_hand, &["passt --one-off --socket /tmp/guest/net0.passt --tcp-ports 2022:22"]);
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";
    let config = Config { swtpm_dir: "/state/tpm".to_owned(), ..supervised() };
    check_helper(
        tpm,
        &config,
        &[
            "swtpm socket --ctrl type=unixio,fd=FD --tpmstate dir=/state/tpm/guest,mode=0600 --tpm2 --terminate",
        ],
    );
    let share = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='t'/>\
                 <binary path='/opt/vfs' xattr='on'><cache mode='none'/><lock posix='off' flock='on'/>\
                 <thread_pool size='4'/><openfiles max='99'/></binary></filesystem>";
    check_helper(
        share,
        &supervised(),
        &["/opt/vfs --fd=FD -o source=/srv,cache=none,xattr,flock,no_posix_lock --thread-pool-size=4 \
           --rlimit-nofile=99"],
    );
}

#[test]
fn passt_of_a_vhostuser_card_is_started_when_qemu_has_connected() {
    let nic = "<interface type='vhostuser'><source dev='eth0'/><backend type='passt' logFile='/var/log/p'/>\
               <portForward proto='udp' address='192.0.2.1'><range start='53'/></portForward>\
               <ip family='ipv6' address='fd00::7' prefix='64'/></interface>";
    let xml = format!(
        "<domain type='qemu'><name>guest</name><memory>65536</memory><memoryBacking><access mode='shared'/>\
         </memoryBacking><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{nic}</devices></domain>"
    );
    for (config, link, start, reconnects) in [
        (supervised(), Link::Accepts("/run/guest/net0.passt".to_owned()), "--foreground --fd FD", false),
        (
            Config { lib_dir: "/tmp/g".to_owned(), ..Config::default() },
            Link::Makes("/tmp/g/net0.passt".to_owned()),
            "--one-off --socket /tmp/g/net0.passt",
            true,
        ),
    ] {
        let host = RecordedHost::default();
        let Ok((line, _)) = support::lowered_on(&host, &xml, MODERN, &config) else { panic!("{xml}") };
        let [helper] = line.needs.helpers.as_slice() else { panic!("{:?}", line.needs) };
        let rest =
            "--interface eth0 --log-file /var/log/p --address fd00::7 --udp-ports 192.0.2.1/53 --vhost-user";
        assert_eq!(helper.describe(), format!("passt {start} {rest}"));
        assert_eq!((&helper.link, helper.ability.is_some()), (&link, true));
        let chardev = line.args.iter().find_map(|arg| {
            let text = line.payload(arg, &mut |_| String::new()).filter(|_| arg.flag == "-chardev");
            text.filter(|text| text.contains("net0.passt"))
        });
        // Nobody could be connected to again who is a process of one connection.
        assert_eq!(chardev.map(|text| text.contains("reconnect")), Some(reconnects));
    }
}

#[test]
fn a_helper_is_reached_in_the_way_its_arguments_say() {
    let tpm = "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>";
    let caps = [MODERN, &[Capability::TpmEmulator, Capability::TpmTis]].concat();
    let link = |config: &Config| needs("qemu", tpm, &caps, config).helpers.pop().map(|helper| helper.link);
    assert_eq!(link(&supervised()), Some(Link::Listener));
    let by_hand = Config { lib_dir: "/tmp/guest".to_owned(), ..Config::default() };
    assert_eq!(link(&by_hand), Some(Link::Makes("/tmp/guest/swtpm.sock".to_owned())));
}

#[test]
fn taps_are_asked_for_only_of_somebody_who_can_make_them() {
    let nic = "<interface type='bridge'><mac address='52:54:00:01:02:03'/><source bridge='br7'/>\
               <target dev='vnet3'/><model type='virtio'/><driver queues='2'/><mtu size='9000'/></interface>";
    assert_eq!(needs("qemu", nic, MODERN, &Config::default()).taps, []);
    let taps = needs("qemu", nic, MODERN, &supervised()).taps;
    let [tap] = taps.as_slice() else { panic!("{taps:?}") };
    assert_eq!((tap.bridge.as_deref(), tap.queues, tap.mtu), (Some("br7"), 2, Some(9000)));
    assert!(tap.vnet_header);
    // A name that libvirt made up in an earlier run is no choice.
    assert_eq!((tap.name.as_deref(), tap.exists), (None, false));
    assert_eq!(tap.mac.map(|mac| mac.to_string()).as_deref(), Some("fe:54:00:01:02:03"));
    let own =
        "<interface type='ethernet'><target dev='mytap' managed='no'/><script path='/bin/up'/></interface>";
    let taps = needs("qemu", own, MODERN, &supervised()).taps;
    let [tap] = taps.as_slice() else { panic!("{taps:?}") };
    assert_eq!((tap.name.as_deref(), tap.exists, tap.mac), (Some("mytap"), true, None));
    assert_eq!(tap.script.as_deref(), Some("/bin/up"));
}

/// The `-netdev` of a card on a host, or what is wrong with it.
fn netdev(kind: &str, nic: &str, host: &RecordedHost) -> Result<String, Vec<String>> {
    let xml = format!(
        "<domain type='{kind}'><name>guest</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type>\
         </os><devices>{nic}</devices></domain>"
    );
    let caps = [MODERN, &[Capability::VhostNet]].concat();
    let (line, problems) =
        support::lowered_on(host, &xml, &caps, &supervised()).map_err(|error| vec![error])?;
    let about: Vec<String> = problems
        .iter()
        .filter(|problem| problem.message.contains("vhost") || problem.message.contains("network"))
        .map(|problem| format!("{}: {}", problem.code, problem.message))
        .collect();
    let arg = line.args.iter().find(|arg| arg.flag == "-netdev");
    let text = arg.and_then(|arg| line.payload(arg, &mut |_| "9".to_owned())).unwrap_or_default();
    if about.is_empty() { Ok(text) } else { Err(about) }
}

#[test]
fn the_kernel_moves_packets_where_it_can_and_who_insists_is_told_where_not() {
    let files = |path: &str| [(path.to_owned(), FileKind::CharDevice)].into();
    let with = RecordedHost { files: files("/dev/vhost-net"), ..RecordedHost::default() };
    let without = RecordedHost::default();
    let elsewhere = RecordedHost { files: files("/dev/my-vhost"), ..RecordedHost::default() };
    let missing = "unsupported-configuration: `/dev/vhost-net` cannot be opened: that is how vhost has the kernel \
                   move packets";
    let not_kvm = "conflict: vhost is for guests of KVM; QEMU moves the packets of this card";
    let own = "<backend vhost='/dev/my-vhost'/>";
    for (kind, driver, host, expected) in [
        ("kvm", "", &with, Ok(true)),
        ("kvm", "", &without, Ok(false)),
        ("kvm", "<driver name='vhost'/>", &with, Ok(true)),
        ("kvm", "<driver name='vhost'/>", &without, Err(missing)),
        ("kvm", "<driver name='qemu'/>", &with, Ok(false)),
        ("kvm", own, &with, Ok(false)),
        ("kvm", own, &elsewhere, Ok(true)),
        ("qemu", "", &with, Ok(false)),
        ("qemu", "<driver name='vhost'/>", &with, Err(not_kvm)),
        ("qemu", "<driver name='vhost'/>", &without, Err(not_kvm)),
    ] {
        for source in [
            "<interface type='bridge'><source bridge='b'/>",
            "<interface type='direct'><source dev='e'/>",
            "<interface type='ethernet'>",
        ] {
            let nic = format!("{source}<model type='virtio'/>{driver}</interface>");
            let found = netdev(kind, &nic, host).map(|text| text.contains("\"vhost\":true"));
            assert_eq!(found, expected.map_err(|text| vec![text.to_owned()]), "{kind} {nic}");
        }
    }
    let several =
        "<interface type='bridge'><source bridge='b'/><model type='virtio'/><driver queues='2'/></interface>";
    let text = netdev("kvm", several, &with).unwrap_or_default();
    assert!(text.contains(r#""fds":"9:9""#) && text.contains(r#""vhostfds":"9:9""#), "{text}");
    // Only virtio cards have queues that the kernel could look after.
    let other = "<interface type='bridge'><source bridge='b'/><model type='e1000'/></interface>";
    assert_eq!(netdev("kvm", other, &with).map(|text| text.contains("vhost")), Ok(false));
}

#[test]
fn macvtap_devices_are_asked_for_with_what_they_are_stacked_on() {
    let nic = "<interface type='direct'><mac address='52:54:00:01:02:03'/><source dev='eth0' mode='passthrough'/>\
               <target dev='macvtap3'/><model type='virtio'/><driver queues='3'/></interface>";
    let taps = needs("qemu", nic, MODERN, &supervised()).taps;
    let [tap] = taps.as_slice() else { panic!("{taps:?}") };
    let lower = tap.lower.as_ref().map(|lower| (lower.dev.as_str(), lower.mode.as_str()));
    assert_eq!((lower, &tap.bridge), (Some(("eth0", "passthrough")), &None));
    // The device has the guest's own address, and no name that libvirt made up.
    assert_eq!(tap.mac.map(|mac| mac.to_string()).as_deref(), Some("52:54:00:01:02:03"));
    assert_eq!((tap.name.as_deref(), tap.queues), (None, 3));
    let told = support::arguments("qemu", nic, MODERN, &Config::default());
    assert!(told.iter().any(|line| line.contains("QEMU itself makes no macvtap device")), "{told:?}");
}

#[test]
fn a_virtual_network_is_what_its_definition_says_or_is_refused() {
    let nic = "<interface type='network'><source network='lan'/><model type='e1000'/></interface>";
    let plugged = |plug: Option<NetworkPlug>| {
        let networks = plug.map(|plug| ("lan".to_owned(), plug)).into_iter().collect();
        netdev("qemu", nic, &RecordedHost { networks, ..RecordedHost::default() })
    };
    let direct = |mode: &str| NetworkPlug::Direct { dev: "eth0".to_owned(), mode: mode.to_owned() };
    for plug in [NetworkPlug::Bridge("b".to_owned()), direct("bridge"), direct("")] {
        assert!(plugged(Some(plug)).is_ok_and(|text| text.contains("\"fd\":\"9\"")));
    }
    let refused = |plug| plugged(plug).map_err(|told| told.concat());
    let expected = "not-found: no virtual network `lan` runs on this host";
    assert_eq!(refused(None), Err(expected.to_owned()));
    let expected = "not-found: the virtual network `lan` cannot be used without libvirt: it has VLANs";
    assert_eq!(refused(Some(NetworkPlug::Unusable("it has VLANs".to_owned()))), Err(expected.to_owned()));
}

#[test]
fn what_nobody_sets_up_on_the_host_is_refused() {
    for (part, expected) in [
        ("<filterref filter='clean-traffic'/>", "packet filter"),
        ("<vlan><tag id='4'/></vlan>", "a VLAN"),
        ("<virtualport type='openvswitch'/>", "a port of a virtual switch"),
        ("<bandwidth><inbound average='100'/></bandwidth>", "bandwidth"),
        ("<coalesce><rx><frames max='7'/></rx></coalesce>", "coalesce"),
    ] {
        for source in ["type='bridge'><source bridge='br7'/>", "type='direct'><source dev='eth0'/>"] {
            let nic = format!("<interface {source}{part}</interface>");
            let problems = support::arguments("qemu", &nic, MODERN, &supervised());
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{nic}: {problems:?}");
        }
    }
    let isolated = "<interface type='bridge'><source bridge='br7'/><port isolated='yes'/></interface>";
    for (nic, config, refused) in [
        (isolated.to_owned(), supervised(), false),
        (isolated.to_owned(), Config::default(), true),
        (isolated.replace("bridge='br7'", "dev='e'").replace("'bridge'", "'direct'"), supervised(), true),
    ] {
        let told = support::arguments("qemu", &nic, MODERN, &config);
        assert_eq!(told.iter().any(|line| line.contains("an isolated port")), refused, "{nic}: {told:?}");
    }
}

#[test]
fn files_are_named_with_what_is_done_to_them() {
    let devices = "<disk type='file' device='disk'><source file='/img/a'/><target dev='vda' bus='virtio'/></disk>\
                   <disk type='file' device='cdrom'><source file='/img/b'/><target dev='hda' bus='ide'/></disk>\
                   <disk type='block' device='disk'><source dev='/dev/c'/><target dev='vdb' bus='virtio'/>\
                   <readonly/></disk>";
    let files = needs("qemu", devices, MODERN, &supervised()).files;
    let mut files: Vec<(String, bool)> =
        files.into_iter().map(|file| (file.path, file.access == qemu_argv::Access::Write)).collect();
    files.sort();
    let expected = [("/dev/c", false), ("/img/a", true), ("/img/b", false)];
    assert_eq!(files, expected.map(|(path, written)| (path.to_owned(), written)));
}

#[test]
fn what_no_argument_says_is_said_over_the_monitor_or_warned_of() {
    let nic = "<interface type='user'><link state='down'/></interface>";
    let commands = needs("qemu", nic, MODERN, &supervised()).commands;
    let [command] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(
        (command.execute, command.arguments.to_string().as_str()),
        ("set_link", r#"{"name":"net0","up":false}"#)
    );
    let told = support::arguments("qemu", nic, MODERN, &Config::default());
    assert!(told.iter().any(|line| line.contains("can only be said over QMP (`set_link`)")), "{told:?}");
}

#[test]
fn the_limits_of_a_disk_are_said_as_libvirt_says_them() {
    let disk = |bus: &str, tune: &str| {
        let devices = format!(
            "<disk type='file' device='disk'><source file='/a'/><target dev='sda' bus='{bus}'/><iotune>{tune}</iotune></disk>"
        );
        let commands = needs("qemu", &devices, MODERN, &supervised()).commands;
        commands
            .iter()
            .map(|command| format!("{} {}", command.execute, command.arguments))
            .collect::<Vec<_>>()
    };
    let rest = |one: &str| {
        let zeroes = [("bps", 0), ("bps_rd", 0), ("bps_wr", 0), ("iops", 0), ("iops_rd", 0), ("iops_wr", 0)];
        let zeroes = zeroes.map(|(key, value)| format!("\"{key}\":{value}"));
        zeroes
            .into_iter()
            .filter(|zero| !one.contains(zero.split(':').next().unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    for (bus, tune, id, said) in [
        (
            "virtio",
            "<total_bytes_sec>5</total_bytes_sec>",
            "/machine/peripheral/virtio-disk0/virtio-backend",
            "\"bps\":5",
        ),
        ("ide", "<write_iops_sec>5</write_iops_sec>", "ide0-0-0", "\"iops_wr\":5"),
        ("ide", "<read_bytes_sec_max>5</read_bytes_sec_max>", "ide0-0-0", "\"bps_rd_max\":5"),
        ("ide", "<size_iops_sec>5</size_iops_sec>", "ide0-0-0", "\"iops_size\":5"),
    ] {
        let [command] = disk(bus, tune).try_into().unwrap_or_else(|found| panic!("{tune}: {found:?}"));
        for expected in rest(said).iter().map(String::as_str).chain([said, &format!("\"id\":\"{id}\"")]) {
            assert!(
                command.starts_with("block_set_io_throttle ") && command.contains(expected),
                "{tune}: {command}"
            );
        }
    }
    assert_eq!(disk("virtio", "<total_bytes_sec>0</total_bytes_sec>"), [] as [String; 0]);
}

#[test]
fn the_sandbox_stays_off_only_where_qemu_itself_starts_a_helper() {
    let caps = [MODERN, &[Capability::SeccompSandbox, Capability::SeccompBlacklist]].concat();
    let has_sandbox = |devices: &str, config: &Config| {
        let lines = support::lines("qemu", devices, &caps, config);
        lines.iter().any(|line| line.starts_with("-sandbox"))
    };
    let bridged = "<interface type='bridge'><source bridge='br7'/></interface>";
    for (devices, config, expected) in [
        ("", Config::default(), true),
        (bridged, supervised(), true),
        (bridged, Config::default(), false),
        ("<interface type='ethernet'/>", Config::default(), true),
    ] {
        assert_eq!(has_sandbox(devices, &config), expected, "{devices}");
    }
}
