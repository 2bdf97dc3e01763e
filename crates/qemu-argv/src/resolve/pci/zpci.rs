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
    next: u64,
    last: u64,
}

impl Identifiers {
    fn new(name: &'static str, first: u64, last: u64) -> Self {
        Identifiers { name, used: HashSet::new(), next: first, last }
    }

    fn take(&mut self, id: u64) -> Result<(), String> {
        if self.used.insert(id) {
            Ok(())
        } else {
            Err(format!("the zPCI {} {id:#x} is in use already", self.name))
        }
    }

    fn take_next(&mut self) -> Result<u64, String> {
        while self.used.contains(&self.next) {
            self.next += 1;
        }
        if self.next > self.last {
            return Err(format!("no zPCI {} is left", self.name));
        }
        self.used.insert(self.next);
        Ok(self.next)
    }
}

/// Gives every PCI device of an IBM Z guest the identifiers that the guest sees.
pub(crate) fn zpci(cx: &mut Resolving<'_>) {
    if !cx.inputs.has(Capability::Zpci) {
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
                Err(message) => problems.push(Diagnostic::error(Code::Exhausted, origin, message)),
            }
        });
    }
    cx.problems.extend(problems);
}

fn take<const WIDTH: usize>(
    ids: &mut Identifiers,
    written: Option<Hex<WIDTH>>,
) -> Result<Hex<WIDTH>, String> {
    match written {
        Some(Hex(id)) => ids.take(id).map(|()| Hex(id)),
        None => ids.take_next().map(Hex),
    }
}
