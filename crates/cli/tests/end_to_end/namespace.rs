//! Namespaces with networks, and mounts, of their own, to run `domx` in.

use std::path::Path;
use std::process::Command;

use crate::running::{Running, is_root};
use crate::support::{Place, wait_for};

/// Whether namespaces of the network can be made here.
pub fn has_namespaces() -> bool {
    let made = Command::new("unshare").args(["-n", "ip", "link", "add", "brt", "type", "bridge"]).output();
    let made = is_root() && made.is_ok_and(|output| output.status.success());
    if !made {
        eprintln!("skipped: `unshare -n` and `ip link add … type bridge` do not work here");
    }
    made
}

/// A network namespace with a bridge `brt`, kept by a process that does nothing.
pub struct Namespace {
    holder: std::process::Child,
    entering: Vec<String>,
}

impl Namespace {
    /// A namespace of the network alone.
    pub fn new() -> Self {
        Self::of(&["-n"])
    }

    /// One where mounts are its own as well.
    pub fn with_mounts() -> Self {
        Self::of(&["-n", "-m"])
    }

    fn of(kinds: &[&str]) -> Self {
        let holder = Command::new("unshare").args(kinds).args(["sleep", "600"]).spawn().unwrap();
        let pid = holder.id().to_string();
        let target = ["-t".to_owned(), pid.clone()];
        let entering = kinds.iter().map(|kind| (*kind).to_owned()).chain(target).collect();
        let namespace = Namespace { holder, entering };
        // The program changes its namespaces after it has started, and says so by becoming another.
        wait_for("there is no namespace", || {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep")
        });
        namespace.ip(&["link", "add", "brt", "type", "bridge"]);
        namespace.ip(&["link", "set", "brt", "mtu", "1400", "up"]);
        namespace
    }

    /// What a program says in the namespace.
    pub fn say(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new("nsenter");
        let output = command.args(&self.entering).arg(program).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `ip` says in the namespace.
    pub fn ip(&self, args: &[&str]) -> String {
        self.say("ip", args)
    }

    /// `domx` in the namespace, started by another program if there is one; nothing of the caller's settings reaches it.
    pub fn domx(&self, place: &Place, by: &[&str]) -> Command {
        self.with(place, by, env!("CARGO_BIN_EXE_domx").as_ref())
    }

    /// The same with a copy of `domx`.
    pub fn with(&self, place: &Place, by: &[&str], program: &Path) -> Command {
        let domx = place.command();
        let mut command = Command::new("nsenter");
        command.args(&self.entering).args(by).arg(program).env_clear();
        for (name, value) in domx.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
    }

    /// `domx run` in the namespace.
    pub fn run(&self, place: &Place, xml: &str) -> Running {
        let mut command = self.domx(place, &[]);
        command.arg("run").arg(place.file("guest.xml", xml));
        Running::of(place, command)
    }

    /// What `domx run` says in the namespace of a guest that it does not start, and its exit status.
    pub fn refusal(&self, place: &Place, xml: &str) -> (i32, String) {
        let mut command = self.domx(place, &[]);
        let output = command.arg("run").arg(place.file("guest.xml", xml)).output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
