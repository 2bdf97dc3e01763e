//! What a supervised guest has besides its devices.

use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Domain};
use qemu_argv::{Config, Inputs, Layout, RecordedHost};

/// The arguments with this flag.
#[track_caller]
fn check(body: &str, caps: &[Capability], config: &Config, flag: &str, expected: &[&str]) {
    let xml = format!(
        "<domain type='qemu'><name>g</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type>\
         </os>{body}</domain>"
    );
    let Ok(document) = Document::parse("", xml.as_str()) else { return assert_eq!(xml, "well-formed") };
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty(), "{problems:?}");
    let caps = Capabilities::from_flags(caps.iter().copied().chain([Capability::Blockdev]));
    let inputs = Inputs { caps: &caps, host: &RecordedHost::default(), config };
    let (resolved, _) = qemu_argv::resolve(&domain, inputs);
    let (line, _) = qemu_argv::lower(&resolved, inputs);
    let found: Vec<String> = line
        .args
        .iter()
        .filter(|arg| arg.flag == flag)
        .map(|arg| line.payload(arg, &mut |_| "9".to_owned()).unwrap_or_default())
        .collect();
    assert_eq!(found, expected, "{body} {caps:?}");
}

#[test]
fn qemu_ends_with_its_supervisor() {
    use Capability::{RunWithAsyncTeardown, RunWithExitWithParent};
    let supervised = Config { supervised: true, ..Config::default() };
    let both = [RunWithAsyncTeardown, RunWithExitWithParent];
    let teardown = "<features><async-teardown enabled='yes'/></features>";
    check("", &both, &supervised, "-run-with", &["exit-with-parent=on"]);
    check("", &[], &supervised, "-run-with", &[]);
    check(teardown, &both, &supervised, "-run-with", &["async-teardown=on,exit-with-parent=on"]);
    check(teardown, &both[..1], &supervised, "-run-with", &["async-teardown=on"]);
    // A person who pastes a command line into a shell does not want that, and libvirt does not say it.
    check("", &both, &Config::default(), "-run-with", &[]);
    check("", &both, &Config { layout: Layout::Libvirt, ..Config::default() }, "-run-with", &[]);
}

#[test]
fn the_end_of_a_guest_is_left_to_its_supervisor() {
    let supervised = Config { supervised: true, ..Config::default() };
    let reboot = "<on_reboot>destroy</on_reboot>";
    check(reboot, &[Capability::SetAction], &supervised, "-no-shutdown", &[""]);
    check(reboot, &[Capability::SetAction], &supervised, "-action", &[]);
    check(reboot, &[Capability::SetAction], &Config::default(), "-action", &["reboot=shutdown"]);
    check(reboot, &[], &Config::default(), "-no-reboot", &[""]);
}
