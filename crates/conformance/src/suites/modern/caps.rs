//! The QEMUs of the modern cases, each recording read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use caps_parser::facts::Gic;
use caps_parser::{Capabilities, Capability, qmp};

use super::manifest::Case;
use crate::reference::Reference;

type Loaded = Arc<OnceLock<Result<Arc<Capabilities>, String>>>;

/// The recordings read so far, by file and by whether machines go by their aliases.
#[derive(Default)]
pub struct Qemus {
    loaded: Mutex<HashMap<(String, bool), Loaded>>,
}

impl Qemus {
    /// What the QEMU of `case` can do.
    pub fn of(&self, folder: &Reference, case: &Case) -> Result<Arc<Capabilities>, String> {
        let key = (case.caps.replies.clone(), case.caps.strip_machine_aliases);
        let cell = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loaded.entry(key).or_default())
        };
        // The map is free again by now, so two threads can read two recordings.
        let recorded = cell.get_or_init(|| read(folder, case).map(Arc::new)).clone()?;
        if case.caps.add.is_empty()
            && case.caps.del.is_empty()
            && case.gic == "none"
            && case.host_cpu == "default"
        {
            return Ok(recorded);
        }
        let mut changed = Capabilities::clone(&recorded);
        for (names, present) in [(&case.caps.add, true), (&case.caps.del, false)] {
            for name in names {
                let flag: Capability = name.parse().map_err(|error| format!("{error}"))?;
                changed.set(flag, present);
            }
        }
        if case.host_cpu != "default" {
            // Where a case brings a host's CPU, what QEMU said of another host is forgotten.
            changed.facts.accelerators.values_mut().for_each(|accelerator| accelerator.host_cpu = None);
        }
        if let Some(versions) = gic(&case.gic) {
            changed.facts.gic = Some(versions);
        }
        Ok(Arc::new(changed))
    }
}

fn read(folder: &Reference, case: &Case) -> Result<Capabilities, String> {
    let text = folder.text(&case.caps.replies).map_err(|error| error.to_string())?;
    let mut facts = qmp::replies::parse(&text).map_err(|error| error.to_string())?;
    if case.caps.strip_machine_aliases {
        for accelerator in facts.accelerators.values_mut() {
            // A machine with an alias goes by the alias; under its own name it is one among others.
            let mut copies = Vec::new();
            for machine in &mut accelerator.machines {
                if let Some(alias) = machine.alias.take() {
                    let mut copy = machine.clone();
                    copy.default = false;
                    copies.push(copy);
                    machine.name = alias;
                }
            }
            accelerator.machines.append(&mut copies);
        }
    }
    Ok(Capabilities::detect(facts, case.caps.replies.as_str()))
}

/// The interrupt controllers that a case says the host has, in hardware and emulated.
fn gic(versions: &str) -> Option<Vec<Gic>> {
    let version = |name: &str| match name {
        "v2" => Some(2),
        "v3" => Some(3),
        _ => None,
    };
    let all = versions.split('+').filter_map(version);
    let all: Vec<Gic> = all.map(|version| Gic { version, kernel: true, emulated: true }).collect();
    (!all.is_empty()).then_some(all)
}
