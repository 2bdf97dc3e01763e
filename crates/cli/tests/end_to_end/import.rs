//! Command lines as domains and back: the guest's hardware has to stay the same.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, real_qemu, repository};

/// How long a QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A QEMU that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn scripts() -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(repository("fixtures/import")).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "sh")).collect();
    scripts.sort();
    scripts
}

/// A place with the script, what it needs, and a QEMU on the path that writes down its arguments and ends.
fn place_of(script: &Path) -> Place {
    let place = Place::new();
    for file in std::fs::read_dir(repository("fixtures/import")).unwrap().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "cfg") || path == script {
            std::fs::copy(&path, place.path().join(file.file_name())).unwrap();
        }
    }
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = |name: &str, text: &str| {
        let path = bin.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(
        "qemu-system-x86_64",
        "#!/bin/sh\nprintf '%s\\0' \"$@\" > arguments.part && mv arguments.part arguments\n",
    );
    program("sudo", "#!/bin/sh\nexec \"$@\"\n");
    place
}

/// The arguments with which the script starts QEMU.
fn arguments_of(script: &Path, place: &Place) -> Vec<String> {
    let path = format!("{}:{}", place.path().join("bin").display(), std::env::var("PATH").unwrap());
    let status = Command::new("bash")
        .arg(place.path().join(script.file_name().unwrap()))
        .current_dir(place.path())
        .env("PATH", path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{}", script.display());
    let written = place.path().join("arguments");
    // The script may have started it in the background.
    let deadline = Instant::now() + PATIENCE;
    while !written.exists() {
        assert!(Instant::now() < deadline, "{} starts no QEMU", script.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    let text = std::fs::read_to_string(written).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Makes every image that the arguments name.
fn make_images(arguments: &[String], config: &str, place: &Place) {
    let names = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).map(str::to_owned).collect()
    };
    for name in arguments.iter().flat_map(|text| names(text)).chain(names(config)) {
        let Some((_, extension)) = name.rsplit_once('.') else { continue };
        let content = match extension {
            "img" | "iso" => vec![0; 1_474_560],
            "fd" => vec![0; 1 << 20],
            "qcow2" => qcow2(),
            _ => continue,
        };
        std::fs::write(place.path().join(&name), content).unwrap();
    }
}

/// An empty qcow2 image: header, table of reference counts, one block of them, and the first table of clusters.
fn qcow2() -> Vec<u8> {
    const CLUSTER: usize = 1 << 16;
    let mut image = vec![0; 4 * CLUSTER];
    let mut write = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    write(0, b"QFI\xfb");
    write(4, &2_u32.to_be_bytes());
    write(20, &16_u32.to_be_bytes());
    write(24, &(1_u64 << 20).to_be_bytes());
    write(36, &1_u32.to_be_bytes());
    write(40, &(3 * CLUSTER as u64).to_be_bytes());
    write(48, &(CLUSTER as u64).to_be_bytes());
    write(56, &1_u32.to_be_bytes());
    write(CLUSTER, &(2 * CLUSTER as u64).to_be_bytes());
    for cluster in 0..4 {
        write(2 * CLUSTER + 2 * cluster, &1_u16.to_be_bytes());
    }
    image
}

const NO_SCREEN: [&str; 2] = ["-display", "none"];

/// The same arguments for a host that has neither KVM nor a screen.
fn without_the_host(arguments: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-enable-kvm" => {}
            "-nographic" => out.extend(NO_SCREEN.map(str::to_owned)),
            "-vnc" => {
                words.next();
                out.extend(NO_SCREEN.map(str::to_owned));
            }
            _ => out.push(word.replace("accel=kvm:tcg", "accel=tcg").replace("accel=kvm", "accel=tcg")),
        }
    }
    let kvm = out.windows(2).position(|pair| pair[0] == "-accel" && pair[1] == "kvm");
    if let Some(at) = kvm {
        "tcg".clone_into(&mut out[at + 1]);
    }
    out
}

/// What is on PCI: place, class, vendor and device, a line each.
fn hardware(qemu: &Path, arguments: &[String], place: &Place) -> Result<Vec<String>, String> {
    let socket = place.path().join("qmp.sock");
    let _ = std::fs::remove_file(&socket);
    let mut guest = Command::new(qemu)
        .args(arguments)
        .args(["-S", "-qmp", "unix:qmp.sock,server=on,wait=off"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Started)
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let asked = loop {
        if let Ok(stream) = UnixStream::connect(&socket) {
            break ask(stream);
        }
        if guest.0.try_wait().unwrap().is_some() {
            break None;
        }
        assert!(Instant::now() < deadline, "QEMU does not answer");
        std::thread::sleep(Duration::from_millis(10));
    };
    asked.ok_or_else(|| {
        let _ = guest.0.kill();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut guest.0.stderr.take().unwrap(), &mut said).unwrap();
        format!("QEMU ended: {said}\n{arguments:?}")
    })
}

/// The answer to `query-pci`; `None` if QEMU ends before it has one.
fn ask(mut stream: UnixStream) -> Option<Vec<String>> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-pci\",\"id\":\"pci\"}").ok()?;
    for line in BufReader::new(stream).lines() {
        let reply: serde_json::Value = serde_json::from_str(&line.ok()?).unwrap();
        if reply["id"] == "pci" {
            let mut found = Vec::new();
            for bus in reply["return"].as_array().unwrap() {
                on_bus(&bus["devices"], "", &mut found);
            }
            found.sort();
            return Some(found);
        }
    }
    None
}

fn on_bus(devices: &serde_json::Value, above: &str, found: &mut Vec<String>) {
    for device in devices.as_array().into_iter().flatten() {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let place = format!("{above}/{:02x}.{}", number(&device["slot"]), number(&device["function"]));
        let (class, id) = (&device["class_info"], &device["id"]);
        let ids = (number(&class["class"]), number(&id["vendor"]), number(&id["device"]));
        found.push(format!("{place} {:04x} {:04x}:{:04x}", ids.0, ids.1, ids.2));
        on_bus(&device["pci_bridge"]["devices"], &place, found);
    }
}

#[test]
fn the_hardware_is_the_same_before_and_after() {
    let Some(qemu) = real_qemu() else { return };
    assert_eq!(scripts().len(), 10);
    let mut wrong = Vec::new();
    for script in scripts() {
        let place = place_of(&script);
        let arguments = arguments_of(&script, &place);
        let config = std::fs::read_to_string(place.path().join("config.cfg")).unwrap();
        make_images(&arguments, &config, &place);
        let before =
            hardware(&qemu, &without_the_host(&arguments), &place).expect("the script itself starts");

        let name = script.file_name().unwrap().to_str().unwrap();
        let imported = place.domx(&["import", name]);
        assert_eq!(imported.status, 0, "{name}: {imported:?}");
        let xml = place.file("imported.xml", &imported.stdout);
        let printed = place.domx(&["argv", xml.to_str().unwrap(), "--format", "json"]);
        assert_eq!(printed.status, 0, "{name}: {}\n{}", printed.stderr, imported.stdout);
        let words: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
        let words: Vec<String> =
            words["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        match hardware(&qemu, &without_the_host(&words[1..]), &place) {
            Ok(after) if before == after => {}
            Ok(after) => wrong.push(format!("{name}:\nbefore {before:#?}\nafter {after:#?}\n{words:?}")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_unknown_is_told_with_its_place() {
    let place = Place::new();
    let said =
        place.domx_reading(&["import"], "#!/bin/sh\nqemu-system-x86_64 -m 64 \\\n  -hda $DISK -trace x\n");
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.stderr.contains("<stdin>:3:8"), "{}", said.stderr);
    assert!(said.stderr.contains("`$DISK`"), "{}", said.stderr);
    assert!(said.stdout.contains("<qemu:arg value='-trace'/>"), "{}", said.stdout);
}

#[test]
fn the_command_line_may_be_given_itself() {
    let place = Place::new();
    let said = place.domx(&["import", "--", "qemu-system-aarch64", "-M", "virt", "-m", "1G", "-nodefaults"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.stdout.contains("<type arch='aarch64' machine='virt'>hvm</type>"), "{}", said.stdout);
}

#[test]
fn what_is_no_command_line_is_refused() {
    let place = Place::new();
    for text in ["", "ls -l", "qemu-system-x86_64 -m lots", "qemu-system-x86_64 -m"] {
        let said = place.domx_reading(&["import", "-"], text);
        assert_eq!(said.status, 2, "{text}: {said:?}");
        assert!(said.stdout.is_empty() && said.stderr.contains("error"), "{text}: {said:?}");
    }
}
