//! What cannot work of images and of where they are.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::storage::{
    Auth, Cookie, Encryption, EncryptionEngine, EncryptionFormat, Format, NetworkSource, Protocol, Source,
    SourceKind, Transport,
};
use domain_model::xml::Meta;

use crate::check::Problems;

/// What cannot work of an image.
pub(super) fn check(
    source: &Source,
    format: Format,
    readonly: bool,
    auth: Option<&Auth>,
    encryption: Option<&Encryption>,
    meta: &Meta,
    out: &mut Problems<'_>,
) {
    let refused = match format {
        Format::Cow => Some("QEMU no longer knows images of the format `cow`; `qcow2` is its successor"),
        Format::Iso | Format::Aio => Some("QEMU takes images of CD-ROMs and the like as `raw`"),
        Format::Dir => Some("a directory is a disk of the type `dir`, not an image of the format `dir`"),
        Format::Fat if !matches!(source.kind, SourceKind::Dir { .. } | SourceKind::Volume(_)) => {
            Some("only directories are seen as images of the format `fat`")
        }
        Format::Fat if !readonly => {
            Some("nothing can be written to a directory that is seen as an image; add `<readonly/>`")
        }
        format if format != Format::Fat && matches!(source.kind, SourceKind::Dir { path: Some(_) }) => {
            Some("a directory is seen as an image of the format `fat`")
        }
        _ => None,
    };
    if let Some(message) = refused {
        out.unsupported(meta.at("driver/@type"), message);
    }
    if let SourceKind::Network(network) = &source.kind {
        self::network(network, auth, meta, out);
    }
    if let SourceKind::Nvme(_) = &source.kind {
        out.requires(Capability::DriveNvme, "type='nvme'", meta.at("@type"));
    }
    if let Some(store) = &source.data_store {
        let kind = store.format.as_ref().and_then(|format| format.kind);
        if format != Format::Qcow2 {
            out.unsupported(store.meta.origin, "`<dataStore>` is for images of the format `qcow2` only");
        }
        if kind.is_some_and(|kind| kind != Format::Raw) {
            out.unsupported(store.meta.at("format/@type"), "the data of an image is kept `raw`");
        }
    }
    if let Some(encryption) = encryption {
        encrypted(source, format, encryption, out);
    }
}

fn network(network: &NetworkSource, auth: Option<&Auth>, meta: &Meta, out: &mut Problems<'_>) {
    let Some(protocol) = network.protocol else { return };
    let at_protocol = meta.at("source/@protocol");
    let has_passwords = !matches!(
        protocol,
        Protocol::Nbd
            | Protocol::Sheepdog
            | Protocol::Gluster
            | Protocol::Tftp
            | Protocol::Vxhs
            | Protocol::Nfs
    );
    if let Some(auth) = auth.filter(|_| !has_passwords) {
        out.unsupported(auth.meta.origin, format!("the protocol `{protocol}` knows no passwords"));
    }
    match protocol {
        Protocol::Sheepdog => {
            out.unsupported(at_protocol, "no hypervisor knows the protocol `sheepdog` any more");
        }
        // QEMU dropped it in 2.8.
        Protocol::Tftp => out.unsupported(at_protocol, "QEMU no longer knows the protocol `tftp`"),
        Protocol::Nbd if network.tls_hostname.is_some() => {
            let origin = meta.at("source/@tlsHostname");
            out.requires(Capability::BlockdevNbdTlsHostname, "tlsHostname", origin);
        }
        Protocol::Rbd | Protocol::Gluster
            if network.name.as_deref().is_some_and(|name| name.find('/').is_none_or(|at| at == 0)) =>
        {
            let message = format!(
                "the name of an image behind `{protocol}` has a slash: `pool/image` or `volume/path`"
            );
            out.refuse(Code::BadValue, meta.at("source/@name"), message);
        }
        Protocol::Nfs => nfs(network, meta, out),
        Protocol::Http | Protocol::Https => cookies(&network.cookies, out),
        _ => {}
    }
}

/// QEMU's NFS client asks one server, and finds its port itself.
fn nfs(network: &NetworkSource, meta: &Meta, out: &mut Problems<'_>) {
    let [host] = network.hosts.as_slice() else {
        let message = format!("the protocol `nfs` needs exactly one `<host>`, not {}", network.hosts.len());
        out.unsupported(meta.at("source"), message);
        return;
    };
    if !matches!(host.transport, None | Some(Transport::Tcp)) {
        out.unsupported(host.meta.at("@transport"), "the protocol `nfs` goes over TCP only");
    }
    if host.port.is_some_and(|port| port > 0) {
        out.unsupported(host.meta.at("@port"), "the protocol `nfs` finds the port itself; leave it out");
    }
}

/// Cookies that a web server would misunderstand, as RFC 6265 has it.
fn cookies(cookies: &[Cookie], out: &mut Problems<'_>) {
    let is_control = |c: char| c.is_ascii_control() || c == ' ';
    for (index, cookie) in cookies.iter().enumerate() {
        let name = &cookie.name;
        let value = cookie.value.as_deref().unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        let message = if name.is_empty() {
            "a cookie has a name".to_owned()
        } else if name.chars().any(|c| is_control(c) || "\"(),/:;<=>?@[\\]{}".contains(c)) {
            format!("the name of the cookie `{name}` has characters that separate cookies")
        } else if value.chars().any(|c| is_control(c) || "\",;\\".contains(c)) {
            format!("the value of the cookie `{name}` has characters that separate cookies")
        } else if cookies.iter().take(index).any(|other| other.name == *name) {
            format!("there is another cookie `{name}`")
        } else {
            continue;
        };
        out.refuse(Code::BadValue, cookie.meta.origin, message);
    }
}

fn encrypted(source: &Source, format: Format, encryption: &Encryption, out: &mut Problems<'_>) {
    let origin = encryption.meta.at("@format");
    if matches!(encryption.format, EncryptionFormat::Default | EncryptionFormat::Qcow) {
        out.unsupported(
            origin,
            "QEMU no longer knows the encryption of `qcow` images; `luks` is its successor",
        );
    }
    let is_librbd = encryption.engine == Some(EncryptionEngine::Librbd);
    let is_rbd =
        matches!(&source.kind, SourceKind::Network(network) if network.protocol == Some(Protocol::Rbd));
    if is_librbd {
        if !is_rbd {
            let message = "the engine `librbd` is for images behind the protocol `rbd` only";
            out.unsupported(encryption.meta.at("@engine"), message);
        }
        out.requires(Capability::RbdEncryption, "engine='librbd'", encryption.meta.at("@engine"));
        if encryption.secrets.len() > 1 {
            let what = "several passphrases for one image";
            out.requires(Capability::RbdEncryptionLayering, what, encryption.meta.origin);
        }
        if encryption.format == EncryptionFormat::LuksAny {
            out.requires(Capability::RbdEncryptionLuksAny, "format='luks-any'", origin);
        }
        return;
    }
    if matches!(encryption.format, EncryptionFormat::Luks2 | EncryptionFormat::LuksAny) {
        let message =
            format!("QEMU itself does not know the encryption `{}`; `librbd` does", encryption.format);
        out.unsupported(origin, message);
    }
    if encryption.secrets.len() > 1 {
        out.unsupported(encryption.meta.origin, "QEMU itself takes only one passphrase for an image");
    }
    if !matches!(format, Format::Raw | Format::Qcow2) {
        let message = format!("images of the format `{format}` cannot be encrypted");
        out.unsupported(encryption.meta.origin, message);
    }
}
