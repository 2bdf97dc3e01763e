//! The help texts that together say what a QEMU can do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::capability::Capability;
use crate::error::ParseError;
use crate::facts::Facts;
use crate::names::NameSet;
use crate::rule::Rule;
use crate::version::Version;
use crate::{cpu_help, device_help, help, list_help, machine_help};

/// What a help text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `-help`.
    Help,
    /// `-device help`, and `-device X,help`.
    Device,
    /// `-machine help`.
    Machine,
    /// `-machine X,help`.
    MachineProps,
    /// `-cpu help`.
    Cpu,
    /// `-accel help`.
    Accel,
    /// `-object help`, and `-object X,help`.
    Object,
    /// `-netdev help`.
    Netdev,
    /// `-chardev help`.
    Chardev,
    /// `-tpmdev help`.
    Tpmdev,
}

impl Topic {
    /// Every topic, `-help` first.
    pub const ALL: &'static [Topic] = &[
        Self::Help,
        Self::Device,
        Self::Machine,
        Self::MachineProps,
        Self::Cpu,
        Self::Accel,
        Self::Object,
        Self::Netdev,
        Self::Chardev,
        Self::Tpmdev,
    ];

    /// The word for it: QEMU's option without the dash, and `machine-props`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Device => "device",
            Self::Machine => "machine",
            Self::MachineProps => "machine-props",
            Self::Cpu => "cpu",
            Self::Accel => "accel",
            Self::Object => "object",
            Self::Netdev => "netdev",
            Self::Chardev => "chardev",
            Self::Tpmdev => "tpmdev",
        }
    }

    /// Adds what the text says. Only `-help` has something it cannot do without: the version.
    pub fn read(self, text: &str, facts: &mut Facts) -> Result<(), ParseError> {
        let keep = |known: &mut Option<NameSet>, heading: &str| {
            if let Some(names) = list_help::parse(text, heading) {
                *known = Some(names);
            }
        };
        match self {
            Self::Help => {
                let found = help::parse(text)?;
                facts.version = found.version;
                facts.package = found.package;
                facts.arch = found.arch.or(facts.arch.take());
                facts.is_kvm = found.is_kvm;
                facts.kvm_version = found.kvm_version;
                facts.options = found.options;
                facts.mentions = found.mentions;
                facts.skipped = facts.skipped.saturating_add(found.skipped);
            }
            Self::Device => device_help::parse(text, facts),
            Self::Machine => machine_help::parse(text, facts),
            Self::MachineProps => machine_help::parse_props(text, facts),
            Self::Cpu => cpu_help::parse(text, facts),
            Self::Accel => {
                keep(&mut facts.compiled_accelerators, "Possible accelerators");
                keep(&mut facts.compiled_accelerators, "Accelerators supported");
            }
            Self::Object => {
                keep(&mut facts.objects, "List of user creatable objects");
                if text.contains(" options:") {
                    device_help::parse(text, facts);
                }
            }
            Self::Netdev => keep(&mut facts.netdevs, "Available netdev backend types"),
            Self::Chardev => keep(&mut facts.chardevs, "Available chardev backend types"),
            Self::Tpmdev if text.contains("No TPM backend types") => {
                facts.tpm_types = Some(NameSet::default())
            }
            Self::Tpmdev => keep(&mut facts.tpm_types, "Supported TPM types"),
        }
        Ok(())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|topic| topic.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|topic| topic.name()).collect();
            format!("`{name}` is no kind of help text, there are {}", known.join(", "))
        })
    }
}

/// A help text to ask a QEMU for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What the answer is about.
    pub topic: Topic,
    /// The arguments to start QEMU with.
    pub args: Vec<String>,
    /// The one type that is asked about, where it is one.
    kind: Option<String>,
}

/// A probe by help texts in progress: whoever can start the QEMU drives it.
///
/// ```
/// use caps_parser::texts::TextProbe;
///
/// let mut probe = TextProbe::new();
/// let questions = probe.questions(); // run each; they may run side by side
/// assert_eq!(questions[0].args, ["-help"]);
/// probe.answer(&questions[0], "QEMU emulator version 7.2.0\nOptions:\n-device d\n", "")?;
/// assert_eq!(probe.questions()[0].args, ["-device", "help"]);
/// # Ok::<(), caps_parser::ParseError>(())
/// ```
#[derive(Default)]
pub struct TextProbe {
    facts: Facts,
    stage: Stage,
    missing: BTreeSet<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    Help,
    Lists,
    Props,
}

/// Since this version `help` is understood everywhere; before it was `?`.
const HELP_WORD: Version = Version::new(1, 3, 0);
/// Until this version one QEMU answered all questions about devices on one command line.
const ONE_TYPE_EACH: Version = Version::new(2, 5, 0);

impl TextProbe {
    /// A probe that has asked nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The questions that can be asked now, none of them twice; none when all is said. Answer them before asking for more.
    pub fn questions(&mut self) -> Vec<Question> {
        let (next, questions) = match self.stage {
            Stage::New => (Stage::Help, vec![ask(Topic::Help, &["-help"])]),
            Stage::Help => (Stage::Lists, self.lists()),
            Stage::Lists => (Stage::Props, self.props()),
            Stage::Props => return Vec::new(),
        };
        self.stage = next;
        if questions.is_empty() { self.questions() } else { questions }
    }

    /// Takes what QEMU printed. The two streams count alike: it depends on version and option which of them QEMU uses.
    pub fn answer(&mut self, question: &Question, stdout: &str, stderr: &str) -> Result<(), ParseError> {
        let text = match (stdout.is_empty(), stderr.is_empty()) {
            (false, true) => stdout.to_owned(),
            _ => format!("{stdout}\n{stderr}"),
        };
        if let Some(kind) = &question.kind
            && refuses(&text, kind)
        {
            self.missing.insert(kind.clone());
            return Ok(());
        }
        question.topic.read(&text, &mut self.facts)
    }

    /// The facts so far; an error if there was no version.
    pub fn finish(mut self) -> Result<Facts, ParseError> {
        if self.facts.options.is_none() {
            return Err(ParseError::new("QEMU did not say its version", "", 0));
        }
        if !self.missing.is_empty() {
            self.facts.missing_types = Some(self.missing.into_iter().collect());
        }
        Ok(self.facts)
    }

    fn word(&self) -> &'static str {
        if self.facts.version >= HELP_WORD { "help" } else { "?" }
    }

    fn has_option(&self, name: &str) -> bool {
        self.facts.options.as_ref().is_some_and(|options| options.contains(name))
    }

    fn lists(&self) -> Vec<Question> {
        let word = self.word();
        let machine = if self.has_option("machine") { "-machine" } else { "-M" };
        let mut questions = Vec::new();
        if self.has_option("device") {
            let mut question = ask(Topic::Device, &["-device", word]);
            if self.facts.version < ONE_TYPE_EACH {
                for kind in self.kinds().0 {
                    question.args.extend(["-device".to_owned(), format!("{kind},{word}")]);
                }
            }
            questions.push(question);
        }
        questions.push(ask(Topic::Machine, &[machine, word]));
        questions.push(ask(Topic::Cpu, &["-cpu", word]));
        // QEMU got these lists one after the other; earlier ones would take `help` for the name of a backend and refuse it.
        let modern = [
            (Topic::Accel, "accel"),
            (Topic::Object, "object"),
            (Topic::Netdev, "netdev"),
            (Topic::Chardev, "chardev"),
            (Topic::Tpmdev, "tpmdev"),
        ];
        for (topic, option) in modern {
            if self.facts.version >= HELP_WORD && self.has_option(option) {
                questions.push(ask(topic, &[&format!("-{option}"), word]));
            }
        }
        questions
    }

    fn props(&self) -> Vec<Question> {
        let word = self.word();
        let (devices, objects, machines) = self.kinds();
        let mut questions = Vec::new();
        let about = |topic, option: &str, kind: String| Question {
            topic,
            args: vec![option.to_owned(), format!("{kind},{word}")],
            kind: Some(kind),
        };
        if self.facts.version >= ONE_TYPE_EACH {
            questions.extend(devices.into_iter().map(|kind| about(Topic::Device, "-device", kind)));
            questions.extend(objects.into_iter().map(|kind| about(Topic::Object, "-object", kind)));
            questions.extend(machines.into_iter().map(|kind| about(Topic::MachineProps, "-machine", kind)));
        }
        questions
    }

    /// The devices, objects and machines that some rule asks more about, as far as this QEMU may have them.
    fn kinds(&self) -> (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>) {
        let facts = &self.facts;
        let (mut devices, mut objects, mut machines) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for capability in Capability::ALL {
            capability.rule().visit(&mut |rule| match *rule {
                Rule::DeviceProp(kind, _) | Rule::DeviceDefault(kind, ..)
                    if facts.has_device(kind) != Some(false) =>
                {
                    devices.insert(kind.to_owned());
                }
                Rule::Type(kind) | Rule::TypeProp(kind, _) => {
                    devices.insert(kind.to_owned());
                }
                Rule::ObjectProp(kind, _) if facts.has_object(kind) == Some(true) => {
                    objects.insert(kind.to_owned());
                }
                // CPUs are devices too, but those of Arm get most of their properties only when they are made.
                Rule::ObjectProp(kind, _) if facts.is_x86() && kind.ends_with("-cpu") => {
                    devices.insert(kind.to_owned());
                }
                // So do those of pSeries, and help would make the rest look absent.
                Rule::MachineProp("pseries", _) => {}
                Rule::MachineProp(name, _) if name == "none" || facts.machine(name).is_some() => {
                    machines.insert(name.to_owned());
                }
                _ => {}
            });
        }
        (devices, objects, machines)
    }
}

/// Whether QEMU says that it has no such device; it exits with 0 all the same. The first wording is that of today.
fn refuses(text: &str, kind: &str) -> bool {
    text.contains(&format!("Device '{kind}' not found"))
        || text.contains(&format!("'{kind}' is not a valid device model name"))
}

fn ask(topic: Topic, args: &[&str]) -> Question {
    Question { topic, args: args.iter().map(|&arg| arg.to_owned()).collect(), kind: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_help(version: &str, options: &str) -> TextProbe {
        let mut probe = TextProbe::new();
        let questions = probe.questions();
        probe
            .answer(&questions[0], &format!("QEMU emulator version {version}\n{options}\n"), "noise\n")
            .unwrap();
        probe
    }

    #[test]
    fn each_version_is_asked_in_its_own_words() {
        let check = |version: &str, options: &str, expected: &[&str]| {
            let questions = after_help(version, options).questions();
            let args: Vec<String> = questions.iter().map(|it| it.args[..2].join(" ")).collect();
            assert_eq!(args, expected, "{version}");
        };
        check("0.9.1", "-M m", &["-M ?", "-cpu ?"]);
        check("0.13.0", "-M m\n-device d\n-netdev n\n-chardev c", &["-device ?", "-M ?", "-cpu ?"]);
        let modern = "-machine m\n-device d\n-netdev n\n-accel a\n-object o";
        let questions =
            ["-device help", "-machine help", "-cpu help", "-accel help", "-object help", "-netdev help"];
        check("7.2.0", modern, &questions);
    }

    #[test]
    fn properties_are_asked_of_what_is_there_and_refusals_are_noted() {
        let mut probe = after_help("7.2.0", "-machine m\n-device d");
        let lists = probe.questions();
        probe.answer(&lists[0], "name \"virtio-net-pci\", bus PCI\n", "").unwrap();
        let questions = probe.questions();
        let about = |kind: &str| questions.iter().find(|it| it.args[1] == format!("{kind},help"));
        assert!(about("usb-redir").is_none(), "asks about a device that was not listed");
        probe.answer(about("virtio-net-pci").unwrap(), "virtio-net-pci options:\n  tx=<str>\n", "").unwrap();
        probe.answer(about("mch").unwrap(), "", "qemu: -device mch,help: Device 'mch' not found\n").unwrap();
        probe
            .answer(
                about("i8042").unwrap(),
                "",
                "qemu: -device i8042,help: 'i8042' is not a valid device model name\n",
            )
            .unwrap();
        assert!(probe.questions().is_empty());
        let capabilities = crate::Capabilities::detect(probe.finish().unwrap(), "test");
        assert!(capabilities.has(Capability::VirtioTxAlg));
        for (capability, known) in
            [(Capability::Mch, true), (Capability::I8042, true), (Capability::VirtioMmio, false)]
        {
            assert!(!capabilities.has(capability));
            assert_eq!(capabilities.knows(capability), known, "{capability}");
        }
    }

    #[test]
    fn without_a_version_there_are_no_facts() {
        let mut probe = TextProbe::new();
        let questions = probe.questions();
        assert!(probe.answer(&questions[0], "bash: no such file\n", "").is_err());
        assert!(probe.finish().is_err());
    }
}
