//! What is wrong is said once, with its place, and gives the documented exit status.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Place, domain};

const CAPS: &[&str] = &["--caps", "builtin:qemu-10.0-x86_64"];

#[test]
fn wrong_xml_gives_status_3_and_a_place() {
    let place = Place::new();
    let deep = format!("<domain>{}", "<a>".repeat(400));
    for (xml, expected) in [
        ("", "there is no element"),
        ("not xml at all", "<stdin>:1:1"),
        ("<domain><name>a</nam></domain>", "<stdin>:1:"),
        ("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>", "DOCTYPE"),
        ("<domain type='kvm' type='qemu'/>", "given twice"),
        ("<domain/><domain/>", "second root"),
        (deep.as_str(), "nested more than"),
        ("<network><name>a</name></network>", "the root element is `<network>`"),
        ("<domain type='vmware'><name>a</name></domain>", "bad value `vmware`"),
        ("<domain type='qemu' xmlns='urn:x'/>", "in a namespace"),
        ("<domain type='qemu'><name>a</name><memory>lots</memory></domain>", "bad value `lots`"),
    ] {
        let said = place.domx_reading(&[&["argv", "-"], CAPS].concat(), xml);
        assert_eq!(said.status, 3, "{xml}: {said:?}");
        assert!(said.stderr.contains(expected), "{xml}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{xml}");
    }
}

/// Files that are made to do harm: `domx check` says what is wrong within seconds, and in 1.5 GB of memory.
#[test]
fn hostile_files_are_refused_in_bounds() {
    let place = Place::new();
    let attributes: String = (0..1_000_000).map(|index| format!(" a{index}=''")).collect();
    let entities: String =
        (1..40).map(|level| format!("<!ENTITY a{level} '&a{0};&a{0};'>", level - 1)).collect();
    let known =
        format!("<domain type='kvm'><devices>{}</devices></domain>", "<hub type='usb'/>".repeat(100_000));
    for (name, content, expected) in [
        ("bomb", format!("<!DOCTYPE d [<!ENTITY a0 'ha'>{entities}]><d>&a39;</d>"), "DOCTYPE"),
        ("outside", "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>".to_owned(), "DOCTYPE"),
        ("large", format!("<domain><!--{}--></domain>", "x".repeat(100 << 20)), "MiB are not read"),
        ("attributes", format!("<domain{attributes}/>"), "attributes"),
        ("deep", "<a>".repeat(10_000) + &"</a>".repeat(10_000), "nested more than"),
        ("nul", "<domain>\0</domain>".to_owned(), "U+0000"),
        ("twice", "<domain type='kvm' type='kvm'/>".to_owned(), "given twice"),
        ("roots", "<domain type='kvm'/><domain type='kvm'/>".to_owned(), "second root"),
        (
            "unknown",
            format!("<domain type='kvm'>{}</domain>", "<a/>".repeat(1_000_000)),
            "further problems are not listed",
        ),
        ("devices", known, "`<name>`"),
    ] {
        let path = place.file(name, &content);
        let start = std::time::Instant::now();
        let output = place
            .command_of("sh")
            .args(["-c", "ulimit -v 1500000; exec \"$0\" check \"$1\" --caps builtin:qemu-10.0-x86_64"])
            .args([env!("CARGO_BIN_EXE_domx").as_ref(), path.as_os_str()])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
        assert!(start.elapsed().as_secs() < 60, "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn missing_parts_are_named() {
    let place = Place::new();
    let os = "<os><type arch='x86_64'>hvm</type></os>";
    for (xml, expected) in [
        (format!("<domain type='qemu'><memory>65536</memory>{os}</domain>"), "`<name>`"),
        (format!("<domain type='qemu'><name>a</name>{os}</domain>"), "`<memory>`"),
    ] {
        let said = place.domx_reading(&[&["argv", "-"], CAPS].concat(), &xml);
        assert_eq!(said.status, 3, "{said:?}");
        assert!(said.stderr.contains(expected), "{}", said.stderr);
    }
}

#[test]
fn unknown_names_are_warnings_with_a_suggestion() {
    let place = Place::new();
    let xml = domain(
        "    <interface type='user'><modle type='virtio'/><mac adress='52:54:00:00:00:01'/></interface>",
    );
    let said = place.domx_reading(&[&["argv", "-"], CAPS].concat(), &xml);
    assert_eq!(said.status, 0, "{said:?}");
    for expected in ["`<modle>`", "did you mean `<model>`?", "`adress`", "did you mean `address`?"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
}

#[test]
fn unreadable_files_give_status_2() {
    let place = Place::new();
    place.file("latin1.xml", "");
    std::fs::write(place.path().join("latin1.xml"), b"<domain><name>caf\xe9</name></domain>").unwrap();
    for (args, status, expected) in [
        (["argv", "."], 2, "it is a directory"),
        (["argv", "missing.xml"], 2, "cannot read `missing.xml`"),
        (["argv", "latin1.xml"], 3, "not valid UTF-8"),
        (["frobnicate", "x"], 2, "unrecognized subcommand"),
    ] {
        let said = place.domx(&args);
        assert_eq!(said.status, status, "{args:?}: {said:?}");
        assert!(said.stderr.contains(expected), "{args:?}: {}", said.stderr);
    }
}

#[test]
fn sources_that_are_none_are_named() {
    let place = Place::new();
    let xml = place.file("guest.xml", &domain(""));
    let xml = xml.to_str().unwrap();
    place.file("garbage.json", "{");
    place.file("newer.json", "{\"domx-capabilities\":999}");
    for (source, expected) in [
        ("builtin:qemu-0.1", "there is no `builtin:qemu-0.1`"),
        ("flags:virtio-tx-alf", "virtio-tx-al"),
        ("garbage.json", "cannot read capabilities from `garbage.json`"),
        ("newer.json", "999"),
        ("help:garbage.json", "garbage.json"),
        ("missing", "cannot read `missing`"),
    ] {
        let said = place.domx(&["argv", xml, "--caps", source]);
        assert_eq!(said.status, 2, "{source}: {said:?}");
        assert!(said.stderr.contains(expected), "{source}: {}", said.stderr);
    }
}

#[test]
fn a_qemu_that_is_none_fails_with_its_last_words() {
    let place = Place::new();
    let xml = place.file("guest.xml", &domain(""));
    let xml = xml.to_str().unwrap();
    let script = |name: &str, text: &str| {
        let path = place.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let garbage = script("garbage", "#!/bin/sh\necho garbage\n");
    let failing = script("failing", "#!/bin/sh\necho 'no such machine' >&2\nexit 3\n");
    let plain = place.file("plain", "#!/bin/sh\n").to_str().unwrap().to_owned();
    for (program, expected) in [
        (&garbage, "garbage"),
        (&failing, "failing"),
        (&plain, "plain"),
        (&"/missing/qemu".to_owned(), "/missing/qemu"),
    ] {
        let said = place.domx(&["run", xml, "--qemu", program]);
        assert_eq!(said.status, 1, "{program}: {said:?}");
        assert!(said.stderr.contains(expected), "{program}: {}", said.stderr);
        assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
    }
}
