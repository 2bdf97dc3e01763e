//! What the host has to have ready, and what is asked of it only then.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod support;

use caps_parser::Capability;
use qemu_argv::{Config, Link};
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

#[test]
fn what_nobody_sets_up_on_the_host_is_refused() {
    for (part, expected) in [
        ("<filterref filter='clean-traffic'/>", "a packet filter"),
        ("<vlan><tag id='4'/></vlan>", "a VLAN"),
        ("<virtualport type='openvswitch'/>", "a port of a virtual switch"),
        ("<bandwidth><inbound average='100'/></bandwidth>", "bandwidth"),
        ("<port isolated='yes'/>", "an isolated port"),
    ] {
        let nic = format!("<interface type='bridge'><source bridge='br7'/>{part}</interface>");
        let problems = support::arguments("qemu", &nic, MODERN, &Config::default());
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{part}: {problems:?}");
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
