//! What is chosen for all guests: directories, defaults of displays, layout.

use serde::{Deserialize, Serialize};

/// Whose command line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A command line that runs by itself, as the user who typed it.
    #[default]
    Run,
    /// The command line libvirt itself would start: its paths, its descriptors.
    Libvirt,
}

/// What libvirt reads from `qemu.conf`, and where things are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Config {
    /// Whose command line it is.
    pub layout: Layout,
    /// With [`Layout::Run`]: whether somebody starts QEMU who speaks QMP to it and hands it descriptors. The
    /// opposite is a command line that a person pastes into a shell.
    pub supervised: bool,
    /// Where the guest comes from if it does not start afresh: `tcp:HOST:PORT`, `exec:COMMAND`, `unix:PATH`, `fd:NUMBER`,
    /// or `stdio` for a file that QEMU inherits.
    pub incoming: Option<String>,
    /// The number of the descriptor that QEMU inherits with the guest's state.
    pub incoming_fd: Option<u32>,
    /// The path of the monitor's socket, for QEMUs that cannot inherit it; a file in the guest's directory if not said.
    pub monitor_socket: Option<String>,
    /// The id of the running domain; libvirt counts from 1, and -1 is a domain that is not running yet.
    pub domain_id: i32,
    /// Whether the guest is new, so that defaults need not be those that guests of older versions had.
    pub abi_update: bool,
    /// Where relative paths in the domain start; `None` leaves them as they are.
    pub base_dir: Option<String>,
    /// Where each guest has its private directory.
    pub lib_dir: String,
    /// Where sockets of channels are made.
    pub channel_dir: String,
    /// Where run-time files of helpers are made.
    pub run_dir: String,
    /// Where files that back memory are made.
    pub memory_dir: String,
    /// Where variables of UEFI firmware are kept.
    pub nvram_dir: String,
    /// Where emulated TPMs keep their state, each guest's in a folder of its name.
    pub swtpm_dir: String,
    /// Firmware that nothing on the host describes, with the template of its variables.
    pub firmwares: Vec<(String, String)>,
    /// Mount points of huge pages, with the page size in KiB; the first is the default.
    pub hugepage_mounts: Vec<(u64, String)>,
    /// Where VNC listens if the domain does not say.
    pub vnc_listen: String,
    /// Whether VNC has TLS.
    pub vnc_tls: bool,
    /// Whether VNC clients have to show a certificate.
    pub vnc_tls_verify: bool,
    /// The UUID of the secret that opens VNC's private key.
    pub vnc_tls_secret: Option<String>,
    /// Certificates of VNC.
    pub vnc_tls_dir: String,
    /// Whether VNC clients authenticate by SASL.
    pub vnc_sasl: bool,
    /// SASL's configuration for VNC.
    pub vnc_sasl_dir: Option<String>,
    /// VNC's password, if the domain has none.
    pub vnc_password: Option<String>,
    /// Whether guests with VNC play sound on the host.
    pub vnc_allow_host_audio: bool,
    /// Whether guests without a display play sound on the host.
    pub nogfx_allow_host_audio: bool,
    /// Where SPICE listens if the domain does not say.
    pub spice_listen: String,
    /// Whether SPICE has TLS.
    pub spice_tls: bool,
    /// Certificates of SPICE.
    pub spice_tls_dir: String,
    /// SPICE's password, if the domain has none.
    pub spice_password: Option<String>,
    /// Whether SPICE clients authenticate by SASL.
    pub spice_sasl: bool,
    /// SASL's configuration for SPICE.
    pub spice_sasl_dir: Option<String>,
    /// Whether TCP character devices have TLS if the domain does not say.
    pub chardev_tls: bool,
    /// Whether clients of TCP character devices have to show a certificate.
    pub chardev_tls_verify: bool,
    /// The UUID of the secret that opens the private key of TCP character devices.
    pub chardev_tls_secret: Option<String>,
    /// Certificates of TCP character devices.
    pub chardev_tls_dir: String,
    /// Whether VxHS disks have TLS.
    pub vxhs_tls: bool,
    /// Certificates of VxHS disks.
    pub vxhs_tls_dir: String,
    /// The UUID of the secret that opens the private key of VxHS disks.
    pub vxhs_tls_secret: Option<String>,
    /// Where the emulator of the guest's TPM listens, if not where it is started with the guest.
    pub tpm_socket: Option<String>,
    /// Certificates of NBD disks.
    pub nbd_tls_dir: String,
    /// The UUID of the secret that opens the private key of NBD disks.
    pub nbd_tls_secret: Option<String>,
    /// Whether core dumps of QEMU hold the guest's memory.
    pub dump_guest_core: bool,
    /// Whether network disks are served by nbdkit.
    pub storage_use_nbdkit: bool,
    /// How much GlusterFS logs, 0 to 9.
    pub gluster_debug_level: u32,
    /// Whether QEMU's sandbox is used where there is one.
    pub seccomp: bool,
    /// Whether QEMU's messages have the time.
    pub log_timestamp: bool,
}

impl Default for Config {
    /// libvirt's defaults for the system instance.
    fn default() -> Self {
        Config {
            layout: Layout::Run,
            supervised: false,
            incoming: None,
            incoming_fd: None,
            monitor_socket: None,
            domain_id: -1,
            abi_update: false,
            base_dir: None,
            lib_dir: "/var/lib/libvirt/qemu".to_owned(),
            channel_dir: "/var/run/libvirt/qemu/channel".to_owned(),
            run_dir: "/var/run/libvirt/qemu".to_owned(),
            memory_dir: "/var/lib/libvirt/qemu/ram".to_owned(),
            nvram_dir: "/var/lib/libvirt/qemu/nvram".to_owned(),
            swtpm_dir: "/var/lib/libvirt/swtpm".to_owned(),
            firmwares: [
                ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
                ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
                ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
                ("/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"),
            ]
            .map(|(code, variables)| (code.to_owned(), variables.to_owned()))
            .to_vec(),
            hugepage_mounts: vec![
                (2048, "/dev/hugepages2M".to_owned()),
                (1_048_576, "/dev/hugepages1G".to_owned()),
            ],
            vnc_listen: "127.0.0.1".to_owned(),
            vnc_tls: false,
            vnc_tls_verify: false,
            vnc_tls_secret: None,
            vnc_tls_dir: "/etc/pki/libvirt-vnc".to_owned(),
            vnc_sasl: false,
            vnc_sasl_dir: None,
            vnc_password: None,
            vnc_allow_host_audio: false,
            nogfx_allow_host_audio: false,
            spice_listen: "127.0.0.1".to_owned(),
            spice_tls: false,
            spice_tls_dir: "/etc/pki/libvirt-spice".to_owned(),
            spice_password: None,
            spice_sasl: false,
            spice_sasl_dir: None,
            chardev_tls: false,
            chardev_tls_verify: false,
            chardev_tls_secret: None,
            chardev_tls_dir: "/etc/pki/libvirt-chardev".to_owned(),
            vxhs_tls: false,
            vxhs_tls_dir: "/etc/pki/libvirt-vxhs".to_owned(),
            vxhs_tls_secret: None,
            tpm_socket: None,
            nbd_tls_dir: "/etc/pki/libvirt-nbd".to_owned(),
            nbd_tls_secret: None,
            dump_guest_core: false,
            storage_use_nbdkit: false,
            gluster_debug_level: 4,
            seccomp: true,
            log_timestamp: true,
        }
    }
}

impl Config {
    /// What is chosen for a guest that runs without libvirt.
    ///
    /// `guest_dir` is a folder of its own that goes with it (0700); `state_dir` is where what outlasts guests is
    /// kept: the variables of their firmware, the state of their TPMs.
    pub fn of_our_own(guest_dir: &str, state_dir: &str) -> Self {
        let in_guest = || guest_dir.to_owned();
        // Where QEMU's own documentation puts certificates.
        let certificates = || "/etc/pki/qemu".to_owned();
        Config {
            layout: Layout::Run,
            lib_dir: in_guest(),
            channel_dir: in_guest(),
            run_dir: in_guest(),
            memory_dir: in_guest(),
            nvram_dir: format!("{state_dir}/nvram"),
            swtpm_dir: format!("{state_dir}/swtpm"),
            hugepage_mounts: vec![(2048, "/dev/hugepages".to_owned())],
            vnc_tls_dir: certificates(),
            spice_tls_dir: certificates(),
            chardev_tls_dir: certificates(),
            vxhs_tls_dir: certificates(),
            nbd_tls_dir: certificates(),
            ..Config::default()
        }
    }

    /// The same with another private directory of the guest.
    #[must_use]
    pub fn in_guest_dir(self, guest_dir: &str) -> Self {
        let place = || guest_dir.to_owned();
        Config { lib_dir: place(), channel_dir: place(), run_dir: place(), memory_dir: place(), ..self }
    }

    /// The name libvirt gives a guest's directories: the id and the first 20 bytes of the name.
    pub fn short_name(&self, name: &str) -> String {
        let mut end = name.len().min(20);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}-{}", self.domain_id, name.get(..end).unwrap_or(name))
    }

    /// Whether QEMU is started by somebody who speaks QMP to it.
    pub fn has_monitor(&self) -> bool {
        self.layout == Layout::Libvirt || self.supervised
    }

    /// The guest's private directory.
    pub fn guest_dir(&self, name: &str) -> String {
        match self.layout {
            Layout::Libvirt => format!("{}/domain-{}", self.lib_dir, self.short_name(name)),
            Layout::Run => self.lib_dir.clone(),
        }
    }

    /// A path of the domain, from where relative paths start.
    pub fn path(&self, path: &str) -> String {
        match &self.base_dir {
            Some(base) if !path.starts_with('/') => format!("{}/{path}", base.trim_end_matches('/')),
            _ => path.to_owned(),
        }
    }
}
