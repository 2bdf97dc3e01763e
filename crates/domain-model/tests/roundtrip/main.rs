//! What is written reads back equal, in XML and in JSON, whatever it is.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod generator;

use domain_model::xml::{self, Element, Json};
use domain_model::{Device, Document, Domain, device};
use generator::Generator;
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

macro_rules! round_trips {
    ($($test:ident: $name:literal $element:ty;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            $(#[test]
            fn $test(seed: u64) { check::<$element>($name, seed); })+
        }
    };
}

macro_rules! families {
    ($($test:ident: $name:literal $family:ty;)+) => {
        round_trips! { $($test: $name Device<$family>;)+ }

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
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn domain(seed: u64) { check::<Domain>("domain", seed); }
}
