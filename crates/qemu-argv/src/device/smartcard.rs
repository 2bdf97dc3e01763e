//! `<smartcard>` on the QEMU side.

use caps_parser::Capability;
use domain_model::address::{Address, Ccid, Place};
use domain_model::device::smartcard::{HostCertificates, Smartcard, SmartcardMode};
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::props::Props;
use crate::resolve::Resolving;

/// Where NSS keeps certificates unless something else is said.
const DATABASE: &str = "/etc/pki/nssdb";

impl QemuDevice for Smartcard {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("smartcard{index}")
    }

    fn defaults(card: &mut Device<Self>, index: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let rule = card.meta.origin.implies("a smartcard is in a slot of the first reader");
        let slot = Ccid { controller: Some(0), slot: u32::try_from(index).ok() };
        let address = card.info.address.get_or_insert_with(|| Address::implied(Place::Ccid(slot), rule));
        if let Place::Ccid(slot) = &mut address.place {
            slot.controller.get_or_insert(0);
            slot.slot.get_or_insert(0);
        }
        if let SmartcardMode::Passthrough(chardev) = &mut card.spec.mode {
            chardev::defaults(chardev);
        }
    }

    fn validate(card: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        match card.info.address.as_ref().map(|address| &address.place) {
            Some(Place::Ccid(Ccid { controller: None | Some(0), slot: None | Some(0) })) => {}
            Some(Place::Ccid(_)) => {
                let message = "QEMU has one smartcard: slot 0 of reader 0";
                problems.push(Diagnostic::error(Code::Unsupported, card.origin, message));
            }
            _ => {
                let message = "a smartcard needs an address of type `ccid`";
                problems.push(Diagnostic::error(Code::Unsupported, card.at("address/@type"), message));
            }
        }
        if let SmartcardMode::Passthrough(chardev) = &card.spec.mode {
            chardev::validate(chardev, card.origin, cx, problems);
        }
        let needed = needed(&card.spec.mode);
        if cx.dialect.era == Era::Modern && !cx.has(needed) {
            problems.push(crate::gate::missing(needed, "<smartcard>", card.at("@mode"), cx.inputs.caps));
        }
    }

    fn args(card: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let emulated = || Props::new("driver", "ccid-card-emulated", card.at("@mode"));
        let props = match &card.spec.mode {
            SmartcardMode::Host => emulated().set("backend", "nss-emulated"),
            SmartcardMode::HostCertificates(host) => certificates(emulated(), host, card, cx),
            SmartcardMode::Passthrough(chardev) => {
                let name = Some("smartcard");
                let frontend = Frontend { name, ..Frontend::new(card.alias, card.origin) };
                let chardev = chardev::args(chardev, frontend, cx, out);
                Props::new("driver", "ccid-card-passthru", card.at("@mode")).set("chardev", chardev)
            }
        };
        out.props("-device", address(props.set("id", card.alias), card.info, cx));
        out.needing(needed(&card.spec.mode));
    }
}

fn needed(mode: &SmartcardMode) -> Capability {
    match mode {
        SmartcardMode::Host | SmartcardMode::HostCertificates(_) => Capability::CcidEmulated,
        SmartcardMode::Passthrough(_) => Capability::CcidPassthru,
    }
}

fn certificates(
    props: Props,
    host: &HostCertificates,
    card: &Resolved<'_, Smartcard>,
    cx: &Context<'_>,
) -> Props {
    let numbered = host.certificates.iter().enumerate();
    let props = numbered.fold(props.set("backend", "certificates"), |props, (index, name)| {
        props.set_at(format!("cert{}", index + 1), name, card.at("certificate"))
    });
    let key = if cx.dialect.era == Era::Historic { "database" } else { "db" };
    props.set_at(key, host.database.as_deref().unwrap_or(DATABASE), card.at("database"))
}
