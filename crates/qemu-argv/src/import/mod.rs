//! The way back: from a command line to a domain.
//!
//! A script is read as words ([`shell`]), the words as options, the options as devices. What has no place in the
//! domain goes to `<qemu:commandline>` unchanged, with a diagnostic; nothing is dropped without a word.

pub mod shell;

mod chardev;
mod emulator;
mod historic;
mod modern;
mod option;
mod pairs;

use domain_model::device::video::VideoType;
use domain_model::qemu::{QemuArg, QemuEnv};
use domain_model::storage::Format;
use domain_model::xml::{Meta, Text};
use domain_model::{Code, Device, Diagnostic, Domain, Origin};

use crate::dialect::Era;
use option::Opt;
use shell::Word;

/// What a guest without a name is called.
const NAME: &str = "guest";

/// The files that a command line names, as far as they have to be known.
pub trait Files {
    /// The text of a file, such as that of `-readconfig`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn text(&self, path: &str) -> Result<String, String>;

    /// The format of an image; `None` if it cannot be told. [`format_of`] tells it from the content.
    fn format(&self, path: &str) -> Option<Format>;
}

/// The format of an image by its first bytes, as QEMU probes it.
pub fn format_of(head: &[u8]) -> Option<Format> {
    const MAGIC: &[(usize, &[u8], Format)] = &[
        (0, b"QFI\xfb\0\0\0\x01", Format::Qcow),
        (0, b"QFI\xfb", Format::Qcow2),
        (0, b"QED\0", Format::Qed),
        (0, b"KDMV", Format::Vmdk),
        (0, b"COWD", Format::Vmdk),
        (0, b"# Disk DescriptorFile", Format::Vmdk),
        (0, b"vhdxfile", Format::Vhd),
        (0, b"conectix", Format::Vpc),
        (0x40, b"\x7f\x10\xda\xbe", Format::Vdi),
        (0, b"Bochs Virtual HD Image", Format::Bochs),
        (0, b"WithoutFreeSpace", Format::Ploop),
        (0, b"WithouFreSpacExt", Format::Ploop),
    ];
    let found =
        MAGIC.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    let is_probed = head.len() >= 512;
    found.map(|(_, _, format)| *format).or(is_probed.then_some(Format::Raw))
}

/// No files at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn text(&self, _: &str) -> Result<String, String> {
        Err("files are not read here".to_owned())
    }

    fn format(&self, _: &str) -> Option<Format> {
        None
    }
}

/// Reads the first command of a shell script that starts a QEMU.
///
/// The origins of the diagnostics are stretches of the text. The domain is there even if some of them are errors.
///
/// ```
/// use qemu_argv::dialect::Era;
/// use qemu_argv::import::{NoFiles, import};
///
/// let (domain, problems) = import("qemu -M pc -m 512 -net none -nographic", Era::Historic, &NoFiles);
/// assert!(problems.is_empty());
/// assert!(domain.write_historic().contains("<memory>524288</memory>"));
/// ```
pub fn import(text: &str, era: Era, files: &dyn Files) -> (Domain, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let found = shell::find(text, &mut problems);
    let Some(program) = found.program else {
        let message = "there is no command here that starts a QEMU";
        let help = "its name starts with `qemu-system-`, or is `qemu`, `qemu-kvm` or `kvm`";
        problems
            .push(Diagnostic::error(Code::NotFound, Origin::Text { start: 0, end: 0 }, message).help(help));
        return (Domain::default(), problems);
    };
    let mut options = option::read(&found.args, &mut problems);
    read_config_files(&mut options, files, &mut problems);
    let mut cx = Importing {
        program: program.text,
        env: found.env,
        options,
        domain: Domain::default(),
        problems,
        files,
    };
    match era {
        Era::Historic => historic::read(&mut cx),
        Era::Modern => modern::read(&mut cx),
    }
    cx.domain.name.get_or_insert_with(|| NAME.to_owned());
    (cx.domain, cx.problems)
}

/// Whether a command line is written for a QEMU so old that libvirt of 2011 is the one to read it.
pub fn era(text: &str) -> Era {
    let found = shell::find(text, &mut Vec::new());
    let options = option::read(&found.args, &mut Vec::new());
    let is_old = |option: &Opt| {
        let gone = ["pcidevice", "no-kqemu", "enable-kqemu", "kernel-kqemu", "domid", "std-vga", "vmwarevga"];
        let has_vlan = option.is(&["net"]) && option.peek("vlan").is_some();
        let is_old_cache = option.is(&["drive"]) && matches!(option.peek("cache"), Some("on" | "off"));
        option.is(&gone) || has_vlan || is_old_cache
    };
    if options.iter().any(is_old) { Era::Historic } else { Era::Modern }
}

/// Puts the options of `-readconfig` files where the files are named.
fn read_config_files(options: &mut Vec<Opt>, files: &dyn Files, problems: &mut Vec<Diagnostic>) {
    let mut expanded = Vec::with_capacity(options.len());
    for option in options.drain(..) {
        if !option.is(&["readconfig"]) {
            expanded.push(option);
            continue;
        }
        match files.text(&option.value) {
            Ok(text) => expanded.extend(option::read_config(&text, option.origin)),
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", option.value);
                problems.push(Diagnostic::error(Code::NotFound, option.origin, message));
            }
        }
    }
    *options = expanded;
}

/// A command line while it is read.
struct Importing<'a> {
    program: String,
    env: Vec<(String, Word)>,
    options: Vec<Opt>,
    domain: Domain,
    problems: Vec<Diagnostic>,
    files: &'a dyn Files,
}

impl Importing<'_> {
    /// Reports what cannot be read.
    fn refuse(&mut self, origin: Origin, message: String) {
        self.problems.push(Diagnostic::error(Code::InvalidArgument, origin, message));
    }

    /// Reports what the domain does not have.
    fn left_out(&mut self, origin: Origin, message: String) {
        self.problems.push(Diagnostic::warning(Code::NotYet, origin, message));
    }

    /// Passes an option on unchanged, past the domain.
    fn keep(&mut self, option: &Opt) {
        self.keep_as(option, &option.words);
    }

    /// Passes an option on in these words.
    fn keep_as(&mut self, option: &Opt, words: &[String]) {
        option.take();
        let commandline = self.domain.qemu_commandline.get_or_insert_default();
        for word in words {
            let meta = Meta::from_origin(option.origin);
            commandline.args.push(QemuArg { value: word.clone(), meta });
        }
        let driver = option.peek("driver").map(|driver| format!(" {driver}")).unwrap_or_default();
        let what = format!("{}{driver}", option.words.first().map(String::as_str).unwrap_or_default());
        let message = format!("`{what}` has no place in the domain; it goes to QEMU as it is");
        self.problems.push(Diagnostic::warning(Code::NotYet, option.origin, message));
    }

    /// Passes on a part of an option, past the domain.
    fn pass(&mut self, flag: &str, text: &str, origin: Origin) {
        let commandline = self.domain.qemu_commandline.get_or_insert_default();
        for word in [flag, text] {
            let meta = Meta::from_origin(origin);
            commandline.args.push(QemuArg { value: word.to_owned(), meta });
        }
        let message = format!("`{text}` of `{flag}` has no place in the domain; it goes to QEMU as it is");
        self.problems.push(Diagnostic::warning(Code::NotYet, origin, message));
    }

    /// Passes a variable on, past the domain.
    fn variable(&mut self, name: String, value: &Word) {
        let commandline = self.domain.qemu_commandline.get_or_insert_default();
        let meta = Meta::from_origin(value.origin());
        commandline.env.push(QemuEnv { name, value: Some(value.text.clone()), meta });
    }
}

/// A device that follows from an option.
fn implied<T>(spec: T, origin: Origin) -> Device<T> {
    Device::implied(spec, origin)
}

/// The video card that a word of `-vga` stands for.
fn video_type(word: &str) -> Option<VideoType> {
    match word {
        "std" => Some(VideoType::Vga),
        "vmware" => Some(VideoType::Vmvga),
        word => VideoType::parse(word).ok(),
    }
}
