//! Words of a command line, as QEMU's options.

use std::cell::Cell;

use domain_model::{Code, Diagnostic, Origin};

use super::pairs::Pairs;
use super::shell::Word;
use crate::props::Props;
use crate::spell::{self, Spelling};

/// Options that stand alone, of every QEMU since 0.9.
const FLAGS: &[&str] = &[
    "S",
    "alt-grab",
    "ctrl-grab",
    "curses",
    "daemonize",
    "disable-kvm",
    "enable-fips",
    "enable-kqemu",
    "enable-kvm",
    "full-screen",
    "h",
    "hax",
    "help",
    "kernel-kqemu",
    "localtime",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-frame",
    "no-hpet",
    "no-kqemu",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-kvm-pit-reinjection",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "old-param",
    "one-insn-per-tb",
    "portrait",
    "preconfig",
    "s",
    "sdl",
    "semihosting",
    "singlestep",
    "snapshot",
    "std-vga",
    "tdf",
    "usb",
    "version",
    "vmwarevga",
    "win2k-hack",
    "xen-attach",
    "xen-create",
    "xen-domid-restrict",
];

/// Options with a value made of pairs, and which key may be left out.
const WITH_PAIRS: &[(&str, Option<&str>)] = &[
    ("M", Some("type")),
    ("accel", Some("accel")),
    ("audiodev", Some("driver")),
    ("blockdev", Some("driver")),
    ("boot", Some("order")),
    ("chardev", Some("backend")),
    ("device", Some("driver")),
    ("display", Some("type")),
    ("drive", None),
    ("fsdev", Some("fsdriver")),
    ("m", Some("size")),
    ("machine", Some("type")),
    ("mon", Some("chardev")),
    ("name", Some("guest")),
    ("net", Some("type")),
    ("netdev", Some("type")),
    ("nic", Some("type")),
    ("numa", Some("type")),
    ("object", Some("qom-type")),
    ("rtc", None),
    ("smp", Some("cpus")),
    ("spice", None),
    ("tpmdev", Some("type")),
    ("virtfs", Some("fsdriver")),
];

/// An option of the command line.
#[derive(Debug)]
pub(super) struct Opt {
    /// Its name, without dashes.
    pub name: String,
    /// Its value as it is; empty if it has none.
    pub value: String,
    /// Its value as pairs, if it is made of such.
    pub pairs: Option<Pairs>,
    /// Where it is.
    pub origin: Origin,
    /// The words it is made of, to pass it on unchanged.
    pub words: Vec<String>,
    /// Whether it comes from a file of `-readconfig`.
    pub is_from_file: bool,
    taken: Cell<bool>,
}

impl Opt {
    /// An option.
    fn new(name: &str, value: Option<&Word>, origin: Origin, words: Vec<String>) -> Self {
        let implied = WITH_PAIRS.iter().find(|(known, _)| *known == name).map(|(_, implied)| *implied);
        let text = value.map(|word| word.text.clone()).unwrap_or_default();
        let pairs = implied.and_then(|implied| Pairs::read(&text, implied));
        Opt {
            name: name.to_owned(),
            value: text,
            pairs,
            origin,
            words,
            is_from_file: false,
            taken: Cell::new(false),
        }
    }

    /// The value of one of its pairs, which does not count as read.
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.pairs.as_ref().and_then(|pairs| pairs.peek(key))
    }

    /// Whether it is one of these.
    pub fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Says that the domain has what it says.
    pub fn take(&self) {
        self.taken.set(true);
    }

    /// As if nobody had read it.
    pub fn reset(&self) {
        self.taken.set(false);
        if let Some(pairs) = &self.pairs {
            pairs.reset();
        }
    }

    /// Whether the domain has what it says.
    pub fn is_taken(&self) -> bool {
        self.taken.get()
    }
}

/// Reads words as options.
pub(super) fn read(words: &[Word], problems: &mut Vec<Diagnostic>) -> Vec<Opt> {
    let mut options = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.text.strip_prefix('-').filter(|name| !name.is_empty()) else {
            // QEMU takes a word that is no option as the image of the first disk.
            options.push(Opt::new("hda", Some(word), word.origin(), vec![word.text.clone()]));
            continue;
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        let mut origin = word.origin();
        let mut own = vec![word.text.clone()];
        let takes_value = match KNOWN.binary_search(&name) {
            _ if FLAGS.contains(&name) => false,
            Ok(_) => true,
            Err(_) => words.peek().is_some_and(|next| !next.text.starts_with('-')),
        };
        let value = if takes_value { words.next() } else { None };
        match value {
            Some(value) => {
                own.push(value.text.clone());
                origin = super::shell::origin(&(word.span.start..value.span.end.max(word.span.start)));
            }
            None if takes_value => {
                let message = format!("`{}` needs a value", word.text);
                problems.push(Diagnostic::error(Code::InvalidArgument, origin, message));
            }
            None => {}
        }
        options.push(Opt::new(name, value, origin, own));
    }
    options
}

/// Reads a file of `-readconfig`: groups such as `[device "id"]` and lines `key = "value"`.
pub(super) fn read_config(text: &str, origin: Origin) -> Vec<Opt> {
    let mut groups: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (name, id) = head.trim().split_once([' ', '\t']).unwrap_or((head.trim(), ""));
            let id = id.trim().trim_matches('"');
            let pairs = if id.is_empty() { Vec::new() } else { vec![("id".to_owned(), id.to_owned())] };
            groups.push((name.to_owned(), pairs));
        } else if let (Some((key, value)), Some((_, pairs))) = (line.split_once('='), groups.last_mut()) {
            pairs.push((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
        }
    }
    let mut options = Vec::new();
    for (group, pairs) in groups {
        let name = match group.as_str() {
            "memory" => "m",
            "smp-opts" => "smp",
            "boot-opts" => "boot",
            name => name,
        };
        let props = if name == "global" {
            let get = |key| pairs.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
            let property =
                format!("{}.{}", get("driver").unwrap_or_default(), get("property").unwrap_or_default());
            Props::plain(origin).set(property, get("value").unwrap_or_default())
        } else {
            pairs
                .iter()
                .fold(Props::plain(origin), |props, (key, value)| props.set(key.clone(), value.as_str()))
        };
        let value = spell::spell(&props, Spelling::KeyValue, &mut |_| String::new());
        let word = Word { text: value.clone(), span: 0..0, unresolved: false };
        let option = Opt::new(name, Some(&word), origin, vec![format!("-{name}"), value]);
        options.push(Opt { is_from_file: true, ..option });
    }
    options
}

/// Options with a value, of every QEMU since 0.9; sorted.
const KNOWN: &[&str] = &[
    "D",
    "L",
    "M",
    "accel",
    "acpitable",
    "action",
    "add-fd",
    "append",
    "audio",
    "audiodev",
    "balloon",
    "bios",
    "blockdev",
    "boot",
    "bootloader",
    "bootp",
    "bt",
    "cdrom",
    "chardev",
    "chroot",
    "clock",
    "compat",
    "cpu",
    "d",
    "debugcon",
    "device",
    "dfilter",
    "display",
    "domid",
    "drive",
    "drive_add",
    "dtb",
    "dump-vmstate",
    "echr",
    "fda",
    "fdb",
    "fsdev",
    "fw_cfg",
    "g",
    "gdb",
    "global",
    "hda",
    "hdachs",
    "hdb",
    "hdc",
    "hdd",
    "icount",
    "incoming",
    "initrd",
    "iscsi",
    "k",
    "kernel",
    "loadvm",
    "m",
    "machine",
    "mem-path",
    "mon",
    "monitor",
    "msg",
    "mtdblock",
    "name",
    "net",
    "netdev",
    "nic",
    "numa",
    "nvram",
    "object",
    "option-rom",
    "overcommit",
    "p",
    "parallel",
    "pcidevice",
    "pflash",
    "pidfile",
    "plugin",
    "prom-env",
    "qmp",
    "qmp-pretty",
    "qtest",
    "qtest-log",
    "readconfig",
    "realtime",
    "redir",
    "rtc",
    "rtc-td-hack",
    "run-with",
    "runas",
    "sandbox",
    "sd",
    "seed",
    "semihosting-config",
    "serial",
    "set",
    "shim",
    "show-cursor",
    "smb",
    "smbios",
    "smp",
    "soundhw",
    "spice",
    "startdate",
    "t",
    "tb-size",
    "tftp",
    "tpmdev",
    "trace",
    "usbdevice",
    "uuid",
    "vga",
    "virtfs",
    "virtfs_synth",
    "virtioconsole",
    "vnc",
    "watchdog",
    "watchdog-action",
    "writeconfig",
    "xen-domid",
];

#[cfg(test)]
mod tests {
    use super::super::shell;
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn words_become_options() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let mut problems = Vec::new();
            let found = shell::find(text, &mut problems);
            let options = read(&found.args, &mut problems);
            let read: Vec<(&str, &str)> =
                options.iter().map(|option| (option.name.as_str(), option.value.as_str())).collect();
            assert_eq!(read, expected, "{text}");
        };
        check(
            "qemu -m 1G -S --enable-kvm a.img",
            &[("m", "1G"), ("S", ""), ("enable-kvm", ""), ("hda", "a.img")],
        );
        check("qemu -unknown value -other -S", &[("unknown", "value"), ("other", ""), ("S", "")]);
        check("qemu -append -x", &[("append", "-x")]);
        check("qemu -", &[("hda", "-")]);
    }

    #[test]
    fn configuration_files() {
        let check = |text: &str, expected: &[&str]| {
            let options = read_config(text, Origin::Built);
            let words: Vec<String> = options.iter().map(|option| option.words.join(" ")).collect();
            assert_eq!(words, expected, "{text}");
        };
        check(
            "# c\n[device \"net0\"]\n  driver = \"e1000\"\n  bus = \"pci.0\"\n[memory]\n size = \"1024\"\n",
            &["-device id=net0,driver=e1000,bus=pci.0", "-m size=1024"],
        );
        check("[global]\n driver = \"x\"\n property = \"y\"\n value = \"1,2\"\n", &["-global x.y=1,,2"]);
        check("no group\n[", &[]);
    }
}
