//! Command lines of small domains, for tests of device families.

use caps_parser::{Capabilities, Capability};
use domain_model::{Diagnostic, Document, Domain};
use qemu_argv::{CommandLine, Config, FdRequest, Inputs, Layout, RecordedHost};

/// A QEMU of today: what it can do, as far as the tests need it.
#[allow(dead_code)]
pub const MODERN: &[Capability] = &[
    Capability::Blockdev,
    Capability::DeviceJsonHotplug,
    Capability::NetdevJson,
    Capability::BootIndex,
    Capability::Rtl8139,
    Capability::VirtioTxAlg,
    Capability::VirtioPciNonTransitional,
    Capability::ChardevReconnectMs,
    Capability::Kvm,
];

/// What the devices add to a guest without them: arguments as `flag payload`, or errors as `code: message`.
pub fn arguments(domain_type: &str, devices: &str, caps: &[Capability], config: &Config) -> Vec<String> {
    let (base_lines, base_problems) = build(domain_type, "", caps, config);
    let (mut lines, mut problems) = build(domain_type, devices, caps, config);
    lines.retain(|line| !base_lines.contains(line));
    problems.retain(|line| !base_problems.contains(line));
    if problems.is_empty() { lines } else { problems }
}

/// All arguments of a guest with these devices.
#[allow(dead_code)]
pub fn lines(domain_type: &str, devices: &str, caps: &[Capability], config: &Config) -> Vec<String> {
    build(domain_type, devices, caps, config).0
}

/// What the host has to have ready for a guest with these devices.
#[allow(dead_code)]
pub fn needs(domain_type: &str, devices: &str, caps: &[Capability], config: &Config) -> qemu_argv::Needs {
    lowered(domain_type, devices, caps, config).map(|(line, _)| line.needs).unwrap_or_default()
}

fn build(
    domain_type: &str,
    devices: &str,
    flags: &[Capability],
    config: &Config,
) -> (Vec<String>, Vec<String>) {
    let (command_line, problems) = match lowered(domain_type, devices, flags, config) {
        Ok(built) => built,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let mut fds = |request: &FdRequest| format!("<{request:?}>");
    let lines = command_line
        .args
        .iter()
        .map(|arg| format!("{} {}", arg.flag, command_line.payload(arg, &mut fds).unwrap_or_default()));
    let problems = problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message));
    (lines.collect(), problems.collect())
}

fn lowered(
    domain_type: &str,
    devices: &str,
    flags: &[Capability],
    config: &Config,
) -> Result<(CommandLine, Vec<Diagnostic>), String> {
    let xml = format!(
        "<domain type='{domain_type}'><name>guest</name><memory unit='MiB'>64</memory><os>\
         <type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os><devices>\
         <controller type='usb' model='none'/><memballoon model='none'/>{devices}</devices></domain>"
    );
    lowered_on(&RecordedHost::default(), &xml, flags, config)
}

/// The command line of a domain on a host.
#[allow(dead_code)]
pub fn lowered_on(
    host: &RecordedHost,
    xml: &str,
    flags: &[Capability],
    config: &Config,
) -> Result<(CommandLine, Vec<Diagnostic>), String> {
    let document = Document::parse("test", xml).map_err(|error| error.to_string())?;
    let (domain, mut problems) = Domain::read(&document);
    let caps = Capabilities::from_flags(flags.iter().copied());
    let inputs = Inputs { caps: &caps, host, config };
    let (resolved, more) = qemu_argv::resolve(&domain, inputs);
    problems.extend(more);
    let (command_line, more) = qemu_argv::lower(&resolved, inputs);
    problems.extend(more);
    Ok((command_line, problems))
}

/// The configuration of a layout, everything else at its default.
#[allow(dead_code)]
pub fn layout(layout: Layout) -> Config {
    Config { layout, ..Config::default() }
}
