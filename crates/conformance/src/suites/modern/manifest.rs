//! The manifest of the modern cases, as far as it is used.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// All cases and what is in force where a case says nothing else.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The environment of libvirt.
    pub baseline_env: BTreeMap<String, String>,
    /// The configuration of libvirt's QEMU driver.
    pub baseline_config: BTreeMap<String, Value>,
    /// The cases, in the order in which libvirt runs them.
    pub cases: Vec<Case>,
}

/// A domain, what is in force for it, and what must come of it.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Unique among the cases.
    pub id: String,
    /// libvirt's name of the guest's architecture.
    pub arch: String,
    /// libvirt's name of the host's architecture.
    pub host_arch: String,
    /// What the QEMU in use can do.
    pub caps: Caps,
    /// How it ends.
    pub expect: Expect,
    /// Whether the guest is new, so that it gets today's defaults.
    pub abi_update: bool,
    /// Which interrupt controllers of ARM the host offers: `none`, `v2`, `v3` or `v2+v3`.
    pub gic: String,
    /// The host's CPU, or `default`.
    pub host_cpu: String,
    /// Descriptors handed over for disks, by group.
    pub fd_groups: BTreeMap<String, FdGroup>,
    /// Descriptors handed over for vDPA devices, by path.
    pub vdpa_fds: BTreeMap<String, i32>,
    /// Where the guest comes from, if it does not start afresh.
    pub migrate_from: Option<String>,
    /// The descriptor with its state.
    pub migrate_fd: Option<u32>,
    /// The plugins of nbdkit that are pretended, such as `PLUGIN_CURL`.
    pub nbdkit: Option<Vec<String>>,
    /// Changes to the environment.
    pub env: BTreeMap<String, String>,
    /// Changes to the configuration.
    pub config: BTreeMap<String, Value>,
    /// The file with the domain.
    pub input: String,
    /// The file with the command line that must come out.
    pub args: Option<String>,
    /// The file with the canonical XML that must come out.
    pub out_xml_inactive: Option<String>,
    /// The error that must come out.
    pub error: Option<Refusal>,
}

/// Which QEMU it is.
#[derive(Debug, Deserialize)]
pub struct Caps {
    /// `latest`, or a version.
    pub version: String,
    /// What sets this recording apart from others of the version and architecture.
    pub variant: String,
    /// The file with the recorded QMP session.
    pub replies: String,
    /// Whether machines are known by their aliases.
    pub strip_machine_aliases: bool,
    /// Flags that are set on top of what was recorded.
    pub add: Vec<String>,
    /// Flags that are cleared.
    pub del: Vec<String>,
}

/// How a case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// There is a command line.
    Args,
    /// The domain is refused while it is read, completed or validated.
    ParseError,
    /// The domain is fine; building a command line of it fails.
    Failure,
}

/// An error of libvirt.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// `parse` or `build`.
    pub stage: String,
    /// The name of the `virErrorNumber`.
    pub code_name: String,
}

/// Descriptors that were opened elsewhere.
#[derive(Debug, Deserialize)]
pub struct FdGroup {
    /// Their numbers.
    pub fds: Vec<i32>,
    /// Whether they can be written to.
    pub writable: bool,
}
