//! Serial ports, parallel ports and consoles: which there are, and their numbers.

use domain_model::chardev::{CharSource, Unix};
use domain_model::device::console::{Console, ConsoleTargetType};
use domain_model::device::serial::{Serial, SerialTargetType};
use domain_model::os::OsType;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::Resolving;
use crate::dialect::Era;

/// Makes the first console and the first serial port two views of one thing, as they always were, and numbers
/// the ports that have no number.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    for console in cx.domain.devices.consoles.iter().skip(1) {
        if mirrors(console) {
            let message = "only the first console can be a serial port";
            cx.problems.push(Diagnostic::error(Code::Unsupported, console.at("target/@type"), message));
        }
    }
    number_consoles(&mut cx.domain);
    // libvirt of 2011 had one console, and a serial port was that only where there was no other.
    let has_other = cx.domain.devices.consoles.first().is_some_and(|console| !mirrors(console));
    if is_hvm(&cx.domain) && !(cx.dialect.era == Era::Historic && has_other) {
        join_first(&mut cx.domain);
        number_consoles(&mut cx.domain);
    }
    let devices = &mut cx.domain.devices;
    if cx.dialect.era == Era::Historic {
        // Nor did anybody choose the number of a port.
        devices.serials.iter_mut().for_each(|serial| serial.spec.port = None);
        devices.parallels.iter_mut().for_each(|parallel| parallel.spec.port = None);
    }
    for console in &mut devices.consoles {
        if let CharSource::Unix(unix) = &mut console.spec.chardev.source
            && unix.path.is_none()
        {
            *unix = Unix::default();
        }
        console.spec.target_type.get_or_insert(ConsoleTargetType::Serial);
    }
    number(&mut devices.serials, |serial| &mut serial.port);
    number(&mut devices.parallels, |parallel| &mut parallel.port);
}

/// Consoles are numbered as they stand, whatever number they were given.
fn number_consoles(domain: &mut Domain) {
    for (index, console) in domain.devices.consoles.iter_mut().enumerate() {
        console.spec.port = u32::try_from(index).ok();
    }
}

/// Shows in the first console what the first serial port has become.
pub(crate) fn reflect(cx: &mut Resolving<'_>) {
    if !is_hvm(&cx.domain) {
        return;
    }
    let devices = &mut cx.domain.devices;
    if let (Some(serial), Some(console)) = (devices.serials.first(), devices.consoles.first_mut())
        && console.spec.target_type == Some(ConsoleTargetType::Serial)
    {
        console.spec.chardev = serial.spec.chardev.clone();
        console.spec.port = serial.spec.port;
        console.info = serial.info.clone();
    }
}

fn is_hvm(domain: &Domain) -> bool {
    domain.os.kind == Some(OsType::Hvm)
}

fn join_first(domain: &mut Domain) {
    let devices = &mut domain.devices;
    match (devices.consoles.first(), devices.serials.first()) {
        // The console is what there is of the serial port.
        (Some(console), None) if mirrors(console) => {
            let rule = console.meta.origin.implies("the first console is a serial port");
            let spec = Serial {
                chardev: console.spec.chardev.clone(),
                port: console.spec.port,
                ..Serial::default()
            };
            let mut serial = Device::implied(spec, console.meta.origin);
            serial.info = console.info.clone();
            devices.serials.push(serial);
            if let Some(console) = devices.consoles.first_mut() {
                *console = mirror(rule);
            }
        }
        (Some(console), Some(_)) if mirrors(console) => {
            let origin = console.meta.origin;
            if let Some(console) = devices.consoles.first_mut() {
                *console = mirror(origin);
            }
        }
        // Consoles of other kinds stand behind it.
        (_, Some(serial)) if is_console(&serial.spec) => {
            let rule = serial.meta.origin.implies("the first serial port is the console");
            devices.consoles.insert(0, mirror(rule));
        }
        _ => {}
    }
}

fn mirrors(console: &Device<Console>) -> bool {
    matches!(console.spec.target_type, None | Some(ConsoleTargetType::Serial))
}

fn mirror(origin: domain_model::Origin) -> Device<Console> {
    let target_type = Some(ConsoleTargetType::Serial);
    Device::implied(Console { target_type, ..Console::default() }, origin)
}

/// Whether a serial port is what guests take for their console.
fn is_console(serial: &Serial) -> bool {
    match serial.target_type {
        None
        | Some(
            SerialTargetType::IsaSerial
            | SerialTargetType::SpaprVioSerial
            | SerialTargetType::SystemSerial
            | SerialTargetType::SclpSerial,
        ) => true,
        Some(SerialTargetType::UsbSerial | SerialTargetType::PciSerial | SerialTargetType::IsaDebug) => false,
    }
}

/// Gives ports without a number the next one behind the highest.
fn number<T>(devices: &mut [Device<T>], port: impl Fn(&mut T) -> &mut Option<u32>) {
    let mut highest = devices.iter_mut().filter_map(|device| *port(&mut device.spec)).max();
    for device in devices {
        let port = port(&mut device.spec);
        if port.is_none() {
            *port = Some(highest.map_or(0, |highest| highest.saturating_add(1)));
            highest = *port;
        }
    }
}
