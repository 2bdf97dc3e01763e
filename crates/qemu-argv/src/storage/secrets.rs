//! The objects that an image's nodes refer to: secrets, TLS credentials.

use super::Image;
use crate::arg::Args;
use crate::context::Context;

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
    if let Some(reservations) = &image.source.reservations {
        cx.not_yet("`<reservations>`", reservations.meta.origin, out);
    }
    if let Some(auth) = image.auth {
        cx.not_yet("`<auth>`", auth.meta.origin, out);
    }
    if let Some(encryption) = image.encryption {
        cx.not_yet("`<encryption>`", encryption.meta.origin, out);
    }
    Secrets::default()
}
