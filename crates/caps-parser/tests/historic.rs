//! The project's own historic help texts and what they tell.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::PathBuf;

use caps_parser::{Capabilities, Capability, Facts, device_help, help};
use serde_json::{Value, json};

/// The original texts; says so and gives nothing where the reference data is absent.
fn originals() -> Option<PathBuf> {
    let root = std::env::var_os("DOMX_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("help");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no reference data in {} (set DOMX_CONFORMANCE)", folder.display());
    None
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/help")
}

/// The texts of a folder by name, each with its list of devices if there is one.
fn texts(folder: &PathBuf) -> BTreeMap<String, (String, Option<String>)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            !name(path).ends_with(".json") && !name(path).ends_with(".md") && !name(path).ends_with("-device")
        })
        .map(|path| {
            let device = folder.join(format!("{}-device", name(&path)));
            (name(&path), (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(device).ok()))
        })
        .collect()
}

fn capabilities((help, device): &(String, Option<String>)) -> Capabilities {
    let mut facts = help::parse(help).unwrap();
    if let Some(device) = device {
        device_help::parse(device, &mut facts);
    }
    Capabilities::detect(facts, "historic")
}

fn names(flags: impl Iterator<Item = Capability>) -> Vec<&'static str> {
    flags.map(Capability::name).collect()
}

fn summary(capabilities: &Capabilities) -> Value {
    let facts = &capabilities.facts;
    json!({
        "version": facts.version,
        "is_kvm": facts.is_kvm,
        "kvm_version": facts.kvm_version,
        "skipped": facts.skipped,
        "flags": names(capabilities.flags()),
    })
}

#[test]
fn own_texts_tell_what_is_expected() {
    let got: BTreeMap<String, Value> =
        texts(&folder()).iter().map(|(name, text)| (name.clone(), summary(&capabilities(text)))).collect();
    let file = folder().join("expected.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&got).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in &expected {
        assert_eq!(&got[name], expected, "{name}");
    }
}

/// Condensing left out nothing that a capability depends on.
#[test]
fn own_texts_tell_the_same_as_the_originals() {
    let Some(originals) = originals() else { return };
    let own = texts(&folder());
    for (name, original) in texts(&originals) {
        let unlisted = unlisted_options(&original.0, &capabilities(&original).facts);
        assert!(unlisted.is_empty(), "{name}: options not recognised: {unlisted:?}");
        let (own, original) = (capabilities(&own[&name]), capabilities(&original));
        assert_eq!(names(own.flags()), names(original.flags()), "{name}");
        assert_eq!(names(own.unknown()), names(original.unknown()), "{name}");
        assert_eq!(
            (own.version(), &own.facts.package),
            (original.version(), &original.facts.package),
            "{name}"
        );
    }
}

/// Words at the start of a line that look like an option but did not become one.
fn unlisted_options(text: &str, facts: &Facts) -> Vec<String> {
    let options = facts.options.as_ref().unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix('-')?.split([' ', '\t', '/']).next())
        .filter(|name| !options.contains(name))
        .map(str::to_owned)
        .collect()
}

/// What libvirt of 2011 read from a help text is whether it mentions something, wherever.
#[test]
fn a_mention_is_enough() {
    let check = |body: &str, expected: &[&str]| {
        let of = |body: &str| {
            let facts = help::parse(&format!("QEMU emulator version 0.8.2, Copyright\n{body}")).unwrap();
            names(Capabilities::detect(facts, "historic").flags())
        };
        let without = of("");
        let flags: Vec<_> = of(body).into_iter().filter(|flag| !without.contains(flag)).collect();
        assert_eq!(flags, expected, "{body}");
    };
    check("-no-kvm-irqchip disable it\n", &["kvm"]);
    check("-no-kvm-pit-reinjection\n", &["kvm", "no-kvm-pit"]);
    check("a remark: see -drive and format=raw, or boot=on\n", &["drive", "drive-boot", "drive-format"]);
    check("-hda file  read only: readonly=on\n", &[]);
    check("-device x\n", &["device", "drive-readonly"]);
    check("-drive x\n  [,cache=on|off]\n", &["drive"]);
    check("-drive x\n  [,cache=none|off]\n", &["drive", "drive-cache-v2"]);
    check("-drive x\n-net tap,cache=on|off,aio=threads|native\n", &["drive", "drive-aio"]);
    check("-x serial=s\n-y ,menu=on\n", &["boot-menu", "drive-serial"]);
    check("-smp n,cores=c\n-x threads=t\n-y sockets=s\n", &["smp-topology"]);
    check("-smp n,cores=c\n-x threads=t\n", &[]);
    check("-rtc-td-hack\n", &["rtc-td-hack"]);
    check("-rtc base\n", &["rtc"]);
    check("-smbios file\n", &[]);
    check("-smbios type=0\n", &["smbios-type"]);
    check("-chardev vc\n", &["chardev"]);
    check("-chardev spicevmc\n", &["chardev", "chardev-spicevmc"]);
    check("-domid n\n", &["domid"]);
    check("-domid n\n-xen-domid n\n", &["xen-domid"]);
    check("-name s\n-x ,process=n\n", &["name", "name-process"]);
    check("-x ,process=n\n", &[]);
    check("-netdev x\n", &[]);
    check("-net tap,vhost=on\n", &[]);
    check("-vga [std|none]\n-x |qxl\n", &["vga", "vga-none", "vga-qxl"]);
    check("-vga [std|none]", &["vga"]);
    check("-vga std\n  |none|qxl\n", &["vga", "vga-qxl"]);
    check("|none|qxl\n-vga std\n", &["vga"]);
    check("-vga [std|none|qxl]\n-std-vga\n", &[]);
}
