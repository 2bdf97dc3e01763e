//! `<iotune>` of disks: limits of throughput.

use crate::xml::{Element, Meta, Xml};

/// Limits of one kind, each for reading and writing together or apart; since libvirt 0.9.8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Reading and writing together; excludes the other two.
    pub total: Option<u64>,
    /// Reading.
    pub read: Option<u64>,
    /// Writing.
    pub write: Option<u64>,
}

/// `<iotune>`: limits of throughput. What is missing or 0 is not limited. Since libvirt 0.9.8.
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
        xml.optional_value(total, &mut self.total);
        xml.optional_value(read, &mut self.read);
        xml.optional_value(write, &mut self.write);
    }
}

impl IoTune {
    /// Takes limits of 0 for what they are: none.
    pub fn drop_zeroes(&mut self) {
        let all = [
            &mut self.bytes_sec,
            &mut self.iops_sec,
            &mut self.bytes_sec_max,
            &mut self.iops_sec_max,
            &mut self.bytes_sec_max_length,
            &mut self.iops_sec_max_length,
        ];
        let limits = all.into_iter().flat_map(|of| [&mut of.total, &mut of.read, &mut of.write]);
        for limit in limits.chain([&mut self.size_iops_sec]) {
            limit.take_if(|limit| *limit == 0);
        }
        self.group_name.take_if(|name| name.is_empty());
    }

    /// Whether there is any limit.
    pub fn is_limited(&self) -> bool {
        let all = [self.bytes_sec, self.iops_sec, self.bytes_sec_max, self.iops_sec_max];
        let limits = all.into_iter().flat_map(|of| [of.total, of.read, of.write]);
        limits.chain([self.size_iops_sec]).flatten().any(|limit| limit > 0)
    }

    fn describe_rates<X: Xml>(&mut self, xml: &mut X) {
        self.bytes_sec.describe(xml, ["total_bytes_sec", "read_bytes_sec", "write_bytes_sec"]);
        self.iops_sec.describe(xml, ["total_iops_sec", "read_iops_sec", "write_iops_sec"]);
        self.bytes_sec_max
            .describe(xml, ["total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max"]);
        self.iops_sec_max.describe(xml, ["total_iops_sec_max", "read_iops_sec_max", "write_iops_sec_max"]);
        xml.optional_value("size_iops_sec", &mut self.size_iops_sec);
    }

    fn describe_lengths<X: Xml>(&mut self, xml: &mut X) {
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

impl Element for IoTune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.describe_rates(xml);
        xml.value("group_name", &mut self.group_name);
        self.describe_lengths(xml);
    }
}

/// `<throttlegroup>`: limits that all disks with a filter for the group share; since libvirt 11.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleGroup(pub IoTune);

impl Element for ThrottleGroup {
    fn meta(&mut self) -> &mut Meta {
        &mut self.0.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.0.describe_rates(xml);
        self.0.describe_lengths(xml);
        xml.value("group_name", &mut self.0.group_name);
    }
}
