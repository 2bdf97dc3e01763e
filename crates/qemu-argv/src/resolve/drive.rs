//! Places on disk controllers: what an address leaves open is 0.

use domain_model::address::Place;

use super::{Resolving, walk};

/// Completes the addresses of drives.
pub(crate) fn complete(cx: &mut Resolving<'_>) {
    walk::each(&mut cx.domain.devices, |visit| {
        if let Some(Place::Drive(drive)) = visit.info.address.as_mut().map(|address| &mut address.place) {
            for number in [&mut drive.controller, &mut drive.bus, &mut drive.target, &mut drive.unit] {
                number.get_or_insert(0);
            }
        }
    });
}
