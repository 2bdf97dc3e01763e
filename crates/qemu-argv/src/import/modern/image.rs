//! Images: names of files, `-blockdev` nodes and `-drive`.

use domain_model::address::Pci;
use domain_model::device::disk::{BackingStore, Cache, DetectZeroes, Discard, DiskDriver, Io};
use domain_model::storage::{
    Format, Host, Identity, ImageFormat, NetworkSource, NvmeSource, Protocol, Source, SourceKind, Transport,
};
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;

use super::{Build, on_off};
use crate::import::historic::pci_address;
use crate::import::option::Opt;
use crate::import::pairs::Pairs;

/// How long a chain of images may be.
const DEEPEST: usize = 64;

/// An image, and the options that say what it is.
pub(super) struct Image<'o> {
    pub source: Source,
    pub format: Option<Format>,
    pub readonly: bool,
    pub driver: DiskDriver,
    /// Whether the host's cache is gone around, and whether flushes are dropped, if it is said.
    pub cache: Option<(bool, bool)>,
    pub backing: Option<BackingStore>,
    pub options: Vec<&'o Opt>,
}

impl<'o> Image<'o> {
    fn new(source: Source, options: Vec<&'o Opt>) -> Self {
        Image {
            source,
            format: None,
            readonly: false,
            driver: DiskDriver::default(),
            cache: None,
            backing: None,
            options,
        }
    }
}

/// The libvirt word for a caching mode: whether the host's cache is gone around, flushes are dropped, and the guest
/// sees a cache.
pub(super) fn cache(direct: bool, no_flush: bool, write_cache: bool) -> Cache {
    match (direct, no_flush, write_cache) {
        (true, _, true) => Cache::None,
        (true, _, false) => Cache::Directsync,
        (false, true, _) => Cache::Unsafe,
        (false, false, true) => Cache::Writeback,
        (false, false, false) => Cache::Writethrough,
    }
}

/// The image of a `-blockdev` node; `None` if the domain cannot say it.
pub(super) fn of_node<'o>(build: &Build<'o, '_, '_>, node: &str, depth: usize) -> Option<Image<'o>> {
    let (option, pairs) = build.backend("blockdev", node)?;
    pairs.take("node-name");
    let mut image = of_pairs(build, pairs, depth)?;
    image.options.push(option);
    pairs.is_spent().then_some(image)
}

/// The image that the options of a node describe.
pub(super) fn of_pairs<'o>(build: &Build<'o, '_, '_>, pairs: &Pairs, depth: usize) -> Option<Image<'o>> {
    if depth > DEEPEST {
        return None;
    }
    let driver = pairs.take("driver")?;
    let format = Format::parse(driver)
        .ok()
        .filter(|format| !matches!(format, Format::Iso | Format::Dir | Format::Fat));
    let mut image = match format {
        Some(format) => {
            let mut image = below(build, pairs, "file", depth)?;
            image.format = Some(format);
            image.backing = backing(build, pairs, depth, &mut image.options)?;
            image
        }
        None => {
            let (source, io) = protocol(driver, pairs)?;
            let mut image = Image::new(source, Vec::new());
            image.driver.io = io;
            // libvirt passes discards on at the lowest node, and decides above it.
            pairs.take("discard");
            pairs.take("auto-read-only");
            image
        }
    };
    if let Some(readonly) = pairs.switch("read-only") {
        image.readonly = readonly;
    }
    image.driver.discard = pairs.word::<Discard>("discard").or(image.driver.discard);
    image.driver.detect_zeroes = pairs.word::<DetectZeroes>("detect-zeroes").or(image.driver.detect_zeroes);
    image.driver.discard_no_unref = pairs.switch("discard-no-unref").map(on_off);
    let direct = pairs.switch("cache.direct");
    let no_flush = pairs.switch("cache.no-flush");
    if direct.is_some() || no_flush.is_some() {
        image.cache = Some((direct == Some(true), no_flush == Some(true)));
    }
    Some(image)
}

/// The image in a key: the name of a node, or its options.
fn below<'o>(build: &Build<'o, '_, '_>, pairs: &Pairs, key: &str, depth: usize) -> Option<Image<'o>> {
    if let Some(node) = pairs.take(key) {
        return of_node(build, node, depth + 1);
    }
    let inner = pairs.below(key);
    pairs.take_below(key);
    let image = of_pairs(build, &inner, depth + 1)?;
    inner.is_spent().then_some(image)
}

/// The image below; `Some(None)` if nothing is said of it.
fn backing<'o>(
    build: &Build<'o, '_, '_>,
    pairs: &Pairs,
    depth: usize,
    options: &mut Vec<&'o Opt>,
) -> Option<Option<BackingStore>> {
    if pairs.peek("backing") == Some("") {
        pairs.take("backing");
        return Some(Some(BackingStore::default()));
    }
    if pairs.peek("backing").is_none() && pairs.below("backing").is_empty() {
        return Some(None);
    }
    let image = below(build, pairs, "backing", depth)?;
    options.extend(image.options);
    Some(Some(BackingStore {
        source: Some(image.source),
        format: Some(ImageFormat {
            kind: Some(image.format.unwrap_or(Format::Raw)),
            ..ImageFormat::default()
        }),
        backing_store: image.backing.map(Box::new),
        ..BackingStore::default()
    }))
}

/// What is behind a protocol driver.
fn protocol(driver: &str, pairs: &Pairs) -> Option<(Source, Option<Io>)> {
    let network = |source: NetworkSource| Some((SourceKind::Network(Box::new(source)).into(), None));
    match driver {
        "file" => {
            let io = pairs.word("aio");
            let path = pairs.take("filename")?;
            let source = if path.starts_with("/dev/") { Source::block(path) } else { Source::file(path) };
            Some((source, io))
        }
        "host_device" | "host_cdrom" => {
            let io = pairs.word("aio");
            Some((Source::block(pairs.take("filename")?), io))
        }
        "nvme" => {
            let address: Pci = pci_address(pairs.take("device")?)?;
            let namespace = pairs.small("namespace")?;
            let source = NvmeSource { managed: Some(YesNo::Yes), namespace, address };
            Some((SourceKind::Nvme(source).into(), None))
        }
        "nbd" => {
            let host = server(&pairs.below("server"))?;
            pairs.take_below("server");
            network(NetworkSource {
                protocol: Some(Protocol::Nbd),
                name: pairs.take("export").map(str::to_owned),
                hosts: vec![host],
                ..NetworkSource::default()
            })
        }
        "http" | "https" | "ftp" | "ftps" => by_name(pairs.take("url")?).map(|source| (source, None)),
        "iscsi" => {
            let (name, port) = pairs.take("portal")?.rsplit_once(':')?;
            let host = Host { name: Some(name.to_owned()), port: port.parse().ok(), ..Host::default() };
            let target = pairs.take("target")?;
            let lun = pairs.take("lun").unwrap_or("0");
            let transport = pairs.take("transport").unwrap_or("tcp");
            (transport == "tcp").then_some(())?;
            network(NetworkSource {
                protocol: Some(Protocol::Iscsi),
                name: Some(format!("{target}/{lun}")),
                hosts: vec![host],
                initiator_iqn: pairs.take("initiator-name").map(str::to_owned),
                ..NetworkSource::default()
            })
        }
        "rbd" => {
            let name = format!("{}/{}", pairs.take("pool")?, pairs.take("image")?);
            let mut hosts = Vec::new();
            for index in 0..64 {
                let server = pairs.below(&format!("server.{index}"));
                let Some(host) = server.take("host") else { break };
                let port = server.take("port").and_then(|port| port.parse().ok());
                hosts.push(Host { name: Some(host.to_owned()), port, ..Host::default() });
            }
            pairs.take_below("server");
            network(NetworkSource {
                protocol: Some(Protocol::Rbd),
                name: Some(name),
                hosts,
                config: pairs.take("conf").map(str::to_owned),
                snapshot: pairs.take("snapshot").map(str::to_owned),
                ..NetworkSource::default()
            })
        }
        _ => None,
    }
}

fn server(pairs: &Pairs) -> Option<Host> {
    match pairs.take("type")? {
        "inet" => Some(Host {
            name: Some(pairs.take("host")?.to_owned()),
            port: pairs.take("port").and_then(|port| port.parse().ok()),
            ..Host::default()
        }),
        "unix" => Some(Host {
            transport: Some(Transport::Unix),
            socket: Some(pairs.take("path")?.to_owned()),
            ..Host::default()
        }),
        _ => None,
    }
}

/// Where an image is, by the name that QEMU takes as `file`; `None` if the domain cannot say it.
pub(super) fn by_name(name: &str) -> Option<Source> {
    if name.starts_with("/dev/") {
        return Some(Source::block(name));
    }
    let Some((scheme, rest)) = name.split_once(':').filter(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    }) else {
        return Some(Source::file(name));
    };
    let (protocol, transport) = scheme.split_once('+').unwrap_or((scheme, "tcp"));
    let network = |source: NetworkSource| Some(SourceKind::Network(Box::new(source)).into());
    if protocol == "file" {
        return Some(Source::file(rest));
    }
    if protocol == "rbd" {
        return rbd(rest).and_then(network);
    }
    if protocol == "nbd" && !rest.starts_with("//") {
        return nbd(rest).and_then(network);
    }
    let Ok(known) = Protocol::parse(protocol) else {
        // These are no protocols of the model; anything else with a colon is the name of a file.
        let is_special = [
            "blkdebug",
            "blkverify",
            "blkreplay",
            "fat",
            "host_cdrom",
            "host_device",
            "json",
            "nvme",
            "throttle",
        ];
        return (!is_special.contains(&protocol)).then(|| Source::file(name));
    };
    let rest = rest.strip_prefix("//")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let (user, address) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let mut source = NetworkSource {
        protocol: Some(known),
        name: Some(path.to_owned()).filter(|path| !path.is_empty()),
        ..NetworkSource::default()
    };
    let transport = Transport::parse(transport).ok()?;
    let host = if transport == Transport::Unix {
        let socket = query?.strip_prefix("socket=")?.to_owned();
        Host { transport: Some(transport), socket: Some(socket), ..Host::default() }
    } else {
        let (host, port) = host_and_port(address);
        if known == Protocol::Ssh {
            source.name = Some(format!("/{path}"));
        }
        if let Some(query) = query {
            matches!(known, Protocol::Http | Protocol::Https).then_some(())?;
            source.query = Some(query.to_owned());
        }
        let transport = Some(transport).filter(|transport| *transport != Transport::Tcp);
        Host { transport, name: Some(host), port, ..Host::default() }
    };
    if let Some(user) = user {
        // Only SSH knows people without passwords.
        (known == Protocol::Ssh).then_some(())?;
        source.identity = Some(Identity { username: Some(user.to_owned()), ..Identity::default() });
    }
    source.hosts = vec![host];
    network(source)
}

fn host_and_port(text: &str) -> (String, Option<u32>) {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    (host.to_owned(), port.and_then(|port| port.parse().ok()))
}

/// `HOST:PORT[:exportname=NAME]` or `unix:PATH[:exportname=NAME]`.
fn nbd(text: &str) -> Option<NetworkSource> {
    let (address, name) = match text.split_once(":exportname=") {
        Some((address, name)) => (address, Some(name.to_owned())),
        None => (text, None),
    };
    let host = match address.strip_prefix("unix:") {
        Some(path) => {
            Host { transport: Some(Transport::Unix), socket: Some(path.to_owned()), ..Host::default() }
        }
        None => {
            let (host, port) = host_and_port(address);
            Host { name: Some(host), port: Some(port?), ..Host::default() }
        }
    };
    Some(NetworkSource { protocol: Some(Protocol::Nbd), name, hosts: vec![host], ..NetworkSource::default() })
}

/// `POOL/IMAGE[@SNAPSHOT][:conf=FILE]`; credentials have no place in the source.
fn rbd(text: &str) -> Option<NetworkSource> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let (name, snapshot) = name.split_once('@').map_or((name, None), |(name, snap)| (name, Some(snap)));
    let mut source = NetworkSource {
        protocol: Some(Protocol::Rbd),
        name: Some(name.to_owned()),
        snapshot: snapshot.map(str::to_owned),
        ..NetworkSource::default()
    };
    for part in parts {
        match part.split_once('=')? {
            ("conf", file) => source.config = Some(file.to_owned()),
            _ => return None,
        }
    }
    Some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected: Option<&str>| {
            let found = by_name(name).map(|source| match &source.kind {
                SourceKind::Network(network) => {
                    let host = network.hosts.first().cloned().unwrap_or_default();
                    format!(
                        "{} {} {} {}",
                        network.protocol.map_or("?", Protocol::as_str),
                        network.name.as_deref().unwrap_or("-"),
                        host.name.or(host.socket).as_deref().unwrap_or("-"),
                        host.port.map_or("-".to_owned(), |port| port.to_string())
                    )
                }
                SourceKind::Block { .. } => "block".to_owned(),
                _ => format!("file {}", source.path().unwrap_or("-")),
            });
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("disk.img", Some("file disk.img"));
        check("/dev/sdb", Some("block"));
        check("file:a.img", Some("file a.img"));
        check("a b:c.img", Some("file a b:c.img"));
        check("nbd:localhost:10809:exportname=x", Some("nbd x localhost 10809"));
        check("nbd:unix:/run/nbd.sock", Some("nbd - /run/nbd.sock -"));
        check("nbd://host/name", Some("nbd name host -"));
        check("nbd+unix:///name?socket=/run/s", Some("nbd name /run/s -"));
        check("https://example.org:8443/a/b.iso", Some("https a/b.iso example.org 8443"));
        check(
            "iscsi://10.0.0.1:3260/iqn.2020-01.org.example:t/1",
            Some("iscsi iqn.2020-01.org.example:t/1 10.0.0.1 3260"),
        );
        check("gluster://[::1]/vol/a.img", Some("gluster vol/a.img ::1 -"));
        check("rbd:pool/image:conf=/etc/ceph.conf", Some("rbd pool/image - -"));
        check("rbd:pool/image:id=me", None);
        check("fat:rw:/tmp", None);
        check("http://user:password@host/a", None);
        check("nbd:host", None);
    }
}
