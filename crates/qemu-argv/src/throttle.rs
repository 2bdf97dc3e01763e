//! `<throttlegroups>`: limits that disks share.

use domain_model::device::disk::{IoTune, Limits};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;

/// QEMU's id of a throttle group.
pub(crate) fn group_id(name: &str) -> String {
    format!("throttle-{name}")
}

/// The groups, as objects.
pub(crate) fn groups(cx: &Context<'_>, out: &mut Args) {
    for group in &cx.domain.throttle_groups {
        let name = group.group_name.as_deref().unwrap_or_default();
        let props = Props::new("qom-type", "throttle-group", group.meta.origin)
            .set_at("id", group_id(name), group.meta.at("group_name"))
            .set("limits", limits(group));
        out.props("-object", props);
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
