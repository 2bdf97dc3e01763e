//! The host of the modern cases: what libvirt's tests pretend.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain_model::values::CpuSet;
use domain_model::xml::Text as _;
use domain_model::xml::text::parse_c_number;
use domain_model::{Document, Node};
use qemu_argv::{
    CpuMap, FdGroup, FdRequest, FileKind, FirmwareFile, HostCpu, HostPciDevice, NetworkPlug, RecordedHost,
    StoragePool, StorageVolume, VolumeKind,
};
use serde::Deserialize;
use serde_json::Value;

use super::manifest::Case;
use crate::reference::{LoadError, Reference};

/// What all cases pretend (`support/mocks.json`), as far as it is used.
#[derive(Deserialize)]
pub struct Mocks {
    time_now_utc_and_local: i64,
    drm_render_node: String,
    secret_value: String,
    scsi_generic_name: String,
    host_numa_sysfs: Numa,
    auto_nodeset: String,
    vsock_auto_cid: u32,
    fds: BTreeMap<String, Fd>,
    /// Address, vendor and product, IOMMU group, and sometimes a remark.
    pci_devices: Vec<Vec<Value>>,
    #[serde(skip)]
    firmware: Vec<FirmwareFile>,
    /// What cards of virtual networks are plugged into, by the names that the cases use.
    #[serde(skip)]
    networks: BTreeMap<String, NetworkPlug>,
    /// The host's addresses in virtual networks, by the names that the cases use.
    #[serde(skip)]
    network_addresses: BTreeMap<String, String>,
    /// Storage pools without their volumes, by name.
    #[serde(skip)]
    pools: BTreeMap<String, StoragePool>,
    #[serde(skip)]
    cpu_map: Arc<CpuMap>,
    #[serde(skip)]
    cpus: Vec<Cpu>,
}

/// A CPU that a case's host can have (`support/host-cpus.json`).
#[derive(Deserialize)]
struct Cpu {
    /// Such as `cpuHaswellData`.
    id: String,
    arch: String,
    model: Option<String>,
    vendor: Option<String>,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Numa {
    nodes: Vec<u32>,
    cpulist: BTreeMap<u32, String>,
}

impl Numa {
    /// The node of each processor.
    fn cpus(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.cpulist.iter().flat_map(|(node, cpus)| {
            let cpus = CpuSet::parse(cpus).unwrap_or_default();
            cpus.iter().map(|cpu| (cpu, *node)).collect::<Vec<_>>()
        })
    }
}

/// The number of a descriptor, or prose about what it depends on.
#[derive(Deserialize)]
#[serde(untagged)]
enum Fd {
    Number(i32),
    Prose(String),
}

/// nbdkit's own names of the plugins that a case pretends.
fn plugins(case: &Case) -> Vec<String> {
    let names = case.nbdkit.iter().flatten();
    names.map(|name| name.trim_start_matches("PLUGIN_").to_lowercase()).collect()
}

impl Mocks {
    /// Reads what `folder` has.
    pub fn load(folder: &Reference) -> Result<Self, LoadError> {
        let mut mocks: Mocks = folder.json("support/mocks.json")?;
        mocks.firmware = Mocks::firmware_files(folder);
        mocks.networks = networks(folder);
        mocks.network_addresses = network_addresses(folder);
        mocks.pools = pools(folder);
        mocks.cpus = folder.json("support/host-cpus.json")?;
        let map = CpuMap::read(&mut |name| folder.text(&format!("support/cpu_map/{name}")).ok());
        let problem = |error: qemu_argv::CpuMapError| LoadError::Layout {
            path: folder.root().join("support/cpu_map"),
            problem: error.to_string(),
        };
        mocks.cpu_map = Arc::new(map.map_err(problem)?);
        Ok(mocks)
    }

    /// The descriptions of firmware, in libvirt's order.
    fn firmware_files(folder: &Reference) -> Vec<FirmwareFile> {
        let mut files = Vec::new();
        for place in ["home/user/.config/qemu/firmware", "etc/qemu/firmware", "usr/share/qemu/firmware"] {
            let place = format!("support/qemufirmwaredata/{place}");
            for path in folder.files(&place, ".json").unwrap_or_default() {
                files.extend(folder.text(&path).ok().map(|text| FirmwareFile { path, text }));
            }
        }
        files
    }

    /// The CPU of a case's host; on x86 what is first in the list, unless the case says otherwise.
    fn cpu(&self, case: &Case) -> Option<HostCpu> {
        let is_wanted = |cpu: &&Cpu| match case.host_cpu.as_str() {
            "default" => true,
            name => cpu.model.as_deref() == Some(name) || cpu.id == name,
        };
        let cpu = self.cpus.iter().filter(|cpu| cpu.arch == case.host_arch).find(is_wanted)?;
        let Cpu { model, vendor, features, .. } = cpu;
        Some(HostCpu { model: model.clone()?, vendor: vendor.clone(), features: features.clone() })
    }

    /// The pools, each with the volumes that a domain names: such as `dir+NAME`, or of block devices just `NAME`.
    fn pools(&self, domain: &str) -> BTreeMap<String, StoragePool> {
        let names = ["volume='", "volume=\""].into_iter().flat_map(|start| domain.split(start).skip(1));
        let names = names.filter_map(|rest| rest.split(['\'', '"']).next());
        let volume = |name: &str| {
            let (kind, short) = name.split_once('+').unwrap_or(("block", name));
            let volume_kind = match kind {
                "file" => VolumeKind::File,
                "block" => VolumeKind::Block,
                "dir" => VolumeKind::Dir,
                _ => VolumeKind::Network,
            };
            (
                name.to_owned(),
                StorageVolume { kind: volume_kind, path: format!("/some/{kind}/device/{short}") },
            )
        };
        let volumes: BTreeMap<String, StorageVolume> =
            names.filter(|name| *name != "nonexistent").map(volume).collect();
        let filled = |(name, pool): (&String, &StoragePool)| {
            (
                name.clone(),
                StoragePool { active: name != "inactive", volumes: volumes.clone(), ..pool.clone() },
            )
        };
        self.pools.iter().map(filled).collect()
    }

    /// The host of a case with this domain.
    pub fn host(&self, case: &Case, domain: &str, env: BTreeMap<String, String>) -> RecordedHost {
        RecordedHost {
            dmi: BTreeMap::new(),
            vfio_devices: BTreeMap::new(),
            no_iommu: None,
            free_port: None,
            arch: Some(case.host_arch.clone()),
            cpu_map: Some(Arc::clone(&self.cpu_map)),
            cpu: self.cpu(case),
            render_node: Some(self.drm_render_node.clone()),
            numa_nodes: self.host_numa_sysfs.nodes.clone(),
            pci_devices: self.pci_devices.iter().filter_map(|row| pci_device(row)).collect(),
            networks: self.networks.clone(),
            pools: self.pools(domain),
            fd_groups: fd_groups(case),
            network_addresses: self.network_addresses.clone(),
            tpm_versions: case.env.get("VIR_TEST_MOCK_FAKE_TPM_VERSION").cloned().into_iter().collect(),
            advised_nodes: Some(self.auto_nodeset.clone()),
            cpu_nodes: self.host_numa_sysfs.cpus().collect(),
            scsi_generic: Some(self.scsi_generic_name.clone()),
            firmware_files: self.firmware.clone(),
            vsock_cid: Some(self.vsock_auto_cid),
            now: Some(self.time_now_utc_and_local),
            env,
            secret: Some(self.secret_value.clone()),
            nbdkit_plugins: plugins(case),
            // What the tests pretend of CD-ROM drives (NOTES, section 8).
            files: BTreeMap::from([("/dev/cdrom".to_owned(), FileKind::CdromDrive)]),
        }
    }

    /// The number of a descriptor.
    pub fn fd(&self, case: &Case, request: &FdRequest) -> String {
        let fixed = |name: &str| match self.fds.get(name) {
            Some(Fd::Number(number)) => *number,
            // Such as `102+i (queue i)`: the first number is that of the first queue.
            Some(Fd::Prose(text)) => {
                text.split(|c: char| !c.is_ascii_digit()).find_map(|n| n.parse().ok()).unwrap_or(-1)
            }
            None => -1,
        };
        let nth =
            |first: i32, index: u32| i32::try_from(index).map_or(-1, |index| first.saturating_add(index));
        let number = match request {
            FdRequest::Monitor | FdRequest::UnixListen { .. } => fixed("unix_listen_chardev_and_monitor"),
            FdRequest::File { .. } => fixed("chardev_file_source"),
            FdRequest::Log { .. } => fixed("chardev_logfile"),
            FdRequest::Tap { queue, bridged: true, .. } => nth(fixed("tap_via_bridge_connect"), *queue),
            FdRequest::Tap { queue, bridged: false, .. } => nth(fixed("tap_via_tap_create"), *queue),
            FdRequest::VhostNet { queue, .. } => nth(fixed("vhost_net"), *queue),
            FdRequest::Vdpa { path } => case.vdpa_fds.get(path).copied().unwrap_or_else(|| fixed("vdpa_net")),
            FdRequest::VhostVsock => fixed("vhost_vsock"),
            FdRequest::VhostScsi { .. } => fixed("vhost_scsi"),
            FdRequest::Tpm { .. } => fixed("tpm"),
            FdRequest::TpmCancel { .. } => fixed("tpm_cancel"),
            FdRequest::Helper { .. } => fixed("vhost_user_gpu"),
            FdRequest::Passed { group, index } => {
                let fds = case.fd_groups.get(group).map(|group| group.fds.as_slice()).unwrap_or_default();
                usize::try_from(*index).ok().and_then(|index| fds.get(index)).copied().unwrap_or(-1)
            }
            FdRequest::Console { .. } | FdRequest::Iommu | FdRequest::Vfio { .. } => -1,
        };
        number.to_string()
    }
}

fn pci_device(row: &[Value]) -> Option<(String, HostPciDevice)> {
    let [address, _, group, ..] = row else { return None };
    let iommu_group = group.as_u64().and_then(|group| u32::try_from(group).ok());
    Some((address.as_str()?.to_owned(), HostPciDevice { conventional: false, iommu_group }))
}

/// The descriptors that a case hands over.
fn fd_groups(case: &Case) -> BTreeMap<String, FdGroup> {
    let group = |(name, group): (&String, &super::manifest::FdGroup)| {
        let count = u32::try_from(group.fds.len()).unwrap_or(u32::MAX);
        (name.clone(), FdGroup { count, writable: group.writable })
    };
    case.fd_groups.iter().map(group).collect()
}

/// The storage pools, each a file; one more is there and not active.
fn pools(folder: &Reference) -> BTreeMap<String, StoragePool> {
    let files = folder.files("support/storagepoolxml2xmlout", ".xml").unwrap_or_default();
    let pool = |path: &String| {
        let name = path.rsplit('/').next()?.strip_suffix(".xml")?.to_owned();
        Some((name, StoragePool::read(&folder.text(path).ok()?)?))
    };
    let inactive = ("inactive".to_owned(), StoragePool { kind: "dir".to_owned(), ..StoragePool::default() });
    files.iter().filter_map(pool).chain([inactive]).collect()
}

/// The virtual networks: the cases name a network and a port, `NETWORK;PORT`, and both are files.
fn networks(folder: &Reference) -> BTreeMap<String, NetworkPlug> {
    let stem =
        |path: &String| path.rsplit('/').next().and_then(|name| name.strip_suffix(".xml")).map(str::to_owned);
    let files = |name| folder.files(name, ".xml").unwrap_or_default();
    let ports = files("support/virnetworkportxml2xmldata");
    let ports: Vec<(String, NetworkPlug)> =
        ports.iter().filter_map(|path| Some((stem(path)?, plug(&folder.text(path).ok()?)?))).collect();
    let networks = files("support/networkxml2xmlin");
    let names = networks.iter().filter_map(stem);
    names
        .flat_map(|network| ports.iter().map(move |(port, plug)| (format!("{network};{port}"), plug.clone())))
        .collect()
}

/// The host's address in each network; cases name networks without a port as `NETWORK;`.
fn network_addresses(folder: &Reference) -> BTreeMap<String, String> {
    let files = folder.files("support/networkxml2xmlin", ".xml").unwrap_or_default();
    let address = |path: &String| {
        let document = Document::parse("network", folder.text(path).ok()?).ok()?;
        let ip = document.root().children().find(|child| child.name() == "ip")?;
        let stem = path.rsplit('/').next()?.strip_suffix(".xml")?.to_owned();
        Some((format!("{stem};"), ip.attribute("address")?.into_owned()))
    };
    files.iter().filter_map(address).collect()
}

fn plug(port: &str) -> Option<NetworkPlug> {
    let document = Document::parse("port", port).ok()?;
    let child =
        |node: Node<'_>, name: &str| node.children().find(|child| child.name() == name).map(|node| node.id());
    let plug = document.node(child(document.root(), "plug")?)?;
    match plug.attribute("type")?.as_ref() {
        "network" | "bridge" => Some(NetworkPlug::Bridge(plug.attribute("bridge")?.into_owned())),
        "direct" => Some(NetworkPlug::Direct {
            dev: plug.attribute("dev")?.into_owned(),
            mode: plug.attribute("mode").unwrap_or_default().into_owned(),
        }),
        "hostdev-pci" => {
            let address = document.node(child(plug, "address")?)?;
            let number = |name| address.attribute(name).and_then(|text| parse_c_number(&text));
            Some(NetworkPlug::Hostdev(format!(
                "{:04x}:{:02x}:{:02x}.{:x}",
                number("domain")?,
                number("bus")?,
                number("slot")?,
                number("function")?
            )))
        }
        _ => None,
    }
}
