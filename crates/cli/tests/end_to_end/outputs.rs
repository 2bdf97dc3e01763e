//! What the commands print.

use serde_json::Value;

use crate::support::{Place, domain};

const CAPS: &[&str] = &["--caps", "builtin:qemu-10.0-x86_64"];

fn rng() -> String {
    domain("    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n    </rng>")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn argv_in_all_formats() {
    let place = Place::new();
    let argv = |format| {
        let said = place.domx_reading(&[&["argv", "-", "--format", format], CAPS].concat(), &rng());
        assert_eq!(said.status, 0, "{said:?}");
        said.stdout
    };
    let words = json(&argv("json"));
    let words: Vec<&str> =
        words["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(words[0].ends_with("qemu-system-x86_64"), "{words:?}");
    assert!(words.windows(2).any(|pair| pair == ["-m", "size=65536k"]), "{words:?}");
    // What is pasted into a shell is what was meant, quotes and all.
    let script = format!("set -- {}; printf '%s\\0' \"$@\"", argv("shell").replace("\\\n", " ").trim());
    let shell = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
    let from_shell = String::from_utf8(shell.stdout).unwrap();
    let from_shell: Vec<&str> = from_shell.trim_end_matches('\0').split('\0').collect();
    assert_eq!(from_shell, words);
    assert!(argv("lines").contains("\n-m size=65536k \\\n"));
}

#[test]
fn explain_names_the_line_the_rule_and_the_path() {
    let place = Place::new();
    let said = place.domx_reading(&[&["explain", "-", "--arg", "virtio-rng"], CAPS].concat(), &rng());
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.stdout.contains("<stdin>:9:5 /domain/devices/rng"), "{}", said.stdout);
    let said = place.domx_reading(&[&["explain", "-", "--format", "json"], CAPS].concat(), &rng());
    let value = json(&said.stdout);
    assert_eq!(value["version"], 1);
    let arguments = value["arguments"].as_array().unwrap();
    let device =
        arguments.iter().find(|arg| arg["argument"].as_str().unwrap().contains("virtio-rng")).unwrap();
    assert_eq!((&device["line"], &device["column"]), (&Value::from(9), &Value::from(5)));
    for argument in arguments {
        assert!(argument["line"].is_number() || argument["rule"].is_string(), "{argument}");
    }
    let xml = rng()
        .replace("type='qemu'", "type='kvm'")
        .replace("<devices>", "<cpu mode='host-passthrough'/><devices>");
    let said = place.domx_reading(&[&["explain", "-", "--arg", "-cpu"], CAPS].concat(), &xml);
    assert!(said.stdout.contains("/domain/cpu/@migratable, which is not written"), "{}", said.stdout);
    let said =
        place.domx_reading(&[&["explain", "-", "--arg", "-cpu", "--format", "json"], CAPS].concat(), &xml);
    let of_cpu = &json(&said.stdout)["arguments"][0];
    let migratable =
        of_cpu["properties"].as_array().unwrap().iter().find(|it| it["key"] == "migratable").unwrap();
    assert_eq!((&of_cpu["written"], &migratable["written"]), (&Value::from(true), &Value::from(false)));
}

#[test]
fn check_lists_every_problem_and_compares_qemus() {
    let place = Place::new();
    let xml = "<domain type='qemux'>\n  <nme/>\n  <memory>-1</memory>\n</domain>";
    let said = place.domx_reading(&["check", "-", "--format", "json"], xml);
    assert_eq!(said.status, 3, "{said:?}");
    let value = json(&said.stdout);
    let codes: Vec<&str> = value["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect();
    for code in ["bad-value", "unknown-element"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    let several = ["check", "-", "--caps", "builtin:qemu-7.2-x86_64", "--caps", "builtin:qemu-10.0-x86_64"];
    let said = place.domx_reading(&several, &rng());
    assert_eq!(said.status, 0, "{said:?}");
    let together = said.stdout.lines().last().unwrap_or_default();
    assert_eq!(together.split_whitespace().collect::<Vec<_>>(), ["together", "ok", "ok"], "{}", said.stdout);
}

#[test]
fn show_draws_where_devices_end_up() {
    let place = Place::new();
    let said = place.domx_reading(&[&["show", "-", "--format", "tree"], CAPS].concat(), &rng());
    assert_eq!(said.status, 0, "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    let port = lines.iter().position(|line| line.contains("rng virtio")).unwrap() - 1;
    assert_eq!(lines[..2], ["guest", "├── controller pci 0 pcie-root"]);
    assert!(lines[port].contains("pcie-root-port"), "{}", said.stdout);
}

#[test]
fn fmt_is_a_fixed_point_that_check_knows() {
    let place = Place::new();
    let said = place.domx_reading(&["fmt", "-"], &rng().replace("  <", "\t<"));
    assert_eq!(said.status, 0, "{said:?}");
    let again = place.domx_reading(&["fmt", "-", "--check"], &said.stdout);
    assert_eq!(again.status, 0, "{again:?}");
    let crooked = place.domx_reading(&["fmt", "-", "--check"], &said.stdout.replace("  <os>", "<os>"));
    assert_eq!(crooked.status, 3, "{crooked:?}");
}

#[test]
fn caps_of_what_is_built_in() {
    let place = Place::new();
    let builtin = place.domx(&["caps", "--builtin"]);
    assert!(builtin.stdout.contains("builtin:qemu-7.2-x86_64\n"), "{builtin:?}");
    let flags = place.domx(&["caps", "--from", "builtin:qemu-10.0-x86_64", "--format", "flags"]);
    assert!(flags.stdout.lines().any(|flag| flag == "virtio-tx-alg"), "{flags:?}");
    let snapshot = place.domx(&["caps", "--from", "builtin:qemu-10.0-x86_64", "--format", "json"]);
    let copy = place.file("copy.json", &snapshot.stdout);
    let again = place.domx(&["caps", "--from", copy.to_str().unwrap(), "--format", "flags"]);
    assert_eq!(again.stdout, flags.stdout);
}

#[test]
fn values_cannot_become_options() {
    let place = Place::new();
    let nasty = "a,readonly=on&#10;-S&apos;&quot;$(reboot)";
    let xml = domain(&format!(
        "    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/tmp/{nasty}'/>
      <target dev='vda' bus='virtio'/>
      <serial>s x</serial>
    </disk>
    <serial type='file'><source path='/tmp/-out,append=on'/></serial>"
    ))
    .replace("<name>guest</name>", "<name>-S,debug-threads=off</name>");
    let said = place.domx_reading(&[&["argv", "-", "--format", "json"], CAPS].concat(), &xml);
    assert_eq!(said.status, 0, "{said:?}");
    let words = json(&said.stdout);
    let words: Vec<&str> =
        words["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(words.contains(&"guest=-S,,debug-threads=off,debug-threads=on"), "{words:?}");
    assert!(words.iter().any(|word| word.contains("path=/tmp/-out,,append=on")), "{words:?}");
    assert!(!words.contains(&"-S"), "{words:?}");
    let blockdev = words.iter().find(|word| word.contains("\"filename\"")).unwrap();
    assert_eq!(json(blockdev)["filename"], "/tmp/a,readonly=on\n-S'\"$(reboot)");
}

#[test]
fn check_says_what_each_qemu_cannot_do_and_what_goes() {
    let place = Place::new();
    let xml = domain("    <interface type='user'><model type='igb'/></interface>")
        .replace("machine='q35'", "machine='pc-i440fx-2.9'");
    let qemus = ["--caps", "builtin:qemu-7.2-x86_64", "--caps", "builtin:qemu-10.0-x86_64"];
    let said = place.domx_reading(&[&["check", "-"][..], &qemus].concat(), &xml);
    assert_eq!(said.status, 4, "{said:?}");
    let row = |piece: &str| -> Vec<&str> {
        let row = said.stdout.lines().find(|line| line.contains(piece));
        row.unwrap_or_else(|| panic!("no row for {piece}: {}", said.stdout)).split_whitespace().collect()
    };
    assert!(row("machine='pc-i440fx-2.9'").ends_with(&["ok", "deprecated"]), "{}", said.stdout);
    assert!(row("type='igb'").ends_with(&["cannot", "ok"]), "{}", said.stdout);
    assert!(row("together").ends_with(&["cannot", "ok"]), "{}", said.stdout);
    assert!(said.stdout.contains("has no device `igb`"), "{}", said.stdout);
    let said = place.domx_reading(&[&["check", "-", "--format", "json"][..], &qemus].concat(), &xml);
    let value = json(&said.stdout);
    let table = value["table"].as_array().unwrap();
    let igb = table.iter().find(|row| row["text"] == "type='igb'").unwrap();
    assert!(igb["line"].is_number() && igb["column"].is_number(), "{igb}");
    assert_eq!((&igb["qemus"][0]["verdict"], &igb["qemus"][1]["verdict"]), (&"cannot".into(), &"ok".into()));

    // Where a domain is refused before its command line is built, the rest is not known.
    let xml = domain("    <sound model='virtio'/>").replace("machine='q35'", "machine='pc-i440fx-2.9'");
    let said = place.domx_reading(&[&["check", "-"][..], &qemus].concat(), &xml);
    assert!(said.stdout.contains("unknown"), "{}", said.stdout);
    assert!(said.stdout.contains("lacks the capability `virtio-sound`"), "{}", said.stdout);
}

#[test]
fn explain_says_what_a_missing_capability_is() {
    let place = Place::new();
    let xml = domain("    <interface type='user'><model type='virtio'/><driver txmode='timer'/></interface>");
    let args = ["explain", "-", "--without", "virtio-tx-alg", "--arg", "virtio-net-pci"];
    let said = place.domx_reading(&[&args[..], CAPS].concat(), &xml);
    assert_eq!(said.status, 4, "{said:?}");
    for expected in ["driver/@txmode  [lacks virtio-tx-alg]", "has it if one of its devices `virtio-net-pci`"]
    {
        assert!(said.stdout.contains(expected), "{}", said.stdout);
    }
    let said = place.domx_reading(&[&args[..], CAPS, &["--format", "json"]].concat(), &xml);
    let value = json(&said.stdout);
    let properties = value["arguments"][0]["properties"].as_array().unwrap();
    let tx = properties.iter().find(|property| property["key"] == "tx").unwrap();
    assert_eq!((&tx["capability"], &tx["capability-present"]), (&"virtio-tx-alg".into(), &false.into()));
    assert!(tx["capability-rule"].as_str().unwrap().contains("has the property `tx`"), "{tx}");
}
