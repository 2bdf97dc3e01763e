//! `<driver txmode=…>` of network cards on every historic QEMU.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::path::PathBuf;

use caps_parser::{Capabilities, device_help, help};
use domain_model::{Document, Domain};
use qemu_argv::{Config, Inputs, RecordedHost};

fn help_texts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/help")
}

fn capabilities(qemu: &str) -> Capabilities {
    let text = |name: String| std::fs::read_to_string(help_texts().join(name));
    let mut facts = help::parse(&text(qemu.to_owned()).unwrap()).unwrap();
    if let Ok(devices) = text(format!("{qemu}-device")) {
        device_help::parse(&devices, &mut facts);
    }
    Capabilities::detect(facts, qemu)
}

/// How a network card is said, up to where all cards are alike; or the class of the error.
fn card(caps: &Capabilities, model: &str, driver: &str) -> String {
    let xml = format!(
        "<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory><os>\
         <type arch='x86_64' machine='pc'>hvm</type></os><devices><memballoon model='none'/><interface type='user'>\
         <model type='{model}'/>{driver}</interface></devices></domain>"
    );
    let (domain, _) = Domain::read(&Document::parse("test", xml).unwrap());
    let inputs = Inputs { caps, host: &RecordedHost::default(), config: &Config::default() };
    match qemu_argv::build(&domain, inputs) {
        Err(problems) => problems.first().unwrap().code.to_string(),
        Ok((command_line, _)) => {
            let argv = command_line.argv(&mut |_| String::new());
            let cards = argv.windows(2).filter(|pair| pair[1].contains(model) && pair[0] != "-name");
            let words = cards.map(|pair| {
                let parts = pair[1].split(',').filter(|part| !part.contains("mac"));
                let parts = parts.take_while(|part| !part.starts_with("netdev") && !part.starts_with("id="));
                let said: Vec<&str> = parts.filter(|part| !part.starts_with("vlan")).collect();
                format!("{} {}", pair[0], said.join(","))
            });
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

/// What becomes of each `txmode` on a kind of QEMU: of virtio cards without it, with `iothread`, with `timer`, and
/// of other cards with and without it.
const OPTION: [&str; 5] = [
    "-net nic,model=virtio",
    "missing-capability",
    "missing-capability",
    "-net nic,model=e1000",
    "-net nic,model=e1000",
];
const DEVICE: [&str; 5] =
    ["-device virtio-net-pci", "missing-capability", "missing-capability", "-device e1000", "-device e1000"];
const TX: [&str; 5] = [
    "-device virtio-net-pci",
    "-device virtio-net-pci,tx=bh",
    "-device virtio-net-pci,tx=timer",
    "-device e1000",
    "-device e1000",
];

#[test]
fn every_help_text_has_its_answer() {
    let expected = [
        ("kvm-74", OPTION),
        ("kvm-83-rhel56", OPTION),
        ("kvm-86", OPTION),
        ("qemu-0.9.1", OPTION),
        ("qemu-0.10.5", OPTION),
        ("qemu-0.12.1", DEVICE),
        ("qemu-kvm-0.10.5", OPTION),
        ("qemu-kvm-0.11.0-rc2", OPTION),
        ("qemu-kvm-0.12.1.2-rhel60", DEVICE),
        ("qemu-kvm-0.12.1.2-rhel61", TX),
        ("qemu-kvm-0.12.3", DEVICE),
        ("qemu-kvm-0.13.0", DEVICE),
    ];
    let (iothread, timer) = ("<driver txmode='iothread'/>", "<driver txmode='timer'/>");
    for (qemu, expected) in expected {
        let caps = capabilities(qemu);
        let got = [("virtio", ""), ("virtio", iothread), ("virtio", timer), ("e1000", ""), ("e1000", timer)];
        let got = got.map(|(model, driver)| {
            let card = card(&caps, model, driver);
            // Names of cards came with QEMU 0.10.
            card.replace(",name=net0", "").replace(",name=hostnet0", "")
        });
        assert_eq!(got, expected, "{qemu}");
    }
    let names = std::fs::read_dir(help_texts()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_str().unwrap().to_owned());
    let is_help =
        |name: &String| !name.contains("-device") && !name.contains(".md") && !name.contains(".json");
    let tested: BTreeSet<String> = expected.iter().map(|(qemu, _)| (*qemu).to_owned()).collect();
    assert_eq!(tested, names.filter(is_help).collect());
}
