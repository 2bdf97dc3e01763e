//! QEMU's exact command line from a libvirt domain and a QEMU's capabilities.

pub mod arg;
pub mod config;
pub mod context;
pub mod device;
pub mod dialect;
pub mod gate;
pub mod host;
pub mod import;
pub mod needs;
pub mod order;
pub mod props;
pub mod resolve;
pub mod review;
pub mod shell;
pub mod spell;

mod address;
mod boot;
mod chardev;
mod check;
mod clock;
mod cpu;
mod domain;
mod features;
mod historic;
mod incoming;
mod iothreads;
mod launch_security;
mod memory;
mod numa;
mod os;
mod pm;
mod qemu;
mod rom;
mod secret;
mod storage;
mod sysinfo;
mod throttle;
mod tuning;
mod unheard;
mod virtio;
mod zpci;

use domain_model::{Diagnostic, Domain, Origin};

pub use arg::{Arg, Args, EnvVar, Payload};
pub use config::{Config, Layout};
pub use context::{Context, Inputs, Resolved};
pub use cpu::map::{CpuMap, CpuMapError, CpuidBits, FeatureSet, MapFeature, MapModel, MapVendor, Signature};
pub use dialect::Dialect;
pub use host::{
    FdGroup, FdRequest, FileKind, Host, HostCpu, HostPciDevice, NetworkPlug, PoolSecret, RecordedHost,
    StoragePool, StorageVolume, VolumeKind,
};
pub use needs::{Access, Helper, HostFile, Link, Needs, SecretFile, Tap, Word};
pub use os::descriptor::FirmwareFile;
pub use props::{ListStyle, Prop, Props, Value};
pub use resolve::resolve;

/// A command line whose arguments still know why they are there.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// The QEMU binary.
    pub program: String,
    /// The variables of its environment, in order.
    pub env: Vec<EnvVar>,
    /// The arguments, in order.
    pub args: Vec<Arg>,
    /// What the host has to have ready before it is started.
    pub needs: Needs,
    /// Which syntaxes they are spelt in.
    pub dialect: Dialect,
}

/// Builds the command line of a domain.
///
/// # Errors
/// Every reason why this QEMU cannot run this domain, each with its place in the XML. Warnings are given
/// back with the command line if there is no error.
pub fn build(domain: &Domain, inputs: Inputs<'_>) -> Result<(CommandLine, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (resolved, problems) = resolve(domain, inputs);
    if domain_model::domain::has_errors(&problems) {
        return Err(problems);
    }
    let (command_line, more) = start(resolved, inputs);
    let problems = [problems, more].concat();
    if domain_model::domain::has_errors(&problems) { Err(problems) } else { Ok((command_line, problems)) }
}

/// Builds the command line of a resolved domain, with every problem there is.
pub fn lower(resolved: &Domain, inputs: Inputs<'_>) -> (CommandLine, Vec<Diagnostic>) {
    start(resolved.clone(), inputs)
}

fn start(resolved: Domain, inputs: Inputs<'_>) -> (CommandLine, Vec<Diagnostic>) {
    let mut changes = Vec::new();
    let caps = qemu::capabilities(&resolved, inputs.caps, &mut changes);
    let inputs = Inputs { caps: &caps, ..inputs };
    let dialect = Dialect::of(inputs.caps);
    let (started, mut problems) = resolve::start(resolved, inputs);
    problems.extend(changes);
    let cx = Context::new(&started, inputs, dialect);
    let mut out = Args::default();
    for section in order::sections(dialect.era) {
        section(&cx, &mut out);
    }
    virtio::check_places(&cx, &mut out);
    zpci::args(&cx, &mut out);
    qemu::overrides(&cx, &mut out);
    problems.extend(out.problems);
    problems.extend(gate::gate(&out.list, inputs.caps));
    let program = started.devices.emulator.clone().unwrap_or_default();
    (CommandLine { program, env: out.env, args: out.list, needs: out.needs, dialect }, problems)
}

impl CommandLine {
    /// The arguments as strings, without the program; `fds` gives descriptors their numbers.
    pub fn argv(&self, fds: &mut spell::FdNumber<'_>) -> Vec<String> {
        let mut argv = Vec::with_capacity(self.args.len() * 2);
        for arg in &self.args {
            argv.extend((!arg.flag.is_empty()).then(|| arg.flag.to_owned()));
            argv.extend(self.payload(arg, fds));
        }
        argv
    }

    /// What follows an argument's flag, as a string.
    pub fn payload(&self, arg: &Arg, fds: &mut spell::FdNumber<'_>) -> Option<String> {
        match &arg.payload {
            Payload::None => None,
            Payload::Text(text) => Some(text.clone()),
            Payload::Props(props) => Some(spell::spell(props, self.dialect.spelling(arg.flag), fds)),
        }
    }

    /// The descriptors that QEMU is to inherit, in the order in which they are named, with the reason for each.
    pub fn fd_requests(&self) -> Vec<(&FdRequest, Origin)> {
        fn collect<'a>(value: &'a Value, origin: Origin, out: &mut Vec<(&'a FdRequest, Origin)>) {
            match value {
                Value::Fd(request) => out.push((request, origin)),
                Value::Props(props) => {
                    props.items().iter().for_each(|prop| collect(&prop.value, prop.origin, out));
                }
                Value::List(values, _) => values.iter().for_each(|value| collect(value, origin, out)),
                Value::Text(_) | Value::Int(_) | Value::Bool(_) | Value::Null | Value::Flag => {}
            }
        }
        let mut out = Vec::new();
        for arg in &self.args {
            if let Payload::Props(props) = &arg.payload {
                props.items().iter().for_each(|prop| collect(&prop.value, prop.origin, &mut out));
            }
        }
        out
    }
}
