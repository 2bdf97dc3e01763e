//! What a supervised guest has besides its devices.

use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Domain};
use qemu_argv::{Config, Inputs, Layout, RecordedHost};

/// The arguments with this flag.
#[track_caller]
fn check(body: &str, caps: &[Capability], config: &Config, flag: &str, expected: &[&str]) {
    let xml = format!(
        "<domain type='qemu'><name>g</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type>\
         </os>{body}</domain>"
    );
    let Ok(document) = Document::parse("", xml.as_str()) else { return assert_eq!(xml, "well-formed") };
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty(), "{problems:?}");
    let caps = Capabilities::from_flags(caps.iter().copied().chain([Capability::Blockdev]));
    let inputs = Inputs { caps: &caps, host: &RecordedHost::default(), config };
    let (resolved, _) = qemu_argv::resolve(&domain, inputs);
    let (line, _) = qemu_argv::lower(&resolved, inputs);
    let found: Vec<String> = line
        .args
        .iter()
        .filter(|arg| arg.flag == flag)
        .map(|arg| line.payload(arg, &mut |_| "9".to_owned()).unwrap_or_default())
        .collect();
    assert_eq!(found, expected, "{body} {caps:?}");
}

#[test]
fn qemu_ends_with_its_supervisor() {
    use Capability::{RunWithAsyncTeardown, RunWithExitWithParent};
    let supervised = Config { supervised: true, ..Config::default() };
    let both = [RunWithAsyncTeardown, RunWithExitWithParent];
    let teardown = "<features><async-teardown enabled='yes'/></features>";
    check("", &both, &supervised, "-run-with", &["exit-with-parent=on"]);
    check("", &[], &supervised, "-run-with", &[]);
    check(teardown, &both, &supervised, "-run-with", &["async-teardown=on,exit-with-parent=on"]);
    check(teardown, &both[..1], &supervised, "-run-with", &["async-teardown=on"]);
    // A person who pastes a command line into a shell does not want that, and libvirt does not say it.
    check("", &both, &Config::default(), "-run-with", &[]);
    check("", &both, &Config { layout: Layout::Libvirt, ..Config::default() }, "-run-with", &[]);
}

#[test]
fn the_end_of_a_guest_is_left_to_its_supervisor() {
    let supervised = Config { supervised: true, ..Config::default() };
    let reboot = "<on_reboot>destroy</on_reboot>";
    check(reboot, &[Capability::SetAction], &supervised, "-no-shutdown", &[""]);
    check(reboot, &[Capability::SetAction], &supervised, "-action", &[]);
    check(reboot, &[Capability::SetAction], &Config::default(), "-action", &["reboot=shutdown"]);
    check(reboot, &[], &Config::default(), "-no-reboot", &[""]);
}

/// What is noted of a guest's threads and processors, and what is warned of.
#[track_caller]
fn check_threads(body: &str, config: &Config, expected: &[&str]) {
    let xml = format!(
        "<domain type='qemu'><name>g</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type>\
         </os>{body}</domain>"
    );
    let Ok(document) = Document::parse("", xml.as_str()) else { return assert_eq!(xml, "well-formed") };
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty(), "{problems:?}");
    let caps = Capabilities::from_flags([Capability::Blockdev]);
    let inputs = Inputs { caps: &caps, host: &RecordedHost::default(), config };
    let (resolved, _) = qemu_argv::resolve(&domain, inputs);
    let (line, problems) = qemu_argv::lower(&resolved, inputs);
    let processors = line.needs.processors.iter().map(|one| format!("add {}", one.index));
    let placements = line.needs.placements.iter().map(|one| {
        let cpus = one.cpus.as_ref().map_or("any".to_owned(), ToString::to_string);
        let how =
            one.scheduling.map(|how| format!(" {} {:?}", how.scheduler, how.priority)).unwrap_or_default();
        format!("{:?} {cpus}{how}", one.thread)
    });
    let warnings = problems.iter().filter(|problem| !problem.is_error()).map(|problem| {
        let start: Vec<&str> = problem.message.split(' ').take(8).collect();
        format!("warning: {}", start.join(" "))
    });
    let found: Vec<String> = processors.chain(placements).chain(warnings).collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn threads_run_where_the_domain_says() {
    let supervised = Config { supervised: true, ..Config::default() };
    let check = |body: &str, expected: &[&str]| check_threads(body, &supervised, expected);
    check("<vcpu>2</vcpu>", &[]);
    check(
        "<vcpu cpuset='1-2'>2</vcpu><iothreads>1</iothreads>",
        &["Vcpu(0) 1-2", "Vcpu(1) 1-2", "Iothread(\"iothread1\") 1-2", "Main 1-2"],
    );
    // What is not pinned runs anywhere, even where QEMU's first thread does not.
    check(
        "<vcpu>2</vcpu><cputune><vcpupin vcpu='1' cpuset='3'/><emulatorpin cpuset='0'/></cputune>",
        &["Vcpu(0) any", "Vcpu(1) 3", "Main 0"],
    );
    check(
        "<vcpu current='1'>2</vcpu><cputune><vcpupin vcpu='0' cpuset='3'/><vcpupin vcpu='1' cpuset='3'/>\
           <emulatorsched scheduler='rr' priority='3'/></cputune>",
        &["Vcpu(0) 3", "Main any rr Some(3)"],
    );
    check(
        "<vcpu>2</vcpu><iothreads>2</iothreads><cputune><vcpusched vcpus='0-1' scheduler='idle'/>\
           <iothreadsched iothreads='2' scheduler='fifo' priority='1'/></cputune>",
        &["Vcpu(0) any idle None", "Vcpu(1) any idle None", "Iothread(\"iothread2\") any fifo Some(1)"],
    );
    let states = "<vcpu>3</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>\
                  <vcpu id='1' enabled='yes' hotpluggable='yes' order='3'/>\
                  <vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/></vcpus>";
    check(states, &["add 2", "add 1"]);
    // A person who pastes a command line into a shell is told; libvirt does all this itself.
    let by_hand = Config::default();
    let pinned = "<vcpu cpuset='0'>1</vcpu>";
    check_threads(states, &by_hand, &["warning: that there are more processors at the start"]);
    check_threads(pinned, &by_hand, &["warning: where threads run on the host can only"]);
    check_threads(pinned, &Config { layout: Layout::Libvirt, ..Config::default() }, &[]);
}

#[test]
fn limits_that_nobody_keeps_are_warned_of() {
    let supervised = Config { supervised: true, ..Config::default() };
    for (body, name) in [
        ("<cputune><shares>9</shares></cputune>", "shares"),
        ("<cputune><quota>9000</quota></cputune>", "quota"),
        ("<cputune><emulator_quota>9000</emulator_quota></cputune>", "emulator_quota"),
        ("<memtune><hard_limit>900000</hard_limit></memtune>", "hard_limit"),
        ("<memtune><soft_limit>900000</soft_limit></memtune>", "soft_limit"),
        ("<blkiotune><weight>500</weight></blkiotune>", "blkiotune"),
    ] {
        let expected = format!("warning: nobody makes control groups here, as `<{name}>` needs:");
        check_threads(body, &supervised, &[&expected]);
        check_threads(body, &Config { layout: Layout::Libvirt, ..Config::default() }, &[]);
    }
    check_threads("<cputune><quota>-1</quota><period>9000</period></cputune>", &supervised, &[]);
    check_threads(
        "<numatune><memory mode='restrictive' nodeset='0'/></numatune>",
        &supervised,
        &["warning: QEMU is not told of these nodes, and"],
    );
}

#[test]
fn what_nobody_follows_is_told() {
    let supervised = Config { supervised: true, ..Config::default() };
    let card = |more: &str| {
        format!(
            "<devices><interface type='user'><mac address='52:54:00:00:00:01'/>{more}</interface></devices>"
        )
    };
    let disk = |source: &str| {
        format!(
            "<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/a'>{source}\
             </source><target dev='vda' bus='virtio'/></disk></devices>"
        )
    };
    for (body, expected) in [
        (
            "<resource><partition>/machine/a</partition></resource>",
            "nobody makes control groups here, as `<partition>` needs:",
        ),
        ("<resource><fibrechannel appid='a'/></resource>", "nobody marks what the guest sends over Fibre"),
        ("<perf><event name='cmt' enabled='yes'/></perf>", "nobody counts performance events of the guest"),
        ("<on_lockfailure>pause</on_lockfailure>", "nobody takes leases for the guest, so none"),
        (
            "<idmap><uid start='0' target='1' count='1'/><gid start='0' target='1' count='1'/></idmap>",
            "users and groups are not mapped: `<idmap>` is",
        ),
        (
            "<seclabel type='dynamic' model='selinux' relabel='yes'/>",
            "nobody gives QEMU a security label: what the",
        ),
        (
            "<clock offset='utc'><timer name='rtc' tickpolicy='catchup'><catchup slew='9'/></timer></clock>",
            "QEMU itself chooses how fast a timer catches",
        ),
        (
            &disk("<seclabel model='dac' relabel='yes'><label>a</label></seclabel>"),
            "nobody gives this image a security label: what",
        ),
        (
            &card("<bandwidth><inbound average='9'/></bandwidth>"),
            "nobody limits the bandwidth of an interface of",
        ),
        (&card("<guest dev='eth9'/>"), "what the card is called in the guest"),
        (&card("<backenddomain name='a'/>"), "`<backenddomain>` is for Xen, and means nothing to"),
    ] {
        check_threads(body, &supervised, &[&format!("warning: {expected}")]);
        check_threads(body, &Config::default(), &[&format!("warning: {expected}")]);
        check_threads(body, &Config { layout: Layout::Libvirt, ..Config::default() }, &[]);
    }
    for body in [
        "<perf><event name='cmt' enabled='no'/></perf>",
        "<seclabel type='none'/>",
        &disk("<seclabel model='dac' relabel='no'/>"),
        &card(""),
    ] {
        check_threads(body, &supervised, &[]);
    }
}
