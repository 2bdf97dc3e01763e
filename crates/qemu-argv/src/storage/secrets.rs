//! The objects that an image's nodes refer to: secrets, TLS credentials, reservations.

use domain_model::storage::{NetworkSource, Protocol, SourceKind};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use super::Image;
use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::secret;

/// The ids of the objects that an image's nodes refer to.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    /// The password that the server asks for.
    pub password: Option<String>,
    /// The passphrases that the content is encrypted with, the one of the image itself first.
    pub passphrases: Vec<String>,
    /// The cookies that a web server asks for.
    pub cookies: Option<String>,
    /// Who the client is, for TLS.
    pub tls: Option<String>,
    /// Who looks after persistent reservations.
    pub reservations: Option<String>,
}

/// Adds the objects, in libvirt's order, and gives their ids.
pub(super) fn objects(image: &Image<'_>, cx: &Context<'_>, out: &mut Args) -> Secrets {
    let reservations = super::reservations::object(image, cx, out);
    let network = match &image.source.kind {
        SourceKind::Network(network) => Some(network.as_ref()),
        _ => None,
    };
    if network.is_none() && image.auth.is_none() && image.encryption.is_none() {
        // Nearly every image is a plain file; nothing is named for those.
        return Secrets { reservations, ..Secrets::default() };
    }
    let storage = image.storage_node();
    // What nbdkit serves, it has the passwords for.
    let served = network.is_some_and(|network| super::nbdkit::serves(network, cx));
    let password = if served { None } else { password(image, &format!("{storage}-auth"), cx, out) };
    let cookies = network.filter(|_| !served).and_then(|network| {
        let cookies: Vec<String> = network
            .cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value.as_deref().unwrap_or_default()))
            .collect();
        let origin = network.cookies.first()?.meta.origin;
        let id = format!("{storage}-httpcookie-secret0");
        secret::object(id, cookies.join("; ").as_bytes(), origin, cx, out)
    });
    let tls = network.and_then(|network| tls(image, network, &storage, cx, out));
    let node = image.node(cx);
    let encryption = image.encryption.map_or(&[][..], |encryption| encryption.secrets.as_slice());
    let passphrases = encryption.iter().enumerate().filter_map(|(index, of)| {
        let id = format!("{node}-encryption-secret{index}");
        secret::kept(id, of.secret.as_ref()?, of.meta.origin, cx, out)
    });
    let passphrases = passphrases.collect();
    if let Some(luks) = image.luks().filter(|luks| luks.secrets.is_empty()) {
        let message = "an encrypted image needs a `<secret>` with its passphrase";
        out.problem(Diagnostic::error(Code::Malformed, luks.meta.origin, message));
    }
    Secrets { password, passphrases, cookies, tls, reservations }
}

/// Adds the password that the server asks for; `of` is what its id starts with.
pub(super) fn password(image: &Image<'_>, of: &str, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let auth = image.auth?;
    secret::kept(format!("{of}-secret0"), auth.secret.secret.as_ref()?, auth.secret.meta.origin, cx, out)
}

/// Adds the credentials for a protocol that goes over TLS.
fn tls(
    image: &Image<'_>,
    network: &NetworkSource,
    storage: &str,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<String> {
    let config = cx.config();
    let (is_wanted, dir, secret) = match network.protocol? {
        Protocol::Nbd => (network.tls == Some(YesNo::Yes), &config.nbd_tls_dir, &config.nbd_tls_secret),
        Protocol::Vxhs => {
            let is_wanted = network.tls.map_or(config.vxhs_tls, bool::from);
            (is_wanted, &config.vxhs_tls_dir, &config.vxhs_tls_secret)
        }
        protocol => {
            if network.tls == Some(YesNo::Yes) {
                let message = format!("TLS is for the protocols `nbd` and `vxhs`, not for `{protocol}`");
                let origin = image.meta.at("source/@tls");
                out.problem(Diagnostic::error(Code::Unsupported, origin, message));
            }
            return None;
        }
    };
    if !is_wanted {
        return None;
    }
    let origin: Origin = image.meta.at("source/@tls");
    let id = format!("obj{storage}_tls0");
    let password =
        secret.as_ref().and_then(|uuid| secret::configured(format!("{id}-secret0"), uuid, origin, cx, out));
    let props = Props::new("qom-type", "tls-creds-x509", origin)
        .set("id", &id)
        .set("dir", dir)
        .set("endpoint", "client")
        .set("verify-peer", true)
        .set("passwordid", password);
    out.props("-object", props);
    Some(id)
}
