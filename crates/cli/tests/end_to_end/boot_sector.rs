//! Guests of one sector that say `up` and then do one thing.

use std::path::PathBuf;

use crate::support::{Place, fixture};

/// Writes the sleep bit to the power management port, where the firmware of PC machines puts it.
pub const POWER_OFF: &[u8] = b"\xba\x04\x06\xb8\x00\x20\xef";
/// Pulses the reset line by way of the keyboard controller.
pub const RESET: &[u8] = b"\xb0\xfe\xe6\x64";
/// Reports a panic to the device of ISA machines.
pub const PANIC: &[u8] = b"\xba\x05\x05\xb0\x01\xee";

/// A disk whose boot sector does this.
fn image(then: &[u8]) -> Vec<u8> {
    // xor ax,ax; mov ds,ax; cld; mov dx,COM1; mov si,text; next: lodsb; test al,al; jz over; out dx,al; jmp next
    let mut code = b"\x31\xc0\x8e\xd8\xfc\xba\xf8\x03\xbe\x00\x7d\xac\x84\xc0\x74\x03\xee\xeb\xf8".to_vec();
    code.extend_from_slice(then);
    // hlt; jmp to it
    code.extend_from_slice(b"\xf4\xeb\xfd");
    code.resize(0x100, 0);
    code.extend_from_slice(b"up\r\n\0");
    code.resize(510, 0);
    code.extend_from_slice(b"\x55\xaa");
    code.resize(1 << 20, 0);
    code
}

/// A domain named `echo` that boots it, with more devices and with what is to happen at its ends.
pub fn domain(place: &Place, then: &[u8], ends: &[(&str, &str)], devices: &str) -> PathBuf {
    let disk = place.path().join("sector.img");
    std::fs::write(&disk, image(then)).unwrap();
    let mut xml = std::fs::read_to_string(fixture("echo")).unwrap();
    xml = xml.replace("../guests/echo.img", disk.to_str().unwrap());
    for (name, action) in ends {
        xml = xml.replace(&format!("<{name}>destroy</{name}>"), &format!("<{name}>{action}</{name}>"));
    }
    place.file("sector.xml", &xml.replace("</devices>", &format!("{devices}</devices>")))
}
