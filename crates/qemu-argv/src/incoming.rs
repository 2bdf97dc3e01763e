//! `-incoming`: a guest that comes from somewhere else.

use caps_parser::Capability;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::dialect::Era;

/// Where the guest's state comes from, in the way that the QEMU in use has for it.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let Some(from) = &cx.config().incoming else { return };
    let origin = Origin::always("the guest goes on where it was stopped");
    let kind = from.split(':').next().unwrap_or_default();
    let (word, needed) = match kind {
        "stdio" => stdio(cx),
        "tcp" => (from.clone(), Capability::MigrateQemuTcp),
        "exec" => (from.clone(), Capability::MigrateQemuExec),
        "fd" => (from.clone(), Capability::MigrateQemuFd),
        "unix" => (from.clone(), Capability::MigrateQemuUnix),
        _ => {
            let message = format!("a guest cannot come from `{from}`");
            let problem = Diagnostic::error(Code::Unsupported, origin, message);
            out.problem(problem.help("there are `stdio`, `tcp:…`, `exec:…`, `fd:…` and `unix:…`"));
            return;
        }
    };
    out.text("-incoming", word, origin);
    // Today's QEMUs have all of them.
    if cx.dialect.era == Era::Historic {
        out.needing(needed);
    }
}

/// The state is in the file that QEMU inherits, best under a number of its own.
fn stdio(cx: &Context<'_>) -> (String, Capability) {
    if cx.dialect.era == Era::Modern || cx.has(Capability::MigrateQemuFd) {
        (format!("fd:{}", cx.config().incoming_fd.unwrap_or_default()), Capability::MigrateQemuFd)
    } else if cx.has(Capability::MigrateQemuExec) {
        ("exec:cat".to_owned(), Capability::MigrateQemuExec)
    } else {
        ("stdio".to_owned(), Capability::MigrateKvmStdio)
    }
}
