//! The node that shows an image as the guest sees it.

use caps_parser::Capability;
use domain_model::storage::{EncryptionFormat, Format};

use super::secrets::Secrets;
use super::{Backing, Image};
use crate::context::Context;
use crate::props::{Props, Value};

/// Adds what a format has to say; `None` if QEMU does not know the format.
pub(super) fn format(
    image: &Image<'_>,
    props: Props,
    secrets: &Secrets,
    backing: Backing<'_>,
    cx: &Context<'_>,
) -> Option<Props> {
    let origin = image.meta.at("driver/@type");
    let passphrase = secrets.passphrases.first();
    let luks = image.luks();
    let props = match image.format {
        Format::Raw | Format::Fat if luks.is_some() => {
            props.set("driver", "luks").set("key-secret", passphrase)
        }
        // A directory is made a FAT file system by the storage node.
        Format::Raw | Format::Fat => props.set_at("driver", "raw", origin),
        Format::Qcow2 | Format::Qcow => {
            let encrypt = luks.map(|encryption| {
                let format = if encryption.format == EncryptionFormat::Qcow { "aes" } else { "luks" };
                Props::plain(encryption.meta.origin).set("format", format).set("key-secret", passphrase)
            });
            let props = props.set_at("driver", image.format.as_str(), origin);
            if image.format == Format::Qcow2 {
                qcow2(image, props, encrypt)
            } else {
                props.set("encrypt", encrypt)
            }
        }
        Format::Ploop => props.set_at("driver", "parallels", origin),
        Format::Vhd => props.set_at("driver", "vhdx", origin),
        Format::Bochs
        | Format::Cloop
        | Format::Dmg
        | Format::Vdi
        | Format::Vpc
        | Format::Qed
        | Format::Vmdk => props.set_at("driver", image.format.as_str(), origin),
        Format::Cow | Format::Iso | Format::Dir | Format::Aio => return None,
    };
    let props = props.set("file", image.file_node());
    if !has_backing(image.format) {
        return Some(props);
    }
    Some(match backing {
        Backing::Unknown => props,
        Backing::Nothing => props.set("backing", Value::Null),
        Backing::Image(below) => props.set_at("backing", below.node(cx), below.meta.origin),
    })
}

/// Whether images of a format can be on top of others.
pub(crate) fn has_backing(format: Format) -> bool {
    matches!(format, Format::Cow | Format::Qcow | Format::Qcow2 | Format::Qed | Format::Vmdk)
}

fn qcow2(image: &Image<'_>, props: Props, encrypt: Option<Props>) -> Props {
    let (no_unref, no_unref_origin) = image.of_driver(|driver| driver.discard_no_unref, "@discard_no_unref");
    props
        .set("cache-size", image.metadata_cache.map(|size| size.0))
        .set("encrypt", encrypt)
        .requires(Capability::Qcow2DiscardNoUnref, "discard-no-unref", no_unref, no_unref_origin)
        .set("data-file", image.data_file.as_deref())
}
