//! Small files that stand in for images, kernels and tables.

use std::fs;
use std::path::Path;
use std::time::Duration;

use runner::{Command, HostRunner, Limits, Runner};
use serde_json::{Map, Value};

/// The size of a disk that stands in for another: large enough for what lies at an offset.
const DISK: u64 = 1 << 30;
/// The size of a chip with firmware. Machines of PCs have room for 8 MiB.
const CHIP: u64 = 1 << 20;
/// The formats that `qemu-img` can make.
const FORMATS: [&str; 7] = ["qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx"];

/// The files that stand in for others.
pub struct Images {
    folder: String,
    /// What opens the encrypted ones.
    pub passphrase: Vec<u8>,
    /// A kernel that is long enough to be taken for one.
    pub kernel: String,
    /// A file of zeros.
    pub blank: String,
    /// A table with a header.
    pub acpi_table: String,
}

impl Images {
    /// Makes all of them in a folder. Encrypted images open with `passphrase`.
    ///
    /// # Errors
    /// When `qemu-img` or the file system refuses.
    pub fn make(folder: &Path, qemu_img: &Path, passphrase: &str) -> Result<Self, String> {
        let path = |name: &str| folder.join(name).display().to_string();
        let images = Images {
            folder: folder.display().to_string(),
            passphrase: passphrase.as_bytes().to_vec(),
            kernel: path("kernel"),
            blank: path("blank"),
            acpi_table: path("acpi-table"),
        };
        sparse(&path("raw"), DISK)?;
        sparse(&path("raw-chip"), CHIP)?;
        let write =
            |path: &str, bytes: &[u8]| fs::write(path, bytes).map_err(|error| format!("{path}: {error}"));
        write(&path("secret"), passphrase.as_bytes())?;
        write(&images.kernel, &kernel())?;
        write(&images.blank, &[0; 64 << 10])?;
        let mut table = [0; 64];
        table.get_mut(..4).into_iter().for_each(|name| name.copy_from_slice(b"SLIC"));
        table.get_mut(4..5).into_iter().for_each(|length| length.fill(64));
        write(&images.acpi_table, &table)?;
        let secret = format!("secret,id=s,file={}", path("secret"));
        for format in FORMATS {
            create(qemu_img, &["-f", format, &path(format), "64M"])?;
        }
        create(qemu_img, &["-f", "qcow2", &path("qcow2-chip"), "1M"])?;
        let data = format!("data_file={},data_file_raw=on", path("data"));
        create(qemu_img, &["-f", "qcow2", "-o", &data, &path("qcow2-data"), "64M"])?;
        let quick = "iter-time=10,key-secret=s";
        create_encrypted(qemu_img, &["--object", &secret, "-f", "luks", "-o", quick, &path("luks"), "64M"])?;
        let quick = "encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s";
        let args = ["--object", &secret, "-f", "qcow2", "-o", quick, &path("qcow2-luks"), "64M"];
        create_encrypted(qemu_img, &args)?;
        Ok(images)
    }

    /// The image for a node, by the node of its format.
    ///
    /// # Errors
    /// When there is none of the format.
    pub fn of(&self, format: Option<&Map<String, Value>>) -> Result<String, String> {
        let get = |key: &str| format.and_then(|format| format.get(key));
        let driver = get("driver").and_then(Value::as_str).unwrap_or("raw");
        let has = |key| get(key).is_some();
        let suffix = match () {
            () if has("pflash") => "-chip",
            () if has("encrypt") => "-luks",
            () if has("data-file") => "-data",
            () => "",
        };
        // What is not a format looks at the content as it is.
        let name = match driver {
            "luks" => "luks",
            "parallels" | "dmg" | "bochs" | "cloop" => {
                return Err(format!("an image in the format {driver}"));
            }
            format if FORMATS.contains(&format) => format,
            _ => "raw",
        };
        Ok(format!("{}/{name}{suffix}", self.folder))
    }
}

/// Makes a file that takes no room.
///
/// # Errors
/// When the file system refuses.
pub fn sparse(path: &str, size: u64) -> Result<(), String> {
    let made = fs::File::create(path).and_then(|file| file.set_len(size));
    made.map_err(|error| format!("{path}: {error}"))
}

/// The least that passes for a kernel of Linux: the fields of its setup header that are looked at.
fn kernel() -> Vec<u8> {
    let mut kernel = vec![0; 64 << 10];
    let fields: [(usize, &[u8]); 4] =
        [(0x1f1, &[1]), (0x202, b"HdrS"), (0x206, &[0x0c, 0x02]), (0x211, &[1])];
    for (offset, bytes) in fields {
        // The signature stands at 0x202, and the version of the protocol behind it.
        if let Some(place) = kernel.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    kernel
}

/// A key is made as slow to guess as the clock says; on a busy machine that fails now and then.
fn create_encrypted(qemu_img: &Path, args: &[&str]) -> Result<(), String> {
    let attempts = (0..10).map(|_| create(qemu_img, args));
    attempts.into_iter().find(Result::is_ok).unwrap_or_else(|| create(qemu_img, args))
}

fn create(qemu_img: &Path, args: &[&str]) -> Result<(), String> {
    let limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
    let command = Command::new(qemu_img).args(["create", "-q"]).args(args).limits(limits);
    let made = HostRunner.run(&command).and_then(|output| output.success(qemu_img));
    made.map(drop).map_err(|error| error.to_string())
}
