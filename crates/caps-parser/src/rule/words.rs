//! Rules in words, for people who ask why a QEMU lacks something.

use std::fmt::{self, Display, Formatter};

use super::Rule;

impl Display for Rule {
    /// What must be true of a QEMU, as the end of a sentence that begins with "a QEMU has it if".
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Option(name) => write!(f, "it has the option `-{name}`"),
            Self::OptionArg(name, piece) => write!(f, "its option `-{name}` takes `{piece}`"),
            Self::Mention(text) => write!(f, "`-help` says `{text}` somewhere"),
            Self::MentionBehind(start, text) => write!(f, "`-help` says `{text}` somewhere behind `{start}`"),
            Self::MentionInLine(start, text) => {
                write!(f, "`-help` says `{text}` behind `{start}` in one line")
            }
            Self::Group(group) => write!(f, "it has the options of the group `{group}`"),
            Self::GroupParam(group, name) => write!(f, "the options of its group `{group}` take `{name}=`"),
            Self::Device(name) => write!(f, "it has the device `{name}`"),
            Self::AnyDevice(devices) => write!(f, "it has one of the devices {}", Names(devices)),
            Self::DeviceProp(device, name) => {
                write!(f, "its device `{device}` has the property `{name}`")
            }
            Self::AnyDeviceProp(devices, name) => {
                write!(f, "one of its devices {} has the property `{name}`", Names(devices))
            }
            Self::DeviceDefault(device, name, value) => {
                write!(f, "the property `{name}` of its device `{device}` is `{value}` by default")
            }
            Self::Object(name) => write!(f, "`-object` takes `{name}`"),
            Self::TypeProp(object, name) | Self::ObjectProp(object, name) => {
                write!(f, "its type `{object}` has the property `{name}`")
            }
            Self::Type(name) => write!(f, "it has the type `{name}`"),
            Self::MachineProp(machine, name) => {
                write!(f, "its machine type `{machine}` has the property `{name}`")
            }
            Self::Netdev(name) => write!(f, "`-netdev` takes `{name}`"),
            Self::Chardev(name) => write!(f, "`-chardev` takes `{name}`"),
            Self::Command(name) => write!(f, "QMP has the command `{name}`"),
            Self::Event(name) => write!(f, "QMP has the event `{name}`"),
            Self::Schema(path) => write!(f, "its QMP schema has `{path}`"),
            Self::CpuModel(name) => write!(f, "it has the CPU model `{name}`"),
            Self::TpmModel(name) => write!(f, "it has the TPM `{name}`"),
            Self::TpmType(name) => write!(f, "its TPMs have the backend `{name}`"),
            Self::Migration(name) => write!(f, "migration has the capability `{name}`"),
            Self::Accelerator(name) => write!(f, "the accelerator `{name}` is compiled in"),
            Self::Arch(arches) => write!(f, "its guests are one of {}", Names(arches)),
            Self::Kvm => f.write_str("KVM is compiled in and works on the host"),
            Self::Hvf => f.write_str("macOS's Hypervisor.framework works on the host"),
            Self::Sev => f.write_str("the host can encrypt guests' memory"),
            Self::Sgx => f.write_str("the host has enclaves"),
            Self::KvmFork => f.write_str("it is the KVM fork"),
            Self::KvmRelease(number) => write!(f, "it is kvm-{number} or later"),
            Self::Since(major, minor, micro) => write!(f, "it is {major}.{minor}.{micro} or later"),
            Self::Before(major, minor, micro) => write!(f, "it is from before {major}.{minor}.{micro}"),
            Self::Any(rules) => join(f, rules, " or "),
            Self::All(rules) => join(f, rules, " and "),
            Self::First(rules) => join(f, rules, ", or where that is not known, "),
            Self::Not(rule) => write!(f, "it is not so that {rule}"),
            Self::ByHand => f.write_str("somebody says so, for nothing that a QEMU tells decides it"),
        }
    }
}

/// Several names.
struct Names(&'static [&'static str]);

impl Display for Names {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// Several rules; those that are made of several themselves are in parentheses.
fn join(f: &mut Formatter<'_>, rules: &[Rule], between: &str) -> fmt::Result {
    for (index, rule) in rules.iter().enumerate() {
        f.write_str(if index > 0 { between } else { "" })?;
        match rule {
            Rule::Any(_) | Rule::All(_) | Rule::First(_) => write!(f, "({rule})")?,
            _ => write!(f, "{rule}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Capability;

    #[test]
    fn rules_read_as_sentences() {
        let check = |name: &str, expected: &str| {
            assert_eq!(name.parse::<Capability>().unwrap().rule().to_string(), expected, "{name}");
        };
        check("vnc-power-control", "the options of its group `vnc` take `power-control=`");
        check("nvdimm", "it has the device `nvdimm`");
        check("netdev.json", "its QMP schema has `netdev_add/arg-type/type/^dgram`");
        check(
            "netdev.user",
            "its QMP schema has `netdev_add/arg-type/+user`, or where that is not known, `-netdev` takes `user`",
        );
        check(
            "netdev",
            "(`-help` says `-netdev` somewhere and it is 0.13.0 or later) or it is 1.2.0 or later",
        );
    }

    #[test]
    fn every_rule_has_words() {
        for capability in Capability::ALL {
            let words = capability.rule().to_string();
            assert!(words.len() > 5 && !words.ends_with('.'), "{capability}: {words}");
        }
    }
}
