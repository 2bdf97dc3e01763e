//! `<iotune>` of disks: limits of throughput.

use crate::xml::{Element, Meta, Xml};

/// Limits of one kind, each for reading and writing together or apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Reading and writing together; excludes the other two.
    pub total: Option<u64>,
    /// Reading.
    pub read: Option<u64>,
    /// Writing.
    pub write: Option<u64>,
}

/// `<iotune>`: limits of throughput. What is missing or 0 is not limited.
///
/// The same elements are in `<throttlegroup>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IoTune {
    /// Bytes per second.
    pub bytes_sec: Limits,
    /// Operations per second.
    pub iops_sec: Limits,
    /// Bytes per second in a burst; since libvirt 1.2.11.
    pub bytes_sec_max: Limits,
    /// Operations per second in a burst; since libvirt 1.2.11.
    pub iops_sec_max: Limits,
    /// Bytes that count as one operation; since libvirt 1.2.11.
    pub size_iops_sec: Option<u64>,
    /// The disks of the same group share the limits; since libvirt 3.0.
    pub group_name: Option<String>,
    /// Seconds that a burst in bytes may last; since libvirt 2.4.
    pub bytes_sec_max_length: Limits,
    /// Seconds that a burst in operations may last; since libvirt 2.4.
    pub iops_sec_max_length: Limits,
    /// Where it was written.
    pub meta: Meta,
}

impl Limits {
    fn describe<X: Xml>(&mut self, xml: &mut X, names: [&'static str; 3]) {
        let [total, read, write] = names;
        xml.value(total, &mut self.total);
        xml.value(read, &mut self.read);
        xml.value(write, &mut self.write);
    }
}

impl Element for IoTune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.bytes_sec.describe(xml, ["total_bytes_sec", "read_bytes_sec", "write_bytes_sec"]);
        self.iops_sec.describe(xml, ["total_iops_sec", "read_iops_sec", "write_iops_sec"]);
        self.bytes_sec_max
            .describe(xml, ["total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max"]);
        self.iops_sec_max.describe(xml, ["total_iops_sec_max", "read_iops_sec_max", "write_iops_sec_max"]);
        xml.value("size_iops_sec", &mut self.size_iops_sec);
        xml.value("group_name", &mut self.group_name);
        self.bytes_sec_max_length.describe(
            xml,
            ["total_bytes_sec_max_length", "read_bytes_sec_max_length", "write_bytes_sec_max_length"],
        );
        self.iops_sec_max_length.describe(
            xml,
            ["total_iops_sec_max_length", "read_iops_sec_max_length", "write_iops_sec_max_length"],
        );
    }
}
