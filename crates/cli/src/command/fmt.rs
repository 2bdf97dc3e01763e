//! `domx fmt`: a domain as canonical XML.

use qemu_argv::Inputs;

use super::argv;
use crate::args::{Fmt, LayoutName};
use crate::host::ThisHost;
use crate::report::{Report, Status, Stop};
use crate::{input, source};

/// Prints the domain, or checks its form.
pub fn run(args: &Fmt, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let text = if args.resolved {
        let chosen = source::choose(&input.domain, &args.qemu, report)?;
        let config = argv::config(&input, LayoutName::Run);
        let inputs = Inputs { caps: &chosen.capabilities, host: &ThisHost, config: &config };
        let (resolved, problems) = qemu_argv::resolve(&input.domain, inputs);
        report.problems(&input.document, &problems);
        if Status::of(&problems) != Status::Ok {
            return Ok(Status::of(&problems));
        }
        resolved.into_xml()
    } else {
        input.domain.into_xml()
    };
    if !args.check {
        return crate::print(&text);
    }
    let written = input.document.text();
    if written.trim_end() == text.trim_end() {
        return Ok(Status::Ok);
    }
    let line = written.lines().zip(text.lines()).take_while(|(written, text)| written == text).count() + 1;
    let message = format!("{}:{line}: not in canonical form; `domx fmt` prints it", input.document.name());
    Err(Stop::new(Status::Xml, message))
}
