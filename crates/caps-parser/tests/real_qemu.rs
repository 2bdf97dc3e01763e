//! Real QEMUs: help texts and QMP must not contradict each other.
//!
//! `DOMX_TEST_QEMU` lists binaries, separated by colons; without it, `qemu-system-x86_64` on the PATH is taken.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use caps_parser::facts::{Accel, Accelerator, Props};
use caps_parser::qmp::probe::{Probe, Step};
use caps_parser::texts::TextProbe;
use caps_parser::{Capabilities, Capability, Facts};

fn binaries() -> Vec<String> {
    let named = std::env::var("DOMX_TEST_QEMU").unwrap_or_else(|_| "qemu-system-x86_64".to_owned());
    let runs = |binary: &String| {
        let ok = Command::new(binary).arg("-version").output().is_ok_and(|output| output.status.success());
        if !ok {
            assert!(std::env::var_os("DOMX_REQUIRE_QEMU").is_none(), "`{binary}` does not run");
            eprintln!("skipped: `{binary}` does not run (set DOMX_TEST_QEMU)");
        }
        ok
    };
    named.split(':').map(str::to_owned).filter(runs).collect()
}

/// A QEMU that talks QMP on its standard streams.
struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    fn start(binary: &str, accel: &str) -> Self {
        let mut child = Command::new(binary)
            .args(["-S", "-no-user-config", "-nodefaults", "-display", "none", "-qmp", "stdio", "-machine"])
            .arg(format!("none,accel={accel}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "QEMU closed its output");
        line
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn over_qmp(binary: &str) -> Facts {
    let mut probe = Probe::new();
    let mut session = Session::start(binary, "kvm:tcg");
    session.stdin.write_all(probe.start().as_bytes()).unwrap();
    loop {
        match probe.feed(&session.line()).unwrap() {
            Step::Wait => {}
            Step::Send(text) => session.stdin.write_all(text.as_bytes()).unwrap(),
            Step::Restart(accel) => {
                session = Session::start(binary, accel.qemu());
                session.stdin.write_all(probe.start().as_bytes()).unwrap();
            }
            Step::Done => return probe.finish().unwrap(),
        }
    }
}

fn over_help(binary: &str) -> Facts {
    let mut probe = TextProbe::new();
    loop {
        let questions = probe.questions();
        if questions.is_empty() {
            return probe.finish().unwrap();
        }
        for question in questions {
            let output = Command::new(binary).args(&question.args).stdin(Stdio::null()).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            probe.answer(&question, &text(&output.stdout), &text(&output.stderr)).unwrap();
        }
    }
}

#[test]
fn help_and_qmp_do_not_contradict_each_other() {
    for binary in binaries() {
        let (qmp, help) = (over_qmp(&binary), over_help(&binary));
        compare(&binary, Capabilities::detect(qmp, "qmp"), Capabilities::detect(help, "help"));
    }
}

fn compare(binary: &str, qmp: Capabilities, help: Capabilities) {
    let known: Vec<Capability> =
        Capability::ALL.iter().copied().filter(|it| qmp.knows(*it) && help.knows(*it)).collect();
    let differ: Vec<String> = known
        .iter()
        .filter(|it| qmp.has(**it) != help.has(**it))
        .map(|it| format!("{it}: qmp {}, help {}", qmp.has(*it), help.has(*it)))
        .collect();
    eprintln!(
        "{binary}: {} flags known to both, {} to QMP only, {} to help only",
        known.len(),
        qmp.unknown_to(&help),
        help.unknown_to(&qmp)
    );
    assert!(differ.is_empty(), "{binary}: {}", differ.join("; "));
    assert!(known.len() > 200, "{binary}: only {} flags are known to both", known.len());
    let (qmp, help) = (&qmp.facts, &help.facts);
    assert_eq!((qmp.version, &qmp.package, &qmp.arch), (help.version, &help.package, &help.arch), "{binary}");
    let tcg = |facts: &Facts| facts.accelerators[&Accel::Tcg].clone();
    let (a, b) = (tcg(qmp), tcg(help));
    assert_eq!(machines(&a), machines(&b), "{binary}");
    let cpus = |it: &Accelerator| it.cpus.iter().map(|cpu| cpu.name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(cpus(&a), cpus(&b), "{binary}");
    assert_eq!(qmp.tpm_types, help.tpm_types, "{binary}");
    for (kind, props) in &help.props {
        if let Some(known) = qmp.props.get(kind) {
            // QMP also tells of what only QEMU itself sets, such as `realized`.
            let more: Vec<_> = names(props).difference(&names(known)).copied().collect();
            assert!(more.is_empty(), "{binary}: properties of {kind}: QMP does not have {more:?}");
        }
    }
}

trait UnknownTo {
    fn unknown_to(&self, other: &Self) -> usize;
}

impl UnknownTo for Capabilities {
    /// How many flags this one knows that the other does not.
    fn unknown_to(&self, other: &Self) -> usize {
        Capability::ALL.iter().filter(|it| self.knows(**it) && !other.knows(**it)).count()
    }
}

fn machines(accelerator: &Accelerator) -> BTreeSet<(String, Option<String>, bool, bool)> {
    let machines = accelerator.machines.iter();
    machines.map(|it| (it.name.clone(), it.alias.clone(), it.default, it.deprecated)).collect()
}

fn names(props: &Props) -> BTreeSet<&str> {
    props.iter().map(|prop| prop.name).collect()
}
