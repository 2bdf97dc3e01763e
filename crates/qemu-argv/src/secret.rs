//! Secrets as QEMU's objects: passwords and passphrases, never in the open.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use domain_model::storage::Secret;
use domain_model::values::Uuid;
use domain_model::xml::Text as _;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::needs::SecretFile;
use crate::props::Props;

/// The sizes in bytes of the key and of the initialisation vector that QEMU takes for AES-256.
const KEY: usize = 32;
const VECTOR: usize = 16;

/// Adds a `secret` object with the value of a secret that the management keeps, and gives its id.
pub(crate) fn kept(
    id: String,
    secret: &Secret,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<String> {
    let Some(value) = cx.inputs.host.secret(secret) else {
        let name = match secret {
            Secret::Uuid(uuid) => format!("with the UUID `{uuid}`"),
            Secret::Usage(usage) => format!("for `{usage}`"),
        };
        let message = format!("there is no secret {name}");
        out.problem(Diagnostic::error(Code::NotFound, origin, message));
        return None;
    };
    object(id, &value, origin, cx, out)
}

/// Adds a `secret` object with the value of the secret whose UUID is in the configuration, and gives its id.
pub(crate) fn configured(
    id: String,
    uuid: &str,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<String> {
    let Ok(uuid) = Uuid::parse(uuid) else {
        let message = format!("the configuration's `{uuid}` is not the UUID of a secret");
        out.problem(Diagnostic::error(Code::HostFact, origin, message));
        return None;
    };
    kept(id, &Secret::Uuid(uuid), origin, cx, out)
}

/// Adds a `secret` object, and gives its id.
///
/// libvirt encrypts the value with the guest's master key, which it hands over in a file; a guest of our own
/// has a file for each value.
pub(crate) fn object(
    id: String,
    value: &[u8],
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<String> {
    if !cx.is_libvirt() {
        let path = format!("{}/{id}.secret", cx.guest_dir());
        let props = Props::new("qom-type", "secret", origin).set("id", &id).set("file", &path);
        out.props("-object", props.set("format", "raw"));
        out.needs.secrets.push(SecretFile { path, value: value.to_vec(), origin });
        return Some(id);
    }
    let (key, vector) = (cx.inputs.host.random(KEY), cx.inputs.host.random(VECTOR));
    let Ok(cipher) = cbc::Encryptor::<Aes256>::new_from_slices(&key, &vector) else {
        let message = "there are no random numbers to encrypt secrets with";
        out.problem(Diagnostic::error(Code::HostFact, origin, message));
        return None;
    };
    let props = Props::new("qom-type", "secret", origin)
        .set("id", &id)
        .set("data", STANDARD.encode(cipher.encrypt_padded_vec::<Pkcs7>(value)))
        .set("keyid", "masterKey0")
        .set("iv", STANDARD.encode(vector))
        .set("format", "base64");
    out.props("-object", props);
    Some(id)
}
