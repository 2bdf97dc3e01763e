//! Puts stand-ins in the place of what this machine lacks.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::images::Images;

/// An argument: the flag, and what follows it.
pub type Arg = (String, Option<String>);

/// Devices that are nothing without a device, service or screen of the host.
const NEED_THE_HOST: [(&str, &str); 12] = [
    ("vfio-", "a device of the host"),
    ("usb-host", "a device of the host"),
    ("scsi-generic", "a device of the host"),
    ("scsi-block", "a device of the host"),
    ("virtio-input-host", "a device of the host"),
    ("vhost-", "a vhost device or server"),
    ("ivshmem-doorbell", "a server of shared memory"),
    ("ccid-card-emulated", "certificates of a smart card"),
    ("tpm-", "a TPM"),
    ("u2f-passthru", "a device of the host"),
    ("usb-mtp", "a folder that is served by MTP"),
    ("sgx-epc", "a processor with SGX"),
];

/// Objects that are nothing without a processor of a special kind, or a device of the host.
const OBJECTS_OF_THE_HOST: [(&str, &str); 8] = [
    ("sev-", "a processor with SEV"),
    ("tdx-guest", "a processor with TDX"),
    ("s390-pv-guest", "a processor with protected virtualisation"),
    ("pef-guest", "a processor with protected execution"),
    ("memory-backend-epc", "a processor with SGX"),
    ("input-linux", "a device of the host"),
    ("cryptodev-vhost-user", "a vhost device or server"),
    ("cryptodev-backend-lkcf", "cryptography in the host's kernel"),
];

/// Block drivers that have their content from outside of QEMU.
const PROTOCOLS: [&str; 20] = [
    "file",
    "host_device",
    "host_cdrom",
    "nbd",
    "iscsi",
    "rbd",
    "http",
    "https",
    "ftp",
    "ftps",
    "tftp",
    "ssh",
    "gluster",
    "nfs",
    "nvme",
    "vxhs",
    "sheepdog",
    "virtio-blk-vhost-vdpa",
    "virtio-blk-vhost-user",
    "vvfat",
];

/// What the stand-ins of a case are made of.
pub struct Place<'a> {
    /// The case's own folder, for sockets and files.
    pub folder: &'a str,
    /// Images of all formats.
    pub images: &'a Images,
    /// The number of the descriptor of the monitor.
    pub monitor: i32,
    /// Whether the QEMU in use has Spice.
    pub has_spice: bool,
}

/// Replaces every back end that is not there by one that is; the guest's hardware stays as it is.
///
/// # Errors
/// What the guest needs that nothing can stand in for.
pub fn replace(args: Vec<Arg>, place: &Place<'_>) -> Result<Vec<Arg>, String> {
    let formats = formats(&args);
    let mut out = Vec::with_capacity(args.len());
    for (flag, value) in args {
        let Some(value) = value else {
            out.push((flag, None));
            continue;
        };
        let json: Option<Map<String, Value>> = serde_json::from_str(&value).ok();
        let replaced = match (flag.as_str(), json) {
            // Whatever was to be opened by these has a stand-in of its own.
            ("-add-fd", _) => continue,
            ("-blockdev", Some(node)) => Value::Object(block_node(node, &formats, place)?).to_string(),
            ("-object", Some(object)) => match self::object(object, place)? {
                Some(object) => Value::Object(object).to_string(),
                None => continue,
            },
            ("-device", Some(device)) => Value::Object(self::device(device, place)?).to_string(),
            ("-netdev", Some(netdev)) => json!({ "type": "user", "id": netdev.get("id") }).to_string(),
            ("-audiodev", Some(audio)) => audiodev(audio, place).to_string(),
            ("-chardev", _) => chardev(&value, place),
            ("-fsdev", _) => with(&value, "path", place.folder),
            ("-vnc", _) => vnc(&value, place),
            ("-spice", _) if !place.has_spice => return Err("Spice".to_owned()),
            ("-spice", _) => spice(&value, place),
            ("-display", _) if value.contains("gl=on") => return Err("OpenGL".to_owned()),
            ("-display", _) => "none".to_owned(),
            ("-tpmdev", _) => return Err("a TPM".to_owned()),
            ("-accel", _) => "tcg".to_owned(),
            ("-cpu", _) if value == "host" || value.starts_with("host,") => value.replacen("host", "max", 1),
            ("-overcommit", _) => "mem-lock=off".to_owned(),
            ("-kernel", _) => place.images.kernel.clone(),
            ("-initrd" | "-bios", _) => place.images.blank.clone(),
            ("-dtb", _) => return Err("a device tree".to_owned()),
            ("-acpitable", _) => with(&value, "file", &place.images.acpi_table),
            ("-smbios" | "-fw_cfg", _) => with(&value, "file", &place.images.blank),
            ("-incoming", _) => return Err("a guest to take over".to_owned()),
            _ => value,
        };
        out.push((flag, Some(replaced)));
    }
    Ok(out)
}

/// The format of the image that a node has the content of, by the node's name.
fn formats(args: &[Arg]) -> BTreeMap<String, Map<String, Value>> {
    let nodes = args.iter().filter(|(flag, _)| flag == "-blockdev").filter_map(|(_, value)| value.as_ref());
    let nodes = nodes.filter_map(|value| serde_json::from_str::<Map<String, Value>>(value).ok());
    let mut formats: BTreeMap<String, Map<String, Value>> =
        nodes.filter_map(|node| Some((node.get("file")?.as_str()?.to_owned(), node))).collect();
    // Firmware lies in a chip whose size is that of the image.
    let machine = args.iter().find(|(flag, _)| flag == "-machine").and_then(|(_, value)| value.as_deref());
    for chip in machine.unwrap_or_default().split(',').filter(|part| part.starts_with("pflash")) {
        let Some((_, name)) = chip.split_once('=') else { continue };
        let below: Vec<String> = formats
            .iter()
            .filter(|(_, node)| node.get("node-name").and_then(Value::as_str) == Some(name))
            .map(|(below, _)| below.clone())
            .collect();
        for name in below.into_iter().chain([name.to_owned()]) {
            formats.entry(name).or_default().insert("pflash".to_owned(), json!(true));
        }
    }
    formats
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn block_node(
    mut node: Map<String, Value>,
    formats: &BTreeMap<String, Map<String, Value>>,
    place: &Place<'_>,
) -> Result<Map<String, Value>, String> {
    let driver = text(&node, "driver").to_owned();
    if !PROTOCOLS.contains(&driver.as_str()) {
        return Ok(node);
    }
    let above = formats.get(text(&node, "node-name"));
    let image = place.images.of(above)?;
    if driver != "file" {
        let kept = ["node-name", "read-only", "auto-read-only", "discard", "cache", "detect-zeroes"];
        node.retain(|key, _| kept.contains(&key.as_str()));
        node.insert("driver".to_owned(), json!("file"));
    }
    node.remove("pr-manager");
    node.insert("filename".to_owned(), json!(image));
    // Several nodes open the same image.
    node.insert("locking".to_owned(), json!("off"));
    Ok(node)
}

fn needs(table: &[(&str, &str)], kind: &str) -> Option<String> {
    table.iter().find(|(prefix, _)| kind.starts_with(prefix)).map(|(_, what)| (*what).to_owned())
}

/// `None` is an object that nobody asks for any more.
fn object(mut object: Map<String, Value>, place: &Place<'_>) -> Result<Option<Map<String, Value>>, String> {
    let kind = text(&object, "qom-type").to_owned();
    if let Some(what) = needs(&OBJECTS_OF_THE_HOST, &kind) {
        return Err(what);
    }
    match kind.as_str() {
        "pr-manager-helper" => return Ok(None),
        "secret" if object.contains_key("file") => {
            let path = format!("{}/{}", place.folder, text(&object, "id"));
            let value = match text(&object, "id") {
                // The key that libvirt's tests encrypt the other secrets with.
                "masterKey0" => (0..32).collect(),
                _ => place.images.passphrase.clone(),
            };
            std::fs::write(&path, value).map_err(|error| error.to_string())?;
            object.insert("file".to_owned(), json!(path));
        }
        "rng-random" => {
            object.insert("filename".to_owned(), json!("/dev/urandom"));
        }
        "tls-creds-x509" => {
            object.retain(|key, _| ["id", "endpoint"].contains(&key.as_str()));
            object.insert("qom-type".to_owned(), json!("tls-creds-anon"));
        }
        _ if kind.starts_with("memory-backend-") => {
            if object.contains_key("mem-path") {
                let path = format!("{}/{}", place.folder, text(&object, "id"));
                if object.get("rom").is_some() || object.get("readonly") == Some(&json!(true)) {
                    let size = object.get("size").and_then(Value::as_u64).unwrap_or_default();
                    super::images::sparse(&path, size)?;
                }
                object.insert("mem-path".to_owned(), json!(path));
            }
            // Huge pages, several nodes and so much memory are not there.
            for key in
                ["hugetlb", "hugetlbsize", "host-nodes", "policy", "prealloc-threads", "prealloc-context"]
            {
                object.remove(key);
            }
            if object.contains_key("prealloc") {
                object.insert("prealloc".to_owned(), json!(false));
            }
        }
        "thread-context" => {
            object.remove("node-affinity");
            object.remove("cpu-affinity");
        }
        _ => {}
    }
    Ok(Some(object))
}

fn device(mut device: Map<String, Value>, place: &Place<'_>) -> Result<Map<String, Value>, String> {
    let driver = text(&device, "driver").to_owned();
    if let Some(what) = needs(&NEED_THE_HOST, &driver) {
        return Err(what);
    }
    if driver.contains("-gl") {
        return Err("OpenGL".to_owned());
    }
    if device.contains_key("romfile") && !text(&device, "romfile").is_empty() {
        device.insert("romfile".to_owned(), json!(place.images.blank));
    }
    Ok(device)
}

fn audiodev(audio: Map<String, Value>, place: &Place<'_>) -> Value {
    match text(&audio, "driver") {
        "none" => Value::Object(audio),
        "spice" if place.has_spice => Value::Object(audio),
        _ => json!({ "driver": "none", "id": audio.get("id") }),
    }
}

/// The parts of a list of properties; a doubled comma is part of a value.
fn parts(value: &str) -> Vec<String> {
    let value = value.replace(",,", "\0");
    value.split(',').map(|part| part.replace('\0', ",,")).collect()
}

/// The list with another value for a property, if it has the property.
fn with(value: &str, key: &str, other: &str) -> String {
    let replaced = parts(value).into_iter().map(|part| match part.split_once('=') {
        Some((name, _)) if name == key => format!("{key}={other}"),
        _ => part,
    });
    replaced.collect::<Vec<_>>().join(",")
}

/// The list without some properties.
fn without(value: &str, keys: &[&str]) -> String {
    let kept = parts(value).into_iter().filter(|part| {
        let name = part.split('=').next().unwrap_or_default();
        !keys.contains(&name)
    });
    kept.collect::<Vec<_>>().join(",")
}

fn property<'a>(parts: &'a [String], key: &str) -> Option<&'a str> {
    parts
        .iter()
        .find_map(|part| part.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
}

fn chardev(value: &str, place: &Place<'_>) -> String {
    let parts = parts(value);
    let id = property(&parts, "id").unwrap_or_default();
    let kind = parts.first().map(String::as_str).unwrap_or_default();
    let path = format!("{}/{id}", place.folder);
    // Who listens and waits would wait for ever.
    let listens = property(&parts, "server") == Some("on") && property(&parts, "wait") == Some("off");
    match kind {
        _ if id == "charmonitor" => format!("socket,id={id},fd={}", place.monitor),
        "socket" if property(&parts, "path").is_some() && listens => with(value, "path", &path),
        "file" => with(value, "path", &path),
        "null" | "vc" | "pty" | "stdio" | "ringbuf" | "qemu-vdagent" => with(value, "logfile", &path),
        "spicevmc" | "spiceport" if place.has_spice => with(value, "logfile", &path),
        _ => format!("null,id={id}"),
    }
}

fn vnc(value: &str, place: &Place<'_>) -> String {
    let rest =
        without(value, &["websocket", "to", "sasl", "sasl-authz", "tls-authz", "share", "power-control"]);
    let rest = rest.split_once(',').map_or(String::new(), |(_, rest)| format!(",{rest}"));
    format!("unix:{}/vnc{rest}", place.folder)
}

fn spice(value: &str, place: &Place<'_>) -> String {
    let keys = [
        "port",
        "tls-port",
        "addr",
        "unix",
        "x509-dir",
        "tls-channel",
        "plaintext-channel",
        "ipv4",
        "ipv6",
        "sasl",
        "disable-ticketing",
        "gl",
        "rendernode",
        "password-secret",
    ];
    let rest = without(value, &keys);
    let rest = if rest.is_empty() { rest } else { format!(",{rest}") };
    format!("unix=on,addr={}/spice,disable-ticketing=on{rest}", place.folder)
}
