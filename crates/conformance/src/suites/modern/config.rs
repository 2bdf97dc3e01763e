//! libvirt's configuration in the words of ours.

use std::collections::BTreeMap;

use qemu_argv::{Config, Layout};
use serde_json::Value;

/// What is chosen for all guests where libvirt's driver is set up like that.
pub fn config(values: &BTreeMap<&str, &Value>) -> Config {
    let text = |name: &str| values.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let number = |name: &str| values.get(name).and_then(|value| value.as_i64());
    let yes = |name: &str| number(name).is_some_and(|number| number != 0);
    let defaults = Config::default();
    // The directories of other run-time files are below one that has no name of its own in this configuration.
    let run_dir =
        text("passtStateDir").and_then(|path| path.rsplit_once('/').map(|(parent, _)| parent.to_owned()));
    Config {
        layout: Layout::Libvirt,
        domain_id: -1,
        base_dir: None,
        // Where the TPM of every case is.
        tpm_socket: Some("/dev/test".to_owned()),
        lib_dir: text("libDir").unwrap_or(defaults.lib_dir),
        channel_dir: text("channelTargetDir").unwrap_or(defaults.channel_dir),
        run_dir: run_dir.unwrap_or(defaults.run_dir),
        memory_dir: text("memoryBackingDir").unwrap_or(defaults.memory_dir),
        nvram_dir: text("nvramDir").unwrap_or(defaults.nvram_dir),
        vnc_listen: text("vncListen").unwrap_or(defaults.vnc_listen),
        vnc_tls: yes("vncTLS"),
        vnc_tls_verify: yes("vncTLSx509verify"),
        vnc_tls_secret: text("vncTLSx509secretUUID"),
        vnc_tls_dir: text("vncTLSx509certdir").unwrap_or(defaults.vnc_tls_dir),
        vnc_sasl: yes("vncSASL"),
        vnc_sasl_dir: text("vncSASLdir"),
        vnc_password: text("vncPassword"),
        vnc_allow_host_audio: yes("vncAllowHostAudio"),
        nogfx_allow_host_audio: yes("nogfxAllowHostAudio"),
        spice_listen: text("spiceListen").unwrap_or(defaults.spice_listen),
        spice_tls: yes("spiceTLS"),
        spice_tls_dir: text("spiceTLSx509certdir").unwrap_or(defaults.spice_tls_dir),
        spice_password: text("spicePassword"),
        spice_sasl: yes("spiceSASL"),
        spice_sasl_dir: text("spiceSASLdir"),
        chardev_tls: yes("chardevTLS"),
        chardev_tls_verify: yes("chardevTLSx509verify"),
        chardev_tls_secret: text("chardevTLSx509secretUUID"),
        chardev_tls_dir: text("chardevTLSx509certdir").unwrap_or(defaults.chardev_tls_dir),
        vxhs_tls: yes("vxhsTLS"),
        vxhs_tls_dir: text("vxhsTLSx509certdir").unwrap_or(defaults.vxhs_tls_dir),
        vxhs_tls_secret: text("vxhsTLSx509secretUUID"),
        nbd_tls_secret: text("nbdTLSx509secretUUID"),
        dump_guest_core: yes("dumpGuestCore"),
        storage_use_nbdkit: yes("storageUseNbdkit"),
        gluster_debug_level: number("glusterDebugLevel")
            .and_then(|level| u32::try_from(level).ok())
            .unwrap_or(defaults.gluster_debug_level),
        // Negative is the default, which is on.
        seccomp: number("seccompSandbox") != Some(0),
        log_timestamp: yes("logTimestamp"),
        ..defaults
    }
}
