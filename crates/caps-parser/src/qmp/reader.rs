//! From commands and their replies to facts.

use std::collections::HashMap;

use serde::Deserialize;

use super::reply::{
    CpuInfo, Expansion, ExpansionArguments, ListTypes, MachineInfo, MigrationCapability, Named, OptionGroup,
    PropInfo, QueryTarget, QueryVersion, TypeArguments,
};
use super::schema::Schema;
use crate::error::ParseError;
use crate::facts::{Accel, Accelerator, CpuProp, CpuValue, Facts, HostCpu, Kvm, Machine, Platform, Prop};
use crate::names::{NameSet, Text};

/// Collects what replies say. One reader serves recordings and live sessions.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) facts: Facts,
    /// What depends on the accelerator, by QEMU process: hardware help first, if the host has any, then TCG.
    passes: Vec<Accelerator>,
    has_version: bool,
}

impl Reader {
    /// Notes the reply to a command; `None` where QEMU refused it.
    pub(super) fn note(&mut self, command: &str, arguments: Option<&str>, reply: Option<&str>) {
        let understood = match command {
            // Every process begins with this one.
            "qmp_capabilities" => {
                self.passes.push(Accelerator::default());
                Some(())
            }
            "query-sev-capabilities" => self.platform(reply, |facts| &mut facts.sev),
            "query-sgx-capabilities" => self.platform(reply, |facts| &mut facts.sgx),
            _ => match reply {
                Some(reply) => self.note_success(command, arguments, reply),
                // A device that does not exist has no properties; other refusals say nothing.
                None => Some(()),
            },
        };
        if understood.is_none() {
            self.facts.skipped = self.facts.skipped.saturating_add(1);
        }
    }

    fn platform<T: for<'a> Deserialize<'a>>(
        &mut self,
        reply: Option<&str>,
        place: impl FnOnce(&mut Facts) -> &mut Platform<T>,
    ) -> Option<()> {
        let answer = match reply {
            Some(reply) => Platform::Offered(read(reply)?),
            None => Platform::Refused,
        };
        *place(&mut self.facts) = answer;
        Some(())
    }

    fn note_success(&mut self, command: &str, arguments: Option<&str>, reply: &str) -> Option<()> {
        let facts = &mut self.facts;
        match command {
            "query-version" => {
                let version: QueryVersion = read(reply)?;
                facts.version = version.qemu.into();
                facts.package = package(&version.package);
                self.has_version = true;
            }
            "query-target" => facts.arch = Some(read::<QueryTarget>(reply)?.arch),
            "query-kvm" => facts.kvm = Some(read::<Kvm>(reply)?),
            "query-qmp-schema" => {
                let schema = Schema::from_json(reply).ok()?;
                facts.commands = Some(schema.commands());
                facts.events = Some(schema.events());
                facts.schema = Some(schema.into());
            }
            "query-commands" => facts.commands = Some(names(reply)?),
            "query-events" => facts.events = Some(names(reply)?),
            "qom-list-types" => {
                // Abstract types are left out, so that what a type is cannot be followed up to its roots; QEMU is asked
                // again for the descendants of two of them.
                let known = Some(names(reply)?);
                match arguments.map(read::<ListTypes<'_>>) {
                    None => facts.types = known,
                    Some(only) => match only?.implements.as_ref() {
                        "device" => facts.devices = known,
                        "user-creatable" => facts.objects = known,
                        _ => return None,
                    },
                }
            }
            "device-list-properties" | "qom-list-properties" => {
                let kind = read::<TypeArguments>(arguments?)?.typename;
                let props: Vec<PropInfo<'_>> = read(reply)?;
                // Every object has a property `type`, which is the name of its type and nobody can set.
                let props = props.iter().filter(|prop| (&*prop.name, &*prop.kind) != ("type", "string"));
                let props = props.map(|prop| Prop {
                    name: &prop.name,
                    kind: &prop.kind,
                    default: prop.default_value.map(|value| value.get()),
                });
                // libvirt's recordings ask about some devices twice; the first answer is the one QEMU gave with all others.
                facts.props.entry(kind).or_insert_with(|| props.collect());
            }
            "query-machines" => {
                let machines: Vec<MachineInfo> = read(reply)?;
                self.passes.last_mut()?.machines = machines
                    .into_iter()
                    .map(Machine::from)
                    .filter(|machine| machine.name != "none")
                    .collect();
            }
            "query-cpu-definitions" => {
                let cpus: Vec<CpuInfo> = read(reply)?;
                self.passes.last_mut()?.cpus = cpus.into_iter().map(Into::into).collect();
            }
            "query-cpu-model-expansion" => return self.expansion(arguments?, reply),
            "query-tpm-models" => facts.tpm_models = Some(plain_names(reply)?),
            "query-tpm-types" => facts.tpm_types = Some(plain_names(reply)?),
            "query-command-line-options" => {
                let groups: Vec<OptionGroup<'_>> = read(reply)?;
                let groups = groups.into_iter().map(|group| {
                    let names = group.parameters.iter().map(|parameter| &parameter.name).collect();
                    (group.option, names)
                });
                facts.option_groups = Some(groups.collect());
            }
            "query-migrate-capabilities" => {
                let capabilities: Vec<MigrationCapability<'_>> = read(reply)?;
                facts.migration = Some(capabilities.iter().map(|known| &known.capability).collect());
            }
            "query-gic-capabilities" => facts.gic = Some(read(reply)?),
            _ => return None,
        }
        Some(())
    }

    /// `host` or `max` is expanded up to four times; the arguments tell what for.
    fn expansion(&mut self, arguments: &str, reply: &str) -> Option<()> {
        let arguments: ExpansionArguments<'_> = read(arguments)?;
        let expansion: Expansion = read(reply)?;
        let asked = |name: &str| {
            arguments.model.props.0.iter().find(|prop| prop.name == name).map(|prop| &prop.value)
        };
        let props = expansion.model.props.0;
        if asked("hv-passthrough") == Some(&CpuValue::Bool(true)) {
            self.facts.hyperv = Some(hyperv(props)).filter(|props| !props.is_empty());
            return Some(());
        }
        let pass = self.passes.last_mut()?;
        match &mut pass.host_cpu {
            Some(host) if asked("migratable") == Some(&CpuValue::Bool(false)) => {
                add_unmigratable(host, &props)
            }
            Some(host) => host.deprecated = expansion.deprecated_props,
            None => {
                pass.host_cpu = Some(HostCpu {
                    full: arguments.kind == "full",
                    model: expansion.model.name,
                    migratability: false,
                    props,
                    deprecated: expansion.deprecated_props,
                });
            }
        }
        Some(())
    }

    /// A machine type by name or alias, as the first process sees it.
    pub(super) fn machine(&self, name: &str) -> Option<&Machine> {
        self.passes.first()?.machine(name)
    }

    /// Whether another process should be asked for what TCG offers.
    pub(super) fn wants_tcg(&self) -> bool {
        self.passes.len() == 1
            && self.facts.kvm.is_some_and(|kvm| kvm.enabled)
            && self.facts.types.as_ref().is_none_or(|types| types.contains("tcg-accel"))
    }

    /// What the process that is being asked runs guests with, as far as it has said.
    pub(super) fn has_hardware_help(&self) -> bool {
        self.passes.len() == 1 && self.facts.kvm.is_some_and(|kvm| kvm.enabled)
    }

    /// The facts, once all replies are in.
    pub(super) fn finish(mut self, text: &str) -> Result<Facts, ParseError> {
        if !self.has_version {
            return Err(ParseError::new("no reply to query-version", text, text.len()));
        }
        let kvm = self.facts.kvm.is_some_and(|kvm| kvm.enabled && kvm.present);
        // A second process is only ever started for TCG, after one that had help from the hardware.
        let first = match (kvm, self.passes.len()) {
            (true, _) => Accel::Kvm,
            (false, 2..) => Accel::Hvf,
            (false, _) => Accel::Tcg,
        };
        for (kind, pass) in std::iter::once(first).chain(std::iter::repeat(Accel::Tcg)).zip(self.passes) {
            self.facts.accelerators.insert(kind, pass);
        }
        Ok(self.facts)
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn names(reply: &str) -> Option<NameSet> {
    let names: Vec<Named<'_>> = read(reply)?;
    Some(names.iter().map(|named| &named.name).collect())
}

fn plain_names(reply: &str) -> Option<NameSet> {
    let names: Vec<Text<'_>> = read(reply)?;
    Some(names.iter().map(|name| &name.0).collect())
}

/// QMP gives the package with the brackets and blank of the version line: ` (Debian 1:7.2+dfsg-7)`.
fn package(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).to_owned()
}

/// Marks what migrates, and adds what is only there where migration is given up.
fn add_unmigratable(host: &mut HostCpu, props: &[CpuProp]) {
    let all: HashMap<&str, &CpuValue> = props.iter().map(|prop| (prop.name.as_str(), &prop.value)).collect();
    for prop in &mut host.props {
        if all.get(prop.name.as_str()) == Some(&&CpuValue::Bool(true)) {
            match prop.value {
                CpuValue::Bool(true) => prop.migratable = Some(true),
                CpuValue::Bool(false) => {
                    prop.value = CpuValue::Bool(true);
                    prop.migratable = Some(false);
                }
                CpuValue::Int(_) | CpuValue::Text(_) => {}
            }
        }
    }
    host.migratability = true;
}

/// The enlightenments among the properties that are on.
fn hyperv(props: Vec<CpuProp>) -> Vec<CpuProp> {
    let is_on = |value: &CpuValue| match value {
        CpuValue::Bool(on) => *on,
        CpuValue::Int(number) => *number > 0,
        CpuValue::Text(_) => true,
    };
    props
        .into_iter()
        .filter(|prop| prop.name.starts_with("hv-") && prop.name != "hv-passthrough" && is_on(&prop.value))
        .collect()
}
