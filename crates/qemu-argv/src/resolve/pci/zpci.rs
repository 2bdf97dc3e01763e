//! What a PCI function is called on IBM Z.

use std::collections::HashSet;

use caps_parser::Capability;
use domain_model::address::{Place, Zpci};
use domain_model::xml::text::Hex;
use domain_model::{Code, Diagnostic};

use crate::resolve::{Resolving, walk};

/// The highest user-defined identifier of a function; 0 is none.
const MAX_UID: u64 = 0xffff;
/// The highest identifier of a function.
const MAX_FID: u64 = 0xffff_ffff;

/// The identifiers of one kind that are in use.
struct Identifiers {
    name: &'static str,
    used: HashSet<u64>,
    first: u64,
    next: u64,
    last: u64,
}

/// Why an identifier cannot be: what kind of problem, and what to say.
type Refusal = (Code, String);

impl Identifiers {
    fn new(name: &'static str, first: u64, last: u64) -> Self {
        Identifiers { name, used: HashSet::new(), first, next: first, last }
    }

    fn take(&mut self, id: u64) -> Result<(), Refusal> {
        let (name, first, last) = (self.name, self.first, self.last);
        if !(first..=last).contains(&id) {
            return Err((
                Code::BadValue,
                format!("a zPCI {name} is from {first:#x} to {last:#x}, not {id:#x}"),
            ));
        }
        match self.used.insert(id) {
            true => Ok(()),
            false => Err((Code::Exhausted, format!("the zPCI {name} {id:#x} is in use already"))),
        }
    }

    fn take_next(&mut self) -> Result<u64, Refusal> {
        while self.used.contains(&self.next) {
            self.next += 1;
        }
        if self.next > self.last {
            return Err((Code::Exhausted, format!("no zPCI {} is left", self.name)));
        }
        self.used.insert(self.next);
        Ok(self.next)
    }
}

/// Gives every PCI device of an IBM Z guest the identifiers that the guest sees.
pub(crate) fn zpci(cx: &mut Resolving<'_>) {
    if !cx.inputs.has(Capability::Zpci) {
        refuse(cx);
        return;
    }
    let mut uids = Identifiers::new("uid", 1, MAX_UID);
    let mut fids = Identifiers::new("fid", 0, MAX_FID);
    let mut problems = Vec::new();
    // Devices whose identifiers somebody wrote come first, if only one of the two.
    for written in [true, false] {
        walk::each(&mut cx.domain.devices, |visit| {
            let origin = visit.address_origin();
            let is_character_device = matches!(visit.element, "serial" | "parallel" | "channel" | "console");
            let Some(Place::Pci(pci)) = visit.info.address.as_mut().map(|address| &mut address.place) else {
                return;
            };
            let id = pci.zpci.unwrap_or_default();
            if is_character_device || (id.uid.is_some() || id.fid.is_some()) != written {
                return;
            }
            let taken = take(&mut uids, id.uid).and_then(|uid| Ok((uid, take(&mut fids, id.fid)?)));
            match taken {
                Ok((uid, fid)) => pci.zpci = Some(Zpci { uid: Some(uid), fid: Some(fid) }),
                Err((code, message)) => problems.push(Diagnostic::error(code, origin, message)),
            }
        });
    }
    cx.problems.extend(problems);
}

/// Reports identifiers that mean nothing to this QEMU.
fn refuse(cx: &mut Resolving<'_>) {
    let mut problems = Vec::new();
    walk::each(&mut cx.domain.devices, |visit| {
        let pci = visit.info.address.as_ref().and_then(|address| address.place.pci());
        if pci.is_some_and(|pci| pci.zpci.is_some()) {
            let message = "this QEMU has no zPCI, so PCI functions have no `<zpci>` identifiers";
            problems.push(Diagnostic::error(Code::Unsupported, visit.address_origin(), message));
        }
    });
    cx.problems.extend(problems);
}

fn take<const WIDTH: usize>(
    ids: &mut Identifiers,
    written: Option<Hex<WIDTH>>,
) -> Result<Hex<WIDTH>, Refusal> {
    match written {
        Some(Hex(id)) => ids.take(id).map(|()| Hex(id)),
        None => ids.take_next().map(Hex),
    }
}
