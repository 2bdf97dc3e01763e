//! One argument of the command line, and the list of them.

use caps_parser::Capability;
use domain_model::{Code, Diagnostic, Origin};

use crate::context::Context;
use crate::host::FdRequest;
use crate::needs::{Access, HostFile, MonitorCommand, Needs};
use crate::props::{Props, Value};

/// One argument: a flag, what follows it, and why it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// The flag, such as `-device`; empty for what users add by hand, word by word.
    pub flag: &'static str,
    /// What follows the flag.
    pub payload: Payload,
    /// Why it is there.
    pub origin: Origin,
    /// The capability the flag rests on.
    pub needs: Option<Capability>,
}

/// What follows a flag.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Nothing.
    None,
    /// A word that QEMU takes as it is, commas and all.
    Text(String),
    /// Properties, in the spelling that the QEMU in use takes for this flag.
    Props(Props),
}

/// A variable of QEMU's environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvVar {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Why it is there.
    pub origin: Origin,
}

/// The arguments while they are collected.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// The arguments, in order.
    pub list: Vec<Arg>,
    /// The environment, in order; a later value of the same name wins and keeps the first place.
    pub env: Vec<EnvVar>,
    /// What the host has to have ready.
    pub needs: Needs,
    /// What cannot work.
    pub problems: Vec<Diagnostic>,
    fdsets: u32,
}

impl Args {
    /// Adds a flag that stands alone.
    pub fn flag(&mut self, flag: &'static str, origin: Origin) {
        self.push(flag, Payload::None, origin);
    }

    /// Adds a flag and a word.
    pub fn text(&mut self, flag: &'static str, text: impl Into<String>, origin: Origin) {
        self.push(flag, Payload::Text(text.into()), origin);
    }

    /// Adds a flag and properties; the argument's origin is that of the properties.
    pub fn props(&mut self, flag: &'static str, props: Props) {
        let origin = props.origin();
        self.push(flag, Payload::Props(props), origin);
    }

    /// Adds a flag and a payload.
    pub fn push(&mut self, flag: &'static str, payload: Payload, origin: Origin) {
        self.list.push(Arg { flag, payload, origin, needs: None });
    }

    /// Makes the last argument rest on a capability: without it, it is an error at the argument's origin.
    pub fn needing(&mut self, capability: Capability) {
        if let Some(arg) = self.list.last_mut() {
            arg.needs = Some(capability);
        }
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let (name, value) = (name.into(), value.into());
        match self.env.iter_mut().find(|variable| variable.name == name) {
            Some(variable) => (variable.value, variable.origin) = (value, origin),
            None => self.env.push(EnvVar { name, value, origin }),
        }
    }

    /// Hands QEMU a descriptor as a set of its own (`-add-fd`) and gives the path to open it by.
    ///
    /// `at` says what is opened, and `origin` that something is.
    pub fn fdset(&mut self, request: FdRequest, opaque: &str, at: Origin, origin: Origin) -> String {
        let set = self.fdsets;
        self.fdsets += 1;
        let props =
            Props::plain(origin).set("set", set).set_at("fd", Value::Fd(request), at).set("opaque", opaque);
        self.props("-add-fd", props);
        format!("/dev/fdset/{set}")
    }

    /// Hands QEMU all descriptors of a group as the set with the number `set`, and gives the path to open them by.
    pub(crate) fn numbered_fdset(
        &mut self,
        set: u32,
        group: &str,
        count: u32,
        of: &str,
        origin: Origin,
    ) -> String {
        self.fdsets = self.fdsets.max(set.saturating_add(1));
        for index in 0..count {
            let request = FdRequest::Passed { group: group.to_owned(), index };
            let props = Props::plain(origin)
                .set("set", set)
                .set("fd", Value::Fd(request))
                .set("opaque", format!("{of}{index}"));
            self.props("-add-fd", props);
        }
        format!("/dev/fdset/{set}")
    }

    /// Notes a file that QEMU, or a process beside it, opens by itself.
    pub fn file(&mut self, path: impl Into<String>, access: Access, origin: Origin) {
        self.needs.files.push(HostFile { path: path.into(), access, template: None, help: None, origin });
    }

    /// Says something over the monitor before the guest runs; without a monitor, warns that nobody does.
    pub fn command(
        &mut self,
        execute: &'static str,
        arguments: serde_json::Value,
        what: &str,
        origin: Origin,
        cx: &Context<'_>,
    ) {
        if cx.config().supervised {
            self.needs.commands.push(MonitorCommand { execute, arguments, origin });
        } else if !cx.is_libvirt() {
            let message =
                format!("{what} can only be said over QMP (`{execute}`), so this command line cannot");
            self.problem(Diagnostic::warning(Code::NotYet, origin, message));
        }
    }

    /// Reports a problem.
    pub fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }
}
