//! Limits and places of a guest's threads, which no argument says: there before the guest runs.

use std::path::PathBuf;

use crate::running::{Running, echo};
use crate::support::{Place, gone, qemus, real_qemu};

fn qmp(place: &Place, args: &[&str]) -> serde_json::Value {
    let said = place.domx(&[&["qmp", "echo"], args].concat());
    assert_eq!(said.status, 0, "{said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

#[test]
fn the_throughput_of_disks_on_every_bus_is_limited() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let disk = |name: &str, bus: &str, number: u32| {
        let image = place.file(&format!("{name}.raw"), &"x".repeat(1 << 16));
        format!(
            "<disk type='file' device='disk'><source file='{}'/><target dev='{name}' bus='{bus}'/>
             <iotune><read_bytes_sec>{number}000000</read_bytes_sec><total_iops_sec>{number}00</total_iops_sec>
             <total_iops_sec_max>{number}000</total_iops_sec_max>
             <total_iops_sec_max_length>7</total_iops_sec_max_length><size_iops_sec>4096</size_iops_sec></iotune></disk>",
            image.display()
        )
    };
    let shared = |name: &str| {
        disk(name, "virtio", 8).replace("<size_iops_sec>", "<group_name>g</group_name><size_iops_sec>")
    };
    let devices = [
        disk("vdb", "virtio", 2),
        disk("sda", "scsi", 3),
        disk("sdb", "sata", 4),
        disk("sdc", "usb", 5),
        shared("vdc"),
        shared("vdd"),
        "<controller type='scsi' index='0' model='virtio-scsi'/><controller type='usb' model='qemu-xhci'/>"
            .to_owned(),
        "<disk type='file' device='cdrom'><target dev='sdd' bus='sata'/><readonly/>\
         <iotune><total_iops_sec>9</total_iops_sec></iotune></disk>"
            .to_owned(),
    ];
    let guest = Running::start(&place, &echo(&devices.concat()), &[]);
    let blocks = qmp(&place, &["query-block"]);
    let limits = |qdev: &str| {
        let block = blocks.as_array().unwrap().iter().find(|block| {
            block["qdev"].as_str().is_some_and(|found| found.contains(qdev)) && block["inserted"].is_object()
        });
        let inserted = &block.unwrap_or_else(|| panic!("no {qdev} in {blocks}"))["inserted"];
        ["bps_rd", "iops", "iops_max", "iops_max_length", "iops_size"].map(|key| inserted[key].as_u64())
    };
    for (qdev, number) in [
        ("virtio-disk1/", 2),
        ("scsi0-0-0", 3),
        ("sata0-0-1", 4),
        ("usb-disk2", 5),
        ("virtio-disk2/", 8),
        ("virtio-disk3/", 8),
    ] {
        let expected = [number * 1_000_000, number * 100, number * 1000, 7, 4096].map(Some);
        assert_eq!(limits(qdev), expected, "{qdev}");
    }
    assert!(blocks.to_string().contains(r#""group":"g""#), "{blocks}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

/// What the kernel says of a thread.
fn status(qemu: u32, thread: u64, key: &str) -> String {
    let file = PathBuf::from(format!("/proc/{qemu}/task/{thread}/status"));
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn threads_run_where_the_domain_says() {
    if real_qemu().is_none() {
        return;
    }
    let own = status(std::process::id(), u64::from(std::process::id()), "Cpus_allowed_list");
    let (Some(first), Some(last)) = (
        own.split([',', '-']).next().and_then(|cpu| cpu.parse::<u32>().ok()),
        own.split([',', '-']).next_back().and_then(|cpu| cpu.parse::<u32>().ok()),
    ) else {
        panic!("{own}")
    };
    let place = Place::new();
    let tune = format!(
        "<vcpu>3</vcpu><iothreads>2</iothreads><cputune><vcpupin vcpu='0' cpuset='{last}'/>\
         <vcpupin vcpu='1' cpuset='{first}'/><emulatorpin cpuset='{first}'/><iothreadpin iothread='2' cpuset='{last}'/>\
         <vcpusched vcpus='1' scheduler='batch'/></cputune>"
    );
    let xml = echo("").replace("<vcpu>1</vcpu>", &tune);
    let guest = Running::start(&place, &xml, &[]);
    let qemu = *qemus(&place).first().unwrap();
    let vcpus = qmp(&place, &["query-cpus-fast"]);
    let iothreads = qmp(&place, &["query-iothreads"]);
    let thread = |list: &serde_json::Value, key: &str, wanted: serde_json::Value| {
        let found = list.as_array().unwrap().iter().find(|one| one[key] == wanted);
        found.unwrap_or_else(|| panic!("{list}"))["thread-id"].as_u64().unwrap()
    };
    let allowed = |thread| status(qemu, thread, "Cpus_allowed_list");
    assert_eq!(allowed(u64::from(qemu)), first.to_string());
    assert_eq!(allowed(thread(&vcpus, "cpu-index", 0.into())), last.to_string());
    let batch = thread(&vcpus, "cpu-index", 1.into());
    assert_eq!(allowed(batch), first.to_string());
    // What is not pinned is not pinned with QEMU's first thread either.
    assert_eq!(allowed(thread(&vcpus, "cpu-index", 2.into())), own);
    assert_eq!(allowed(thread(&iothreads, "id", "iothread1".into())), own);
    assert_eq!(allowed(thread(&iothreads, "id", "iothread2".into())), last.to_string());
    let stat = std::fs::read_to_string(format!("/proc/{qemu}/task/{batch}/stat")).unwrap();
    let policy = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().to_owned();
    assert_eq!(policy, "3", "SCHED_BATCH");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn a_place_that_is_not_there_is_told_at_its_line() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let check = |tune: &str, expected: &str| {
        let xml = echo("").replace("<vcpu>1</vcpu>", tune);
        let file = place.file("guest.xml", &xml);
        let said = place.domx(&["run", file.to_str().unwrap(), "--timeout", "20s"]);
        assert_eq!(said.status, 1, "{said:?}");
        for expected in [expected, "guest.xml:4:"] {
            assert!(said.stderr.contains(expected), "{expected}: {said:?}");
        }
        gone(&place);
    };
    check(
        "<vcpu>1</vcpu><cputune><vcpupin vcpu='0' cpuset='1000'/></cputune>",
        "none of the processors 1000",
    );
    // No priority is that high: found out only by asking the kernel.
    check(
        "<vcpu>1</vcpu><cputune><vcpusched vcpus='0' scheduler='fifo' priority='4000'/></cputune>",
        "cannot place the thread",
    );
}

#[test]
fn processors_that_can_be_taken_away_are_there_at_the_start() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let vcpus = "<vcpu current='3'>4</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>\
                 <vcpu id='1' enabled='no' hotpluggable='yes'/><vcpu id='2' enabled='yes' hotpluggable='yes'/>\
                 <vcpu id='3' enabled='yes' hotpluggable='yes'/></vcpus>";
    let guest = Running::start(&place, &echo("").replace("<vcpu>1</vcpu>", vcpus), &[]);
    let listed = qmp(&place, &["query-hotpluggable-cpus"]);
    let mut sockets: Vec<u64> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["qom-path"].is_string())
        .map(|one| one["props"]["socket-id"].as_u64().unwrap())
        .collect();
    sockets.sort_unstable();
    assert_eq!(sockets, [0, 2, 3], "{listed}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}
