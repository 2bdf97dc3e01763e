//! Rules that turn facts into capabilities, and their one evaluator.

mod words;

use std::borrow::Cow;

use crate::capability::Capability;
use crate::facts::{Accel, Facts};
use crate::names::NameSet;
use crate::version::Version;

/// What must be true of a QEMU for it to have a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `-help` lists this option (without the dash).
    Option(&'static str),
    /// The argument grammar of this option in `-help` contains this piece.
    OptionArg(&'static str, &'static str),
    /// `-help` has this text, wherever it may stand: libvirt of 2011 looked for no more, so that `-no-kvm-irqchip` speaks for
    /// `-no-kvm` and a description for the option it names.
    Mention(&'static str),
    /// `-help` has the second text somewhere behind the first place where it has the first.
    MentionBehind(&'static str, &'static str),
    /// The same, and both stand in one line, which another follows.
    MentionInLine(&'static str, &'static str),
    /// `query-command-line-options` lists this group; option names differ from it in places (`smp-opts`, `boot-opts`).
    Group(&'static str),
    /// `query-command-line-options` lists this parameter in this group.
    GroupParam(&'static str, &'static str),
    /// A device that a user can create exists.
    Device(&'static str),
    /// One of these devices exists: the same one on several buses.
    AnyDevice(&'static [&'static str]),
    /// A device has this property.
    DeviceProp(&'static str, &'static str),
    /// One of these devices has this property.
    AnyDeviceProp(&'static [&'static str], &'static str),
    /// A device's property has this default, as JSON.
    DeviceDefault(&'static str, &'static str, &'static str),
    /// A device that users do not create, but QEMU does, has this property.
    TypeProp(&'static str, &'static str),
    /// An object that `-object` takes exists.
    Object(&'static str),
    /// An object, CPU or abstract machine type has this property.
    ObjectProp(&'static str, &'static str),
    /// A QOM type exists that users do not create; help texts do not list it.
    Type(&'static str),
    /// A machine type, by name or alias, has this property.
    MachineProp(&'static str, &'static str),
    /// `-netdev help` lists this backend.
    Netdev(&'static str),
    /// `-chardev help` lists this backend.
    Chardev(&'static str),
    /// A QMP command exists.
    Command(&'static str),
    /// A QMP event exists.
    Event(&'static str),
    /// The QAPI schema has this path: see [`crate::qmp::schema::Schema::has_path`].
    Schema(&'static str),
    /// Some accelerator offers this CPU model.
    CpuModel(&'static str),
    /// `query-tpm-models` lists this frontend.
    TpmModel(&'static str),
    /// `query-tpm-types` lists this backend.
    TpmType(&'static str),
    /// `query-migrate-capabilities` lists this.
    Migration(&'static str),
    /// This accelerator is compiled in: `-accel help`.
    Accelerator(&'static str),
    /// The guest architecture is one of these, in QEMU's spelling.
    Arch(&'static [&'static str]),
    /// KVM is compiled in and works on this host.
    Kvm,
    /// macOS's Hypervisor.framework works on this host.
    Hvf,
    /// The host can encrypt guests' memory.
    Sev,
    /// The host has enclaves.
    Sgx,
    /// The KVM fork of QEMU, any release.
    KvmFork,
    /// The KVM fork, with a release number `kvm-NN` of at least this; later releases of the fork have no such number.
    KvmRelease(u32),
    /// This version or a later one: for what cannot be probed.
    Since(u32, u32, u32),
    /// A version before this one.
    Before(u32, u32, u32),
    /// At least one of these holds.
    Any(&'static [Rule]),
    /// All of these hold.
    All(&'static [Rule]),
    /// The first of these that is known decides: one fact, asked in several ways.
    First(&'static [Rule]),
    /// This does not hold.
    Not(&'static Rule),
    /// Nothing a probe says decides it; it is only ever set by hand.
    ByHand,
}

/// QEMU 1.2 is the first whose QMP answers all that help texts do; what only QMP tells was not there before.
const QMP_COMPLETE: Version = Version::new(1, 2, 0);

impl Rule {
    /// Whether the rule holds; `None` where the probe did not ask, or could not.
    pub fn holds(&self, facts: &Facts) -> Option<bool> {
        // A question that only QMP answers has the answer "no" for a QEMU from before QMP.
        let qmp_only = || (facts.version < QMP_COMPLETE && facts.options.is_some()).then_some(false);
        match *self {
            Self::Option(name) => match &facts.options {
                Some(options) => Some(options.contains(name)),
                None => facts.option_groups.as_ref()?.contains_key(name).then_some(true),
            },
            Self::OptionArg(name, piece) => {
                facts.options.as_ref().map(|options| options.argument_contains(name, piece))
            }
            Self::Mention(_) | Self::MentionBehind(..) | Self::MentionInLine(..) => {
                Some(facts.mentions.as_ref()?.contains(&self.mention()?))
            }
            Self::Group(group) => match &facts.option_groups {
                Some(groups) => Some(groups.contains_key(group)),
                None => qmp_only(),
            },
            Self::GroupParam(group, name) => match &facts.option_groups {
                Some(groups) => Some(groups.get(group).is_some_and(|names| names.contains(name))),
                None => qmp_only(),
            },
            Self::Device(name) => facts.has_device(name),
            Self::DeviceProp(device, name) => prop(facts, facts.has_device(device), device, name),
            Self::AnyDevice(devices) => any(devices.iter().map(|device| facts.has_device(device))),
            Self::AnyDeviceProp(devices, name) => {
                any(devices.iter().map(|device| prop(facts, facts.has_device(device), device, name)))
            }
            Self::DeviceDefault(device, name, value) => match facts.props.get(device) {
                Some(props) => Some(props.get(name).is_some_and(|prop| prop.default == Some(value))),
                None => facts.has_device(device).filter(|exists| !exists),
            },
            Self::Object(name) => facts.has_object(name),
            Self::TypeProp(object, name) | Self::ObjectProp(object, name) => {
                prop(facts, facts.has_type(object), object, name)
            }
            Self::Type(name) => facts.has_type(name),
            Self::MachineProp(machine, name) => match facts.machine_props(machine) {
                Some(props) => Some(props.contains(name)),
                None => {
                    let listed = facts.accelerators.values().any(|a| !a.machines.is_empty());
                    (listed && machine != "none" && facts.machine(machine).is_none()).then_some(false)
                }
            },
            Self::Netdev(name) => facts.netdevs.as_ref().map(|names| names.contains(name)),
            Self::Chardev(name) => facts.chardevs.as_ref().map(|names| names.contains(name)),
            Self::Command(name) => match &facts.commands {
                Some(names) => Some(names.contains(name)),
                None => qmp_only(),
            },
            Self::Event(name) => match &facts.events {
                Some(names) => Some(names.contains(name)),
                None => qmp_only(),
            },
            Self::Schema(path) => match &facts.schema {
                Some(schema) => Some(schema.has_path(path)),
                None => qmp_only(),
            },
            Self::CpuModel(name) => {
                let mut lists = facts.accelerators.values().filter(|a| !a.cpus.is_empty()).peekable();
                lists.peek()?;
                Some(lists.any(|accelerator| accelerator.cpu(name).is_some()))
            }
            Self::TpmModel(name) => match &facts.tpm_models {
                Some(names) => Some(names.contains(name)),
                // The frontends are devices, but not all of the same name: `tpm-tis-device` on Arm.
                None => facts.has_device(name).filter(|listed| *listed).or_else(qmp_only),
            },
            Self::TpmType(name) => match &facts.tpm_types {
                Some(names) => Some(names.contains(name)),
                None => qmp_only(),
            },
            Self::Migration(name) => match &facts.migration {
                Some(names) => Some(names.contains(name)),
                None => qmp_only(),
            },
            Self::Accelerator(name) => facts.compiled_accelerators.as_ref().map(|names| names.contains(name)),
            Self::Arch(names) => facts.arch.as_deref().map(|arch| names.contains(&arch)),
            Self::Kvm => match facts.kvm {
                Some(kvm) => Some(kvm.present && kvm.enabled),
                None => {
                    facts.compiled_accelerators.as_ref().filter(|names| !names.contains("kvm")).map(|_| false)
                }
            },
            Self::Hvf => match (facts.accelerators.contains_key(&Accel::Hvf), facts.has_type("hvf-accel")) {
                (true, _) => Some(true),
                (false, Some(false)) => Some(false),
                (false, _) => {
                    facts.compiled_accelerators.as_ref().filter(|names| !names.contains("hvf")).map(|_| false)
                }
            },
            Self::Sev => facts.sev.is_offered(),
            Self::Sgx => facts.sgx.is_offered(),
            Self::KvmFork => Some(facts.is_kvm),
            Self::KvmRelease(number) => Some(facts.kvm_version >= number),
            Self::Since(major, minor, micro) => Some(facts.version >= Version::new(major, minor, micro)),
            Self::Before(major, minor, micro) => Some(facts.version < Version::new(major, minor, micro)),
            Self::Any(rules) => any(rules.iter().map(|rule| rule.holds(facts))),
            Self::All(rules) => {
                any(rules.iter().map(|rule| rule.holds(facts).map(|holds| !holds))).map(|fails| !fails)
            }
            Self::First(rules) => rules.iter().find_map(|rule| rule.holds(facts)),
            Self::Not(rule) => rule.holds(facts).map(|holds| !holds),
            Self::ByHand => None,
        }
    }

    /// What a rule that looks for text in `-help` looks for, in one text: the names in [`Facts::mentions`].
    fn mention(&self) -> Option<Cow<'static, str>> {
        match *self {
            Self::Mention(text) => Some(text.into()),
            Self::MentionBehind(start, text) => Some(format!("{start}…{text}").into()),
            Self::MentionInLine(start, text) => Some(format!("{start} … {text}").into()),
            _ => None,
        }
    }

    /// Which of the texts that the table of capabilities looks for `help` has.
    pub(crate) fn mentions(help: &str) -> NameSet {
        let mut found = Vec::new();
        for capability in Capability::ALL {
            capability.rule().visit(&mut |rule| {
                let behind = |start: &str| help.find(start).and_then(|at| help.get(at..));
                let has = match *rule {
                    Self::Mention(text) => help.contains(text),
                    Self::MentionBehind(start, text) => behind(start).is_some_and(|rest| rest.contains(text)),
                    Self::MentionInLine(start, text) => behind(start)
                        .and_then(|rest| rest.split_once('\n'))
                        .is_some_and(|(line, _)| line.contains(text)),
                    _ => false,
                };
                found.extend(rule.mention().filter(|_| has));
            });
        }
        found.into_iter().collect()
    }

    /// The simple rules this one is made of.
    pub fn visit(&self, see: &mut impl FnMut(&Rule)) {
        match *self {
            Self::Any(rules) | Self::All(rules) | Self::First(rules) => {
                rules.iter().for_each(|rule| rule.visit(see));
            }
            Self::Not(rule) => rule.visit(see),
            Self::AnyDevice(devices) => devices.iter().for_each(|device| see(&Self::Device(device))),
            Self::AnyDeviceProp(devices, name) => {
                devices.iter().for_each(|device| see(&Self::DeviceProp(device, name)));
            }
            _ => see(self),
        }
    }
}

/// Whether a type has a property: yes or no where its properties are known, no where the type does not exist.
fn prop(facts: &Facts, exists: Option<bool>, kind: &str, name: &str) -> Option<bool> {
    match facts.props.get(kind) {
        Some(props) => Some(props.contains(name)),
        None => exists.filter(|exists| !exists),
    }
}

/// Three-valued "or": one yes decides, an unknown spoils a no.
fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::Rule::*;
    use super::*;
    use crate::texts::Topic;

    /// A QEMU of which only `-help` and `-device help` are known.
    fn by_help(version: &str) -> Facts {
        let mut facts = Facts::default();
        let help = format!("QEMU emulator version {version}\n-drive [file=f][,cache=none]\n-vga none\n");
        Topic::Help.read(&help, &mut facts).unwrap();
        Topic::Device.read("name \"usb-hub\"\nusb-hub.port=str\nname \"e1000\"\n", &mut facts).unwrap();
        facts
    }

    #[test]
    fn rules_hold_fail_or_stay_open() {
        let old = by_help("0.13.0");
        let new = by_help("7.2.0");
        let mut qmp = Facts { version: Version::new(7, 2, 0), ..Facts::default() };
        qmp.types = Some(["usb-hub", "mch"].iter().collect::<NameSet>());
        let check = |rule: Rule, in_old, in_new, in_qmp| {
            let got = (rule.holds(&old), rule.holds(&new), rule.holds(&qmp));
            assert_eq!(got, (in_old, in_new, in_qmp), "{rule:?}");
        };
        let (yes, no, open) = (Some(true), Some(false), None);
        check(Option("drive"), yes, yes, open);
        check(Option("rtc"), no, no, open);
        check(OptionArg("drive", "cache="), yes, yes, open);
        check(OptionArg("drive", "boot="), no, no, open);
        check(Mention("-drive"), yes, yes, open);
        check(Mention("-no-hpet"), no, no, open);
        check(Device("usb-hub"), yes, yes, yes);
        check(Device("sga"), no, no, no);
        check(AnyDevice(&["sga", "usb-hub"]), yes, yes, yes);
        // What users cannot create help texts do not list.
        check(Type("mch"), open, open, yes);
        check(Type("i8042"), open, open, no);
        check(DeviceProp("usb-hub", "port"), yes, yes, open);
        check(DeviceProp("usb-hub", "ports"), no, no, open);
        check(DeviceProp("e1000", "mac"), open, open, no);
        check(DeviceProp("sga", "x"), no, no, no);
        check(AnyDeviceProp(&["sga", "usb-hub"], "port"), yes, yes, open);
        // Only QMP tells, and QEMU 0.13 has not got what only QMP tells.
        check(Command("quit"), no, open, open);
        check(Schema("quit"), no, open, open);
        check(Group("vnc"), no, open, open);
        check(Since(1, 0, 0), no, yes, yes);
        check(Before(1, 0, 0), yes, no, no);
        check(Any(&[ByHand, Device("usb-hub")]), yes, yes, yes);
        check(Any(&[ByHand, Device("sga")]), open, open, open);
        check(All(&[ByHand, Device("usb-hub")]), open, open, open);
        check(All(&[ByHand, Device("sga")]), no, no, no);
        check(All(&[]), yes, yes, yes);
        check(Any(&[]), no, no, no);
        check(First(&[ByHand, Device("sga"), Device("usb-hub")]), no, no, no);
        check(Not(&Device("sga")), yes, yes, yes);
        check(Not(&ByHand), open, open, open);
    }
}
