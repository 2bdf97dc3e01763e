//! What is not a device: memory, processors, machine options, firmware.

use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Domain};
use qemu_argv::{Config, FirmwareFile, Inputs, Layout, RecordedHost};

const UEFI: &str = r#"{"interface-types":["uefi"],"mapping":{"device":"flash","executable":{"filename":"/fw/code.fd",
"format":"raw"},"nvram-template":{"filename":"/fw/vars.fd","format":"raw"}},"targets":[{"architecture":"x86_64",
"machines":["pc-q35-*"]}],"features":["secure-boot","requires-smm"]}"#;

/// The arguments with one of the flags, or the messages of what is wrong.
#[track_caller]
fn check(body: &str, flags: &[&str], expected: &[&str]) {
    let xml = format!(
        "<domain type='kvm'><name>g</name><os><type arch='x86_64' machine='pc-q35-9.0'>hvm</type></os>{body}</domain>"
    );
    check_whole(&xml, flags, expected);
}

#[track_caller]
fn check_whole(xml: &str, flags: &[&str], expected: &[&str]) {
    let Ok(document) = Document::parse("", xml) else { return assert_eq!(xml, "well-formed") };
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty(), "{problems:?}");
    let caps = Capabilities::from_flags([
        Capability::Blockdev,
        Capability::DmiToPciBridge,
        Capability::Ioh3420,
        Capability::PciBridge,
        Capability::Kvm,
        Capability::KvmPitLostTickPolicy,
        Capability::CpuMax,
        Capability::VhostUserBlk,
        Capability::CpuMigratable,
        Capability::MchExtendedTsegMbytes,
        Capability::Smm,
    ]);
    let firmware_files = vec![FirmwareFile { path: "50-uefi.json".to_owned(), text: UEFI.to_owned() }];
    let host = RecordedHost { firmware_files, ..RecordedHost::default() };
    let config = Config { layout: Layout::Libvirt, ..Config::default() };
    let inputs = Inputs { caps: &caps, host: &host, config: &config };
    let (resolved, problems) = qemu_argv::resolve(&domain, inputs);
    let (line, more) = qemu_argv::lower(&resolved, inputs);
    let errors: Vec<String> = problems
        .iter()
        .chain(&more)
        .filter(|problem| problem.is_error())
        .map(|p| p.message.clone())
        .collect();
    let wanted = line.args.iter().filter(|arg| flags.contains(&arg.flag));
    let lines: Vec<String> =
        wanted.map(|arg| line.payload(arg, &mut |_| "9".to_owned()).unwrap_or_default()).collect();
    assert_eq!(if errors.is_empty() { lines } else { errors }, expected);
}

/// What `<vcpu>` has left to say once everything is decided: `cpuset` and `current`.
#[test]
fn processors_say_what_matters() {
    fn check(vcpu: &str, cpuset: Option<&str>, current: Option<u32>) {
        let xml = format!(
            "<domain type='kvm'><name>g</name><memory>65536</memory>{vcpu}<os><type arch='x86_64' machine='pc'>hvm\
             </type></os></domain>"
        );
        let Ok(document) = Document::parse("", &xml) else { return assert_eq!(xml, "well-formed") };
        let (caps, host, config) =
            (Capabilities::from_flags([Capability::Blockdev]), RecordedHost::default(), Config::default());
        let inputs = Inputs { caps: &caps, host: &host, config: &config };
        let (resolved, _) = qemu_argv::resolve(&Domain::read(&document).0, inputs);
        let found = resolved.vcpu.map(|vcpu| (vcpu.cpuset.map(|set| set.to_string()), vcpu.current));
        assert_eq!(found, Some((cpuset.map(str::to_owned), current)), "{vcpu}");
    }
    check("<vcpu cpuset='1-2' current='1'>2</vcpu>", Some("1-2"), Some(1));
    check("<vcpu placement='auto' cpuset='1-2'>2</vcpu>", None, None);
    check("<vcpu current='2'>2</vcpu>", None, None);
    check("<vcpu current='1'/>", None, None);
}

#[test]
fn processors_and_memory() {
    for (body, flag, expected) in [
        ("<memory>524289</memory>", "-m", "size=525312k"),
        (
            "<memory>1048576</memory><vcpu current='2'>4</vcpu>",
            "-smp",
            "2,maxcpus=4,sockets=4,cores=1,threads=1",
        ),
        (
            "<memory>1048576</memory><cpu mode='host-passthrough'/><features><hyperv><relaxed state='on'/>\
             <spinlocks state='on' retries='8191'/></hyperv><kvm><hidden state='on'/></kvm></features>",
            "-cpu",
            "host,migratable=on,hv-relaxed=on,hv-spinlocks=0x1fff,kvm=off",
        ),
        // What is off has no value, and all that the host has is not chosen one by one.
        (
            "<memory>1048576</memory><cpu mode='maximum'><model>m</model></cpu><features><hyperv mode='passthrough'>\
             <relaxed state='on'/><vendor_id state='on' value='x'/></hyperv><kvm><hint-dedicated state='on'/></kvm></features>",
            "-cpu",
            "max,hv-passthrough=on,kvm-hint-dedicated=on",
        ),
        (
            "<memory>1048576</memory><cpu mode='host-passthrough'/><features><hyperv><relaxed state='on'/>\
             <stimer state='off'><direct state='on'/></stimer><tlbflush state='on'><direct state='off'/></tlbflush>\
             </hyperv></features>",
            "-cpu",
            "host,migratable=on,hv-relaxed=on,hv-tlbflush=on",
        ),
        (
            "<memory>1048576</memory><vcpu>2</vcpu><vcpus><vcpu id='0' enabled='yes' order='0'/></vcpus>",
            "-smp",
            "1,maxcpus=2,sockets=2,cores=1,threads=1",
        ),
        (
            "<maxMemory slots='0'>2097152</maxMemory><memory>1048576</memory><cpu><numa><cell id='0' cpus='0' memory='1048576'/>\
             </numa></cpu>",
            "-m",
            "size=1048576k,maxmem=2097152k",
        ),
        ("<memory>1048576</memory><clock offset='absolute' start='0'/>", "-rtc", "base=1970-01-01T00:00:00"),
    ] {
        check(body, &[flag], &[expected]);
    }
}

#[test]
fn what_libvirt_refuses() {
    let memory = "<memory>1048576</memory>";
    let check = |body: &str, expected: &str| check(&format!("{memory}{body}"), &["-name"], &[expected]);
    check(
        "<features><smm state='on'><tseg unit='KiB'>48</tseg></smm></features>",
        "the size of `<tseg>` is in whole MiB",
    );
    check(
        "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0-2' memory='1048576'/></numa></cpu>",
        "the guest has 2 CPUs, from 0, and no CPU 2",
    );
    check(
        "<numatune><memory mode='strict'/></numatune>",
        "memory that comes from certain nodes needs the attribute `nodeset`",
    );
    check("<keywrap><cipher name='aes' state='on'/></keywrap>", "only guests of IBM Z wrap keys");
    for limits in [
        "<defaultiothread thread_pool_max='5'/>",
        "<iothreads>1</iothreads><iothreadids><iothread id='1' thread_pool_min='3' thread_pool_max='3'/></iothreadids>",
    ] {
        check(
            &format!("<vcpu>1</vcpu>{limits}"),
            "`thread_pool_max` is not supported: the QEMU of `a list of flags` lacks the capability `iothread.thread-pool-max`",
        );
    }
}

#[test]
fn timers_keep_their_order() {
    let hpet = "<timer name='hpet' present='no'/>";
    let pit = "<timer name='pit' tickpolicy='delay'/>";
    let flags = ["-rtc", "-no-hpet", "-global"];
    let (lost, watchdog) = ("kvm-pit.lost_tick_policy=delay", "ICH9-LPC.noreboot=off");
    for (timers, expected) in [
        (format!("{hpet}{pit}"), ["base=utc", "", lost, watchdog]),
        (format!("{pit}{hpet}"), ["base=utc", lost, "", watchdog]),
    ] {
        let body = format!("<memory>1048576</memory><clock offset='utc'>{timers}</clock>");
        check(&body, &flags, &expected);
    }
}

#[test]
fn vhost_user_disks_reconnect_in_the_unit_that_qemu_knows() {
    // QEMU counts milliseconds since 9.2.
    check(
        "<memory>1048576</memory><memoryBacking><access mode='shared'/></memoryBacking><devices>\
         <disk type='vhostuser'><driver type='raw'/><source type='unix' path='/s'>\
         <reconnect enabled='yes' timeout='10'/></source><target dev='vda'/></disk></devices>",
        &["-chardev"],
        &[
            "socket,id=charmonitor,fd=9,server=on,wait=off",
            "socket,id=chr-vu-virtio-disk0,path=/s,reconnect=10",
        ],
    );
}

#[test]
fn numa_cells() {
    let cells = "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='1' unit='GiB'><distances>\
        <sibling id='1' value='21'/></distances></cell><cell id='1' cpus='1' memory='1' unit='GiB'/></numa></cpu>";
    let lines = [
        "node,nodeid=0,cpus=0,memdev=ram-node0",
        "node,nodeid=1,cpus=1,memdev=ram-node1",
        "dist,src=0,dst=0,val=10",
        "dist,src=0,dst=1,val=21",
        "dist,src=1,dst=0,val=21",
        "dist,src=1,dst=1,val=10",
    ];
    check(cells, &["-numa"], &lines);
    // CPUs that no cell has are the first cell's.
    let bare = "<vcpu>2</vcpu><cpu><numa><cell memory='1' unit='GiB'/></numa></cpu>";
    check(bare, &["-numa"], &["node,nodeid=0,cpus=0-1,memdev=ram-node0"]);
}

#[test]
fn firmware() {
    let efi = |features: &str| {
        format!(
            "<domain type='kvm'><name>g</name><memory>1048576</memory><os firmware='efi'>\
             <type arch='x86_64' machine='pc-q35-9.0'>hvm</type>{features}</os><features><acpi/></features></domain>"
        )
    };
    let globals = ["driver=cfi.pflash01,property=secure,value=on", "ICH9-LPC.noreboot=off"];
    check_whole(&efi(""), &["-global"], &globals);
    check_whole(
        &efi("<firmware><feature enabled='no' name='secure-boot'/></firmware>"),
        &["-global"],
        &["no firmware of type `efi` on this host has what is asked for"],
    );
    check_whole(
        "<domain type='kvm'><name>g</name><memory>1048576</memory><os><type arch='x86_64' machine='pc-q35-9.0'>hvm</type>\
         <loader readonly='yes' type='pflash'>/fw</loader><nvram type='volume'><source pool='p' volume='v'/></nvram></os>\
         <features><acpi/></features></domain>",
        &["-name"],
        &["an NVRAM is a file, a block device or on the network, not a `volume`"],
    );
}
