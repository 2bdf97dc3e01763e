//! Registers on the VIO bus of pSeries machines.

use std::collections::HashSet;

use domain_model::address::{Address, Place, SpaprVio};
use domain_model::device::controller::{ControllerKind, ScsiModel};
use domain_model::device::serial::SerialTargetType;
use domain_model::device::tpm::TpmModel;
use domain_model::xml::text::Hex;
use domain_model::{Code, Device, Diagnostic};

use super::board::Board;
use super::{Resolving, walk};

/// Where QEMU starts to number each kind of device.
const FIRST_NET: u64 = 0x1000;
const FIRST_SCSI: u64 = 0x2000;
const FIRST_NVRAM: u64 = 0x3000;
const FIRST_TPM: u64 = 0x4000;
const FIRST_SERIAL: u64 = 0x3000_0000;
/// The last register; the bus has 32-bit registers.
const LAST: u64 = 0xffff_ffff;
/// The distance of two registers.
const STEP: u64 = 0x1000;

/// Gives every device on the VIO bus a register of its own.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    let is_pseries = Board::of(&cx.domain) == Board::Pseries;
    let devices = &mut cx.domain.devices;
    let mut bus = Bus { used: HashSet::new(), problems: Vec::new() };
    walk::each(devices, |visit| {
        let origin = visit.address_origin();
        if let Some(Place::SpaprVio(SpaprVio { reg: Some(reg) })) =
            visit.info.address.as_ref().map(|address| &address.place)
        {
            let problem = if reg.0 > LAST {
                Some((Code::Unsupported, format!("VIO registers go up to {LAST:#x}, not {:#x}", reg.0)))
            } else if !bus.used.insert(reg.0) {
                Some((Code::Conflict, format!("the VIO register {:#x} is in use already", reg.0)))
            } else {
                None
            };
            bus.problems.extend(problem.map(|(code, message)| Diagnostic::error(code, origin, message)));
        }
    });
    bus.attach(&mut devices.interfaces, FIRST_NET, |interface| {
        interface.model.as_deref() == Some("spapr-vlan")
    });
    bus.attach(&mut devices.controllers, FIRST_SCSI, |controller| {
        controller.kind == ControllerKind::Scsi { model: Some(ScsiModel::Ibmvscsi) }
    });
    bus.attach(&mut devices.serials, FIRST_SERIAL, |serial| {
        serial.target_type == Some(SerialTargetType::SpaprVioSerial)
    });
    bus.attach(&mut devices.nvrams, FIRST_NVRAM, |_| is_pseries);
    bus.attach(&mut devices.tpms, FIRST_TPM, |tpm| is_pseries && tpm.model != Some(TpmModel::SpaprTpmProxy));
    cx.problems.extend(bus.problems);
}

/// The registers in use.
struct Bus {
    used: HashSet<u64>,
    problems: Vec<Diagnostic>,
}

impl Bus {
    /// Attaches those devices of a family that are on the bus.
    fn attach<T>(&mut self, devices: &mut [Device<T>], first: u64, is_on_bus: impl Fn(&T) -> bool) {
        let mut next = first;
        for device in devices {
            let place = device.info.address.as_ref().map(|address| &address.place);
            let is_open = match place {
                Some(Place::SpaprVio(vio)) => vio.reg.is_none(),
                _ => is_on_bus(&device.spec),
            };
            if !is_open {
                continue;
            }
            while !self.used.insert(next) {
                next = next.saturating_add(STEP);
            }
            let place = Place::SpaprVio(SpaprVio { reg: Some(Hex(next)) });
            match &mut device.info.address {
                Some(address) => address.place = place,
                None => {
                    let origin = device.meta.origin.implies("the next free register of the VIO bus");
                    device.info.address = Some(Address::implied(place, origin));
                }
            }
        }
    }
}
