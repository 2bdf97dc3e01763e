//! Limits of throughput: `<throttlegroups>`, which disks share, and `<iotune>` of one disk.

use std::collections::BTreeSet;

use domain_model::Code;
use domain_model::device::disk::{Disk, DiskBus, IoTune, Limits, ThrottleGroup};
use serde_json::{Map, Value, json};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Resolved};
use crate::props::Props;

/// QEMU's id of a throttle group.
pub(crate) fn group_id(name: &str) -> String {
    format!("throttle-{name}")
}

/// The groups, as objects.
pub(crate) fn groups(cx: &Context<'_>, out: &mut Args) {
    for ThrottleGroup(group) in cx.domain.throttle_groups.iter().filter(|group| group.0.is_limited()) {
        let name = group.group_name.as_deref().unwrap_or_default();
        let props = Props::new("qom-type", "throttle-group", group.meta.origin)
            .set_at("id", group_id(name), group.meta.at("group_name"))
            .set("limits", limits(group));
        out.props("-object", props);
    }
}

/// Refuses groups without a name of their own, and limits that contradict each other.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let mut names = BTreeSet::new();
    for ThrottleGroup(group) in &domain.throttle_groups {
        let origin = group.meta.at("group_name");
        match group.group_name.as_deref().filter(|name| !name.is_empty()) {
            None => out.refuse(Code::MissingElement, origin, "a throttle group needs a `<group_name>`"),
            Some(name) if !names.insert(name) => {
                out.refuse(Code::Conflict, origin, format!("there is another throttle group `{name}`"));
            }
            Some(_) => {}
        }
        contradictions(group, out);
    }
}

/// The largest limit of throughput that QEMU takes.
const MAX_LIMIT: u64 = 1_000_000_000_000_000;

/// Refuses limits that contradict each other or are too large.
pub(crate) fn contradictions(tune: &IoTune, out: &mut Problems<'_>) {
    let origin = tune.meta.origin;
    let above_0 = |limit: Option<u64>| limit.is_some_and(|limit| limit > 0);
    let all = [
        ("bytes_sec", tune.bytes_sec),
        ("iops_sec", tune.iops_sec),
        ("bytes_sec_max", tune.bytes_sec_max),
        ("iops_sec_max", tune.iops_sec_max),
    ];
    for (name, limits) in all {
        if above_0(limits.total) && (above_0(limits.read) || above_0(limits.write)) {
            let message = format!("`total_{name}` already limits reading and writing together");
            out.refuse(Code::Conflict, origin, message);
        }
    }
    let limits = all.iter().flat_map(|(_, of)| [of.total, of.read, of.write]).chain([tune.size_iops_sec]);
    if limits.flatten().any(|limit| limit > MAX_LIMIT) {
        out.unsupported(origin, format!("a limit is {MAX_LIMIT} at most"));
    }
}

/// Every limit, 0 where there is none; how long a burst may last only where it is said.
fn limits(tune: &IoTune) -> Props {
    let three = |props: Props, of: Limits, names: [&'static str; 3]| {
        let [total, read, write] = names;
        props
            .set(total, of.total.unwrap_or_default())
            .set(read, of.read.unwrap_or_default())
            .set(write, of.write.unwrap_or_default())
    };
    let lengths = |props: Props, of: Limits, names: [&'static str; 3]| {
        let [total, read, write] = names;
        let given = |length: Option<u64>| length.filter(|length| *length > 0);
        props.set(total, given(of.total)).set(read, given(of.read)).set(write, given(of.write))
    };
    let props = Props::plain(tune.meta.origin);
    let props = three(props, tune.bytes_sec, ["bps-total", "bps-read", "bps-write"]);
    let props = three(props, tune.iops_sec, ["iops-total", "iops-read", "iops-write"]);
    let props = three(props, tune.bytes_sec_max, ["bps-total-max", "bps-read-max", "bps-write-max"]);
    let props = three(props, tune.iops_sec_max, ["iops-total-max", "iops-read-max", "iops-write-max"]);
    let props = props.set("iops-size", tune.size_iops_sec.unwrap_or_default());
    let bytes = ["bps-total-max-length", "bps-read-max-length", "bps-write-max-length"];
    let props = lengths(props, tune.bytes_sec_max_length, bytes);
    let operations = ["iops-total-max-length", "iops-read-max-length", "iops-write-max-length"];
    lengths(props, tune.iops_sec_max_length, operations)
}

/// Tells QEMU of a disk's own limits, for which it has no argument that goes with `-blockdev`.
pub(crate) fn disk(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let Some(tune) = device.spec.iotune.as_ref().filter(|tune| tune.is_limited()) else { return };
    // A drive without a medium has nothing that could be limited.
    let Some(id) = qom_name(device).filter(|_| !device.spec.source.is_empty()) else { return };
    let mut arguments = Map::from_iter([("id".to_owned(), json!(id))]);
    let limits = |name: &str, of: Limits, arguments: &mut Map<String, Value>| {
        for (suffix, limit) in [("", of.total), ("_rd", of.read), ("_wr", of.write)] {
            // The limits themselves have to be there, and 0 is none.
            let key = match name.split_once('_') {
                None => format!("{name}{suffix}"),
                Some((name, rest)) => format!("{name}{suffix}_{rest}"),
            };
            let limit = limit.filter(|limit| *limit > 0);
            if let Some(limit) = limit.or((!name.contains('_')).then_some(0)) {
                arguments.insert(key, json!(limit));
            }
        }
    };
    limits("bps", tune.bytes_sec, &mut arguments);
    limits("iops", tune.iops_sec, &mut arguments);
    limits("bps_max", tune.bytes_sec_max, &mut arguments);
    limits("iops_max", tune.iops_sec_max, &mut arguments);
    limits("bps_max_length", tune.bytes_sec_max_length, &mut arguments);
    limits("iops_max_length", tune.iops_sec_max_length, &mut arguments);
    if let Some(size) = tune.size_iops_sec.filter(|size| *size > 0) {
        arguments.insert("iops_size".to_owned(), json!(size));
    }
    if let Some(group) = &tune.group_name {
        arguments.insert("group".to_owned(), json!(group));
    }
    let what = "how much a disk may read and write";
    out.command("block_set_io_throttle", arguments.into(), what, tune.meta.origin, cx);
}

/// Where QEMU has the drive that the limits are for; virtio and USB have it below the device.
fn qom_name(device: &Resolved<'_, Disk>) -> Option<String> {
    let alias = device.alias;
    match device.spec.target.bus? {
        DiskBus::Fdc | DiskBus::Ide | DiskBus::Scsi | DiskBus::Sata => Some(alias.to_owned()),
        DiskBus::Virtio => Some(format!("/machine/peripheral/{alias}/virtio-backend")),
        DiskBus::Usb => Some(format!("/machine/peripheral/{alias}/{alias}.0/legacy[0]")),
        DiskBus::Xen | DiskBus::Uml | DiskBus::Sd => None,
    }
}
