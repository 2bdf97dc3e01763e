//! Whatever is written as a command line, reading it ends with a domain and a list of problems.

use proptest::prelude::*;
use qemu_argv::dialect::Era;
use qemu_argv::import::{NoFiles, era, import};

/// Pieces that command lines are made of, and that break them.
const PIECES: &[&str] = &[
    "qemu-system-x86_64 ",
    "-device ",
    "-drive ",
    "-blockdev ",
    "-netdev ",
    "-net nic,",
    "-nic ",
    "-chardev ",
    "-object ",
    "-machine q35 ",
    "-smp ",
    "-m ",
    "-cpu ",
    "-numa node,",
    "-rtc base=",
    "-boot ",
    "-vnc ",
    "-serial ",
    "-pcidevice host=",
    "-usbdevice host:",
    "virtio-blk-pci,",
    "pcie-root-port,",
    "scsi-hd,",
    "id=a,",
    "bus=a,",
    "bus=a.0,",
    "addr=1f.7,",
    "drive=a,",
    "node-name=a,",
    "file=a,",
    "driver=qcow2,",
    "{\"driver\":\"raw\",\"file\":\"a\",\"node-name\":\"a\"} ",
    "99999999999999999999",
    "-1",
    "=",
    ",,",
    ":",
    "@",
    "$A ",
    "${A:-b}",
    "A=(",
    "A=\"",
    ") ",
    "'",
    "\\\n",
    "\n",
    " ",
    "é",
    "`",
];

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        for era in [Era::Historic, Era::Modern] {
            let (domain, _) = import(&text, era, &NoFiles);
            domain.write();
        }
        era(&text);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let text = format!("qemu-system-x86_64 {}", pieces.concat());
        for era in [Era::Historic, Era::Modern] {
            let (domain, problems) = import(&text, era, &NoFiles);
            domain.write();
            for problem in problems {
                prop_assert!(!problem.message.is_empty());
            }
        }
    }
}
