//! What is written reads back equal, in XML and in JSON, whatever it is.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod generator;
mod mess;

use domain_model::device::Listed;
use domain_model::pm::LifecycleAction;
use domain_model::values::Kib;
use domain_model::xml::{self, Element, Json};
use domain_model::{Device, Document, Domain, Node, device};
use generator::{Generator, Random};
use mess::Mess;
use proptest::prelude::*;

/// Writes an element made up from `seed` and reads it back. What the description finds fault with need not
/// be equal, but has to be written the same again.
fn check<E: Element + PartialEq + std::fmt::Debug>(name: &'static str, seed: u64) {
    let mut generator = Generator::new(seed);
    let value: E = generator.element();
    let written = xml::write(name, &value);
    let document = Document::parse("test", written.clone()).unwrap();
    let (read, problems) = xml::read::<E>(document.root());
    assert_eq!(xml::write(name, &read), written, "{seed}");

    let json = xml::to_json(name, &read);
    let text = json.to_string();
    let parsed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed, json, "{text}");
    let (from_json, json_problems) = xml::from_json::<E>(name, parsed);
    assert_eq!(from_json, read, "{text}");
    assert_eq!(problems.len(), json_problems.len(), "{written}{problems:#?}{json_problems:#?}");

    if !generator.has_errors {
        let unknown: Vec<_> = problems.iter().filter(|problem| !problem.is_error()).collect();
        assert_eq!(unknown, [] as [&domain_model::Diagnostic; 0], "{written}");
    }
    if !generator.has_errors && problems.is_empty() {
        assert_eq!(read, value, "{written}");
    }
}

/// Reads an element made up from `seed` among things that nobody knows, and writes it: nothing is lost, and it is
/// written the same again, also after JSON.
fn check_mess<E: Element + PartialEq + std::fmt::Debug>(name: &'static str, seed: u64) {
    let mut generator = Generator::new(seed);
    let clean = xml::write(name, &generator.element::<E>());
    let clean = Document::parse("clean", clean).unwrap();
    let mut random = Random::new(!seed);
    let mut mess = Mess::new(&mut random);
    let text = mess.document(clean.root());
    let document = Document::parse("test", text.as_str()).unwrap();
    let (value, problems) = xml::read::<E>(document.root());
    let written = xml::write(name, &value);
    let again = Document::parse("again", written.as_str()).unwrap();
    let (again, _) = xml::read::<E>(again.root());
    assert_eq!(xml::write(name, &again), written, "{text}");
    if problems.iter().any(|problem| problem.is_error()) {
        return;
    }
    for mark in &mess.marks {
        assert_eq!(written.matches(mark).count(), 1, "{mark} in\n{text}\nis written as\n{written}");
    }
    let known = |value| xml::write_known(xml::Layout::Current, name, value);
    assert_eq!(known(&again), known(&value), "{text}");
    let (from_json, problems) = xml::from_json::<E>(name, xml::to_json(name, &value));
    assert_eq!(problems, [], "{text}");
    assert_eq!(xml::write(name, &from_json), written, "{}", xml::to_json(name, &value));
}

/// Changes one thing at a time in a domain with a made-up device among things that nobody knows: what is there
/// changes in its place, and the rest of the text stays as it was.
fn check_edits<T: Listed + PartialEq>(seed: u64) {
    let mut generator = Generator::new(seed);
    let mut domain =
        Domain { name: Some("guest".to_owned()), title: Some("A & B".to_owned()), ..Domain::default() };
    domain.on_crash = Some(LifecycleAction::Destroy);
    domain.current_memory = Some(Kib(1024));
    T::of_mut(&mut domain.devices).push(generator.element());
    domain.devices.hubs.push(Device::default());
    let clean = Document::parse("clean", domain.write()).unwrap();
    let mut random = Random::new(!seed);
    let mut mess = Mess::new(&mut random);
    let text = mess.document(clean.root());
    let document = Document::parse("test", text.as_str()).unwrap();
    let (domain, problems) = Domain::read(&document);
    if problems.iter().any(|problem| problem.is_error()) {
        return;
    }
    assert_eq!(domain.write_into(&document), text);
    // Where an element goes, the remarks in front of it may go with it.
    type Edit = fn(&mut Domain);
    let edits: [(&str, bool, Edit); 7] = [
        ("name", true, |domain| domain.name = Some("it's".to_owned())),
        ("title", false, |domain| domain.title = None),
        ("description", true, |domain| domain.description = Some("new".to_owned())),
        ("on_crash", true, |domain| domain.on_crash = Some(LifecycleAction::Restart)),
        ("currentMemory", true, |domain| domain.current_memory = Some(Kib(2048))),
        ("hub", true, |domain| domain.devices.hubs[0].info.alias = Some("ua-hub".to_owned())),
        ("hub", false, |domain| drop(domain.devices.hubs.pop())),
    ];
    for (name, keeps_remarks, edit) in edits {
        let mut edited = domain.clone();
        edit(&mut edited);
        if edited == domain {
            continue;
        }
        let merged = edited.write_into(&document);
        let again = Document::parse("merged", merged.as_str()).unwrap();
        assert_eq!(Domain::read(&again).0.write_known(), edited.write_known(), "{name}: {text}");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        pieces(document.root(), name, &mut before);
        pieces(again.root(), name, &mut after);
        if !keeps_remarks {
            before.retain(|piece| !piece.starts_with(['!', '?']));
            after.retain(|piece| !piece.starts_with(['!', '?']));
        }
        assert_eq!(after, before, "{name}: {text}\nbecomes\n{merged}");
    }
}

/// The tags, texts and remarks of an element as they were written, apart from blanks and elements of a name.
fn pieces<'d>(node: Node<'d>, without: &str, out: &mut Vec<&'d str>) {
    if !node.is_element() {
        out.extend(Some(node.source().trim_start_matches('<').trim()).filter(|text| !text.is_empty()));
        return;
    }
    if node.name() == without {
        return;
    }
    let start = node.span().start;
    let inside = node.children().next().map_or(node.source().len(), |child| child.span().start - start);
    let tag = node.source().get(..inside).unwrap();
    out.push(tag.split_once('>').map_or(tag, |(tag, _)| tag.trim_end_matches('/')));
    for child in node.children() {
        pieces(child, without, out);
    }
}

macro_rules! round_trips {
    ($($test:ident: $name:literal $element:ty;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

            $(#[test]
            fn $test(seed: u64) {
                check::<$element>($name, seed);
                check_mess::<$element>($name, seed);
            })+
        }
    };
}

macro_rules! families {
    ($($test:ident: $name:literal $family:ty;)+) => {
        round_trips! { $($test: $name Device<$family>;)+ }

        mod edits {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

                $(#[test]
                fn $test(seed: u64) { check_edits::<$family>(seed); })+
            }
        }

        const TESTED: &[&str] = &[$($name),+];
    };
}

families! {
    disk: "disk" device::disk::Disk;
    controller: "controller" device::controller::Controller;
    lease: "lease" device::lease::Lease;
    filesystem: "filesystem" device::filesystem::Filesystem;
    interface: "interface" device::interface::Interface;
    smartcard: "smartcard" device::smartcard::Smartcard;
    serial: "serial" device::serial::Serial;
    parallel: "parallel" device::parallel::Parallel;
    console: "console" device::console::Console;
    channel: "channel" device::channel::Channel;
    input: "input" device::input::Input;
    tpm: "tpm" device::tpm::Tpm;
    graphics: "graphics" device::graphics::Graphics;
    sound: "sound" device::sound::Sound;
    audio: "audio" device::audio::Audio;
    video: "video" device::video::Video;
    hostdev: "hostdev" device::hostdev::Hostdev;
    redirdev: "redirdev" device::redirdev::Redirdev;
    redirfilter: "redirfilter" device::redirfilter::Redirfilter;
    hub: "hub" device::hub::Hub;
    watchdog: "watchdog" device::watchdog::Watchdog;
    memballoon: "memballoon" device::memballoon::Memballoon;
    rng: "rng" device::rng::Rng;
    nvram: "nvram" device::nvram::Nvram;
    panic: "panic" device::panic::Panic;
    shmem: "shmem" device::shmem::Shmem;
    memory: "memory" device::memory::MemoryDevice;
    crypto: "crypto" device::crypto::Crypto;
    iommu: "iommu" device::iommu::Iommu;
    vsock: "vsock" device::vsock::Vsock;
    pstore: "pstore" device::pstore::Pstore;
}

round_trips! {
    blkiotune: "blkiotune" domain_model::blkiotune::Blkiotune;
    clock: "clock" domain_model::clock::Clock;
    cpu: "cpu" domain_model::cpu::Cpu;
    cputune: "cputune" domain_model::cputune::Cputune;
    features: "features" domain_model::features::Features;
    launch_security: "launchSecurity" domain_model::launch_security::LaunchSecurity;
    memory_backing: "memoryBacking" domain_model::memory::MemoryBacking;
    numatune: "numatune" domain_model::numatune::Numatune;
    os: "os" domain_model::os::Os;
    seclabel: "seclabel" domain_model::seclabel::Seclabel;
    sysinfo: "sysinfo" domain_model::sysinfo::Sysinfo;
}

#[test]
fn every_family_is_tested() {
    assert_eq!(TESTED, device::FAMILIES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn domain(seed: u64) {
        check::<Domain>("domain", seed);
        check_mess::<Domain>("domain", seed);
    }
}
