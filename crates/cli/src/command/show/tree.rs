//! The buses of a resolved domain, with the devices on them.

use std::collections::{BTreeMap, BTreeSet};

use domain_model::device::FAMILIES;
use serde_json::Value;

/// Draws the tree of a domain that is given as the model's JSON.
pub fn tree(domain: &Value) -> String {
    let mut buses = Buses::default();
    for family in FAMILIES {
        for device in domain["devices"][family].as_array().into_iter().flatten() {
            buses.plug(Device { family, json: device });
        }
    }
    let mut out = word(&domain["name"]).unwrap_or_default();
    out.push('\n');
    let roots = std::mem::take(&mut buses.roots);
    let loose = std::mem::take(&mut buses.loose);
    let mut lines: Vec<Line<'_>> = roots.into_iter().map(Line::Device).collect();
    // A bus that no controller provides is the machine's own; one that only leads to itself is drawn there as well.
    let reachable = buses.reachable(&lines);
    lines.extend(buses.on.keys().filter(|bus| !reachable.contains(*bus)).cloned().map(Line::Bus));
    if !loose.is_empty() {
        lines.push(Line::Loose(loose));
    }
    draw(&mut out, lines, "", &mut buses);
    out
}

/// What devices are plugged into: a kind, the controller's index, and the way through hubs.
type Bus = (String, u64, String);

#[derive(Clone, Copy)]
struct Device<'d> {
    family: &'d str,
    json: &'d Value,
}

enum Line<'d> {
    Device(Device<'d>),
    Bus(Bus),
    /// Devices that are on no bus.
    Loose(Vec<Device<'d>>),
}

#[derive(Default)]
struct Buses<'d> {
    on: BTreeMap<Bus, Vec<Device<'d>>>,
    /// Controllers that are on no bus themselves.
    roots: Vec<Device<'d>>,
    loose: Vec<Device<'d>>,
}

impl<'d> Buses<'d> {
    fn plug(&mut self, device: Device<'d>) {
        match device.home() {
            Some(bus) => self.on.entry(bus).or_default().push(device),
            None if device.family == "controller" => self.roots.push(device),
            None => self.loose.push(device),
        }
    }

    /// Takes the devices of a bus, in the order in which they sit there.
    fn take(&mut self, bus: &Bus) -> Vec<Device<'d>> {
        let mut devices = self.on.remove(bus).unwrap_or_default();
        devices.sort_by_cached_key(Device::rank);
        devices
    }

    /// The buses that can be come to from these lines.
    fn reachable(&self, lines: &[Line<'d>]) -> BTreeSet<Bus> {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<Device<'d>> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Device(device) => Some(*device),
                Line::Bus(_) | Line::Loose(_) => None,
            })
            .collect();
        // What hangs on the machine's own buses is drawn below those.
        let provided: BTreeSet<Bus> =
            self.on.values().flatten().chain(&pending).filter_map(Device::provides).collect();
        pending.extend(self.on.iter().filter(|(bus, _)| !provided.contains(*bus)).flat_map(|(_, on)| on));
        while let Some(device) = pending.pop() {
            if let Some(bus) = device.provides().filter(|bus| !seen.contains(bus)) {
                pending.extend(self.on.get(&bus).into_iter().flatten());
                seen.insert(bus);
            }
        }
        seen
    }
}

impl Device<'_> {
    /// The bus it is on.
    fn home(&self) -> Option<Bus> {
        let address = &self.json["address"];
        let kind = word(&address["@type"])?;
        let index = |name: &str| number(&address[name]);
        Some(match kind.as_str() {
            "pci" => (kind, index("@bus"), String::new()),
            "drive" => {
                let bus = word(&self.json["target"]["@bus"]).unwrap_or_else(|| "scsi".to_owned());
                (bus, index("@controller"), String::new())
            }
            "virtio-serial" | "ccid" => (kind, index("@controller"), String::new()),
            "usb" => {
                let port = word(&address["@port"]).unwrap_or_default();
                let way = port.rsplit_once('.').map_or("", |(way, _)| way);
                (kind, index("@bus"), way.to_owned())
            }
            _ => (kind, 0, String::new()),
        })
    }

    /// The bus it provides.
    fn provides(&self) -> Option<Bus> {
        match self.family {
            "controller" => Some((word(&self.json["@type"])?, number(&self.json["@index"]), String::new())),
            "hub" => {
                let address = &self.json["address"];
                Some(("usb".to_owned(), number(&address["@bus"]), word(&address["@port"])?))
            }
            _ => None,
        }
    }

    /// Its place on the bus.
    fn place(&self) -> Option<String> {
        let address = &self.json["address"];
        match address["@type"].as_str()? {
            "pci" => Some(format!("{:02x}.{:x}", number(&address["@slot"]), number(&address["@function"]))),
            "drive" => {
                let [bus, target, unit] = ["@bus", "@target", "@unit"].map(|name| number(&address[name]));
                Some(format!("{bus}:{target}:{unit}"))
            }
            "virtio-serial" | "usb" => word(&address["@port"]).map(|port| format!("port {port}")),
            "ccid" | "dimm" => word(&address["@slot"]).map(|slot| format!("slot {slot}")),
            "ccw" => {
                let [cssid, ssid] = ["@cssid", "@ssid"].map(|name| number(&address[name]));
                Some(format!("{cssid:x}.{ssid:x}.{:04x}", number(&address["@devno"])))
            }
            "spapr-vio" => word(&address["@reg"]),
            "isa" => word(&address["@iobase"]),
            _ => None,
        }
    }

    /// What to sort the devices of a bus by.
    fn rank(&self) -> (Vec<u64>, Vec<u64>) {
        let address = &self.json["address"];
        let fields = ["@slot", "@function", "@target", "@unit", "@devno", "@reg", "@iobase"];
        let port = word(&address["@port"]).unwrap_or_default();
        let port = port.split('.').filter_map(|step| step.parse().ok());
        (fields.iter().map(|name| number(&address[*name])).collect(), port.collect())
    }

    fn label(&self) -> String {
        let mut words: Vec<String> = self.place().into_iter().chain([self.family.to_owned()]).collect();
        let json = self.json;
        let (model, target) = (&json["model"], &json["target"]);
        let kind = if self.family == "disk" { &json["@device"] } else { &json["@type"] };
        let said = [kind, &json["@index"], &json["@model"], model, &model["@type"], &model["@name"]];
        let named = [&target["@dev"], &target["@name"], &json["mac"]["@address"]];
        words.extend(said.into_iter().chain(named).filter_map(word));
        let source = json["source"].as_object().into_iter().flatten();
        let mut source =
            source.filter(|(name, _)| name.starts_with('@')).filter_map(|(_, value)| word(value));
        words.extend(source.next());
        words.dedup();
        let alias = word(&json["alias"]["@name"]).map(|alias| format!("({alias})"));
        words.extend(alias);
        words.join(" ")
    }
}

/// Draws lines and what hangs on them; each bus once, wherever it comes first.
fn draw<'d>(out: &mut String, lines: Vec<Line<'d>>, indent: &str, buses: &mut Buses<'d>) {
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.into_iter().enumerate() {
        let (branch, below) = if index == last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let (label, devices) = match line {
            Line::Device(device) => {
                let on = device.provides().map(|bus| buses.take(&bus));
                (device.label(), on.unwrap_or_default())
            }
            Line::Bus(bus) => {
                let label = if bus.1 > 0 { format!("{} {}", bus.0, bus.1) } else { bus.0.clone() };
                (label, buses.take(&bus))
            }
            Line::Loose(devices) => ("without a bus".to_owned(), devices),
        };
        out.push_str(&format!("{indent}{branch}{label}\n"));
        let lines = devices.into_iter().map(Line::Device).collect();
        draw(out, lines, &format!("{indent}{below}"), buses);
    }
}

/// A text or number of the JSON; nothing for what has parts.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number, written in whatever base; 0 where there is none.
fn number(value: &Value) -> u64 {
    let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    match value {
        Value::String(text) => hex(text).or_else(|| text.parse().ok()).unwrap_or_default(),
        value => value.as_u64().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_hang_on_what_provides_their_bus() {
        let domain = serde_json::json!({ "name": "guest", "devices": {
            "disk": [
                { "@device": "cdrom", "target": { "@dev": "sda", "@bus": "sata" }, "source": { "@file": "/a.iso" },
                  "address": { "@type": "drive", "@controller": 0, "@unit": 1 } },
            ],
            "controller": [
                { "@type": "pci", "@index": 0, "@model": "pcie-root" },
                { "@type": "pci", "@index": 1, "@model": "pcie-root-port",
                  "address": { "@type": "pci", "@bus": "0x00", "@slot": "0x02", "@function": "0x1" } },
                { "@type": "sata", "@index": 0,
                  "address": { "@type": "pci", "@bus": "0x00", "@slot": "0x1f", "@function": "0x2" } },
                { "@type": "usb", "@index": 0,
                  "address": { "@type": "pci", "@bus": "0x01", "@slot": "0x00", "@function": "0x0" } },
            ],
            "hub": [{ "@type": "usb", "address": { "@type": "usb", "@bus": 0, "@port": "1" } }],
            "input": [
                { "@type": "tablet", "alias": { "@name": "input0" },
                  "address": { "@type": "usb", "@bus": 0, "@port": "1.2" } },
            ],
            "serial": [{ "@type": "pty", "address": { "@type": "isa" } }],
            "graphics": [{ "@type": "vnc" }],
            // A bridge on its own bus leads nowhere, and is shown all the same.
            "redirdev": [{ "@type": "tcp", "address": { "@type": "usb", "@bus": 7, "@port": "1" } }],
        }});
        let expected = "\
guest
├── controller pci 0 pcie-root
│   ├── 02.1 controller pci 1 pcie-root-port
│   │   └── 00.0 controller usb 0
│   │       └── port 1 hub usb
│   │           └── port 1.2 input tablet (input0)
│   └── 1f.2 controller sata 0
│       └── 0:0:1 disk cdrom sda /a.iso
├── isa
│   └── serial pty
├── usb 7
│   └── port 1 redirdev tcp
└── without a bus
    └── graphics vnc
";
        assert_eq!(tree(&domain), expected);
    }

    #[test]
    fn a_bus_that_leads_to_itself_is_drawn_once() {
        let domain = serde_json::json!({ "name": "guest", "devices": { "controller": [
            { "@type": "pci", "@index": 1, "address": { "@type": "pci", "@bus": 2 } },
            { "@type": "pci", "@index": 2, "address": { "@type": "pci", "@bus": 1 } },
        ]}});
        let expected =
            "guest\n├── pci 1\n│   └── 00.0 controller pci 2\n│       └── 00.0 controller pci 1\n└── pci 2\n";
        assert_eq!(tree(&domain), expected);
    }
}
