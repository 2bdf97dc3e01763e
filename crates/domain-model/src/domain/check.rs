//! What a whole domain needs, and what in it contradicts each other.

use super::Domain;
use crate::{Code, Diagnostic};

impl Domain {
    /// What libvirt refuses in the domain although every element is fine by itself.
    ///
    /// Reading leaves this out, so that parts of domains can be read; it holds for domains built in code too.
    /// What depends on QEMU or the host is not looked at.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        self.check_essentials(&mut problems);
        problems
    }

    fn problem(&self, code: Code, path: &'static str, message: &str) -> Diagnostic {
        Diagnostic::error(code, self.meta.at(path), message)
    }

    fn check_essentials(&self, out: &mut Vec<Diagnostic>) {
        match self.name.as_deref() {
            None | Some("") => {
                out.push(self.problem(Code::MissingElement, "name", "a domain needs a `<name>`"));
            }
            Some(name) if name.contains(['/', '\n']) => {
                out.push(self.problem(Code::BadValue, "name", "a name has no slash and no line break"));
            }
            Some(_) => {}
        }
        if self.title.as_ref().is_some_and(|title| title.contains('\n')) {
            out.push(self.problem(Code::BadValue, "title", "a title has no line break"));
        }
        if self.os.kind.is_none() && self.bootloader.is_none() {
            out.push(self.problem(Code::MissingElement, "os", "`<os>` needs a `<type>`"));
        }
        let cells = self.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()).map_or(0, |numa| numa.cells.len());
        let memory = self.memory.as_ref().and_then(|memory| memory.size);
        if memory.is_none_or(|size| size.0 == 0) && cells == 0 {
            let message = "a domain needs `<memory>`, or `<cell>`s of `<numa>`";
            out.push(self.problem(Code::MissingElement, "memory", message));
        }
    }
}
