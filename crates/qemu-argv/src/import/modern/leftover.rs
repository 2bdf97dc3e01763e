//! What has no place in the domain.

use std::collections::BTreeSet;

use domain_model::qemu::{QemuDeviceOverride, QemuProperty, QemuPropertyType};
use domain_model::{DeviceInfo, Origin};

use domain_model::address::Pci;

use super::pci::Slots;
use super::{Build, Frontend};
use crate::import::Importing;
use crate::import::option::Opt;
use crate::import::pairs::{JsonType, Pair};

/// Options that others refer to by id, and the key of the id.
const BACKENDS: &[(&str, &str)] = &[
    ("audiodev", "id"),
    ("blockdev", "node-name"),
    ("chardev", "id"),
    ("drive", "id"),
    ("fsdev", "id"),
    ("netdev", "id"),
    ("object", "id"),
    ("tpmdev", "id"),
];

/// Adds what has to stay together with what is kept: devices on a bus of a device that is kept, and controllers
/// whose bus such a device is on.
pub(super) fn close(options: &[Opt], kept: &mut BTreeSet<usize>) {
    let devices: Vec<(usize, &Opt)> =
        options.iter().enumerate().filter(|(_, option)| option.is(&["device"])).collect();
    loop {
        let before = kept.len();
        for (number, device) in &devices {
            let Some(bus) = device.peek("bus") else { continue };
            let controller =
                devices.iter().find(|(_, other)| other.peek("id").is_some_and(|id| is_bus_of(bus, id)));
            if let Some((controller, _)) = controller
                && (kept.contains(number) || kept.contains(controller))
            {
                kept.extend([*number, *controller]);
            }
        }
        if kept.len() == before {
            return;
        }
    }
}

/// Whether a bus is one of the device: a bus is called as the device, or that with a number behind.
fn is_bus_of(bus: &str, id: &str) -> bool {
    bus == id
        || bus
            .strip_prefix(id)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Passes on what is kept, with the backends that it refers to, in the order of the command line.
pub(super) fn keep(options: &[Opt], kept: &BTreeSet<usize>, slots: &Slots, cx: &mut Importing<'_>) {
    let mut all: BTreeSet<usize> = kept.clone();
    all.extend(
        (0..options.len()).filter(|number| options.get(*number).is_some_and(|option| !option.is_taken())),
    );
    loop {
        let before = all.len();
        let referred: Vec<usize> = all
            .iter()
            .filter_map(|number| options.get(*number))
            .flat_map(references)
            .filter_map(|id| {
                options.iter().position(|option| {
                    BACKENDS.iter().any(|(name, key)| option.is(&[name]) && option.peek(key) == Some(id))
                })
            })
            .collect();
        all.extend(referred);
        if all.len() == before {
            break;
        }
    }
    for number in all {
        let Some(option) = options.get(number) else { continue };
        match slots.of(number).and_then(|pci| with_place(option, pci)) {
            Some(value) => cx.keep_as(option, &[format!("-{}", option.name), value]),
            None => cx.keep(option),
        }
    }
}

/// A PCI device that does not say where it wants to be, with the place that QEMU would have given it: the domain's
/// devices come later on the command line, and have theirs.
fn with_place(option: &Opt, pci: Pci) -> Option<String> {
    let pairs =
        option.pairs.as_ref().filter(|pairs| option.is(&["device"]) && pairs.peek("addr").is_none())?;
    let addr = format!("{:#x}", pci.slot?.0);
    if option.value.trim_start().starts_with('{') {
        let mut object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&option.value).ok()?;
        object.insert("addr".to_owned(), addr.into());
        return serde_json::to_string(&object).ok();
    }
    (!pairs.is_empty()).then(|| format!("{},addr={addr}", option.value))
}

/// Every value that could be the id of something else.
fn references(option: &Opt) -> impl Iterator<Item = &str> {
    let own = ["id", "node-name", "driver", "type", "backend", "qom-type"];
    let pairs = option.pairs.iter().flat_map(|pairs| pairs.all());
    pairs.filter(move |pair| !own.contains(&pair.key.as_str())).map(|pair| pair.value.as_str())
}

/// Turns the properties that nobody has read into changes to this one device.
pub(super) fn properties(build: &mut Build<'_, '_, '_>, frontend: Frontend<'_>, info: &mut DeviceInfo) {
    let left: Vec<QemuProperty> =
        frontend.pairs.left().map(|pair| property(pair, frontend.origin())).collect();
    if left.is_empty() {
        return;
    }
    let names: Vec<String> = left.iter().map(|property| format!("`{}`", property.name)).collect();
    let id = frontend.pairs.peek("id").map(str::to_owned);
    let id = id.unwrap_or_else(|| format!("device{}", frontend.number));
    let alias = if id.starts_with("ua-") { id } else { format!("ua-{id}") };
    info.alias = Some(alias.clone());
    let change = QemuDeviceOverride { alias, frontend: left, ..QemuDeviceOverride::default() };
    build.domain().qemu_override.get_or_insert_default().devices.push(change);
    let message = format!("{} has no place in the domain; it goes to QEMU as it is", names.join(", "));
    build.cx.left_out(frontend.origin(), message);
}

fn property(pair: &Pair, origin: Origin) -> QemuProperty {
    let value = pair.value.as_str();
    let (kind, value) = match pair.json {
        Some(JsonType::Text) => (QemuPropertyType::String, value),
        Some(JsonType::Null) => (QemuPropertyType::Remove, ""),
        _ if value == "on" => (QemuPropertyType::Bool, "true"),
        _ if value == "off" => (QemuPropertyType::Bool, "false"),
        _ if value.parse::<u64>().is_ok() => (QemuPropertyType::Unsigned, value),
        _ if value.parse::<i64>().is_ok() => (QemuPropertyType::Signed, value),
        _ => (QemuPropertyType::String, value),
    };
    QemuProperty {
        name: pair.key.clone(),
        kind,
        value: (kind != QemuPropertyType::Remove).then(|| value.to_owned()),
        meta: domain_model::xml::Meta::from_origin(origin),
    }
}
