//! `-device zpci`: what PCI devices of IBM Z guests are called.

use std::collections::HashMap;

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::address::{Place, Zpci};

use crate::arg::{Arg, Args, Payload};
use crate::context::Context;
use crate::props::{Props, Value};

/// Puts the identifiers of PCI devices in front of the devices.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let shared = cx.domain.devices.shared().zip(cx.all_aliases());
    let mut named: HashMap<&str, (Zpci, Origin)> = HashMap::new();
    for ((_, _, info), alias) in shared {
        if let Some(address) = &info.address
            && let Place::Pci(pci) = &address.place
            && let Some(zpci) = pci.zpci
        {
            named.insert(alias, (zpci, address.meta.at("zpci")));
        }
    }
    if named.is_empty() {
        return;
    }
    let mut list = Vec::with_capacity(out.list.len() + named.len());
    for arg in std::mem::take(&mut out.list) {
        if let Some((target, (zpci, origin))) = id(&arg).and_then(|id| named.get_key_value(id))
            && !is_mediated(&arg)
        {
            list.push(device(target, *zpci, *origin));
        }
        list.push(arg);
    }
    out.list = list;
}

/// QEMU's id of the device that an argument adds.
fn id(arg: &Arg) -> Option<&str> {
    match &arg.payload {
        Payload::Props(props) if arg.flag == "-device" => match props.get("id") {
            Some(Value::Text(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an argument adds a mediated device of the host: libvirt gives its identifiers to nobody.
fn is_mediated(arg: &Arg) -> bool {
    matches!(&arg.payload, Payload::Props(props) if props.get("sysfsdev").is_some())
}

fn device(target: &str, zpci: Zpci, origin: Origin) -> Arg {
    let uid = zpci.uid.unwrap_or_default().0;
    let props = Props::new("driver", "zpci", origin)
        .set("uid", uid)
        .set("fid", zpci.fid.unwrap_or_default().0)
        .set("target", target)
        .set("id", format!("zpci{uid}"));
    Arg { flag: "-device", payload: Payload::Props(props), origin, needs: Some(Capability::Zpci) }
}
