//! What `domx caps` says of binaries, good and bad, and what it remembers.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::Place;

/// A program from shell lines; it notes every start in a file beside it.
fn program(place: &Place, name: &str, lines: &str) -> String {
    let path = place.file(name, &format!("#!/bin/sh\necho >>\"$0.starts\"\n{lines}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn starts(program: &str) -> usize {
    std::fs::read_to_string(format!("{program}.starts")).unwrap_or_default().len()
}

/// A QEMU that only has help texts, of this version.
fn helpful(version: &str) -> String {
    format!(
        "case \"$*\" in\n*-qmp*) echo 'no such machine' >&2; exit 1;;\n\
         -help) echo 'QEMU emulator version {version}, Copyright'; echo Options:; echo '-device driver';;\nesac"
    )
}

const GREETING: &str = r#"echo '{"QMP": {"version": {}, "capabilities": []}}'; read line;"#;

/// The files of the cache.
fn cached(place: &Place) -> Vec<PathBuf> {
    let folder = place.path().join("cache/domx/capabilities");
    std::fs::read_dir(folder).map(|all| all.map(|it| it.unwrap().path()).collect()).unwrap_or_default()
}

#[test]
fn a_binary_that_cannot_be_asked_is_named_with_its_command_and_last_words() {
    let place = Place::new();
    let check = |program: &str, expected: &[&str]| {
        let said = place.domx(&["caps", "--qemu", program]);
        assert_eq!((said.status, said.stdout.as_str()), (1, ""), "{program}: {said:?}");
        for expected in expected {
            let expected = expected.replace("QEMU", program);
            assert!(said.stderr.contains(&expected), "{expected}: {}", said.stderr);
        }
        assert!(cached(&place).is_empty(), "{program}");
    };
    check("/missing/qemu", &["`QEMU` does not exist"]);
    let plain = place.file("plain", "#!/bin/sh\n");
    check(plain.to_str().unwrap(), &["`QEMU` cannot be executed: permission denied"]);
    check(place.path().to_str().unwrap(), &["`QEMU` cannot be executed: it is a directory"]);
    let text = place.file("text", "no program");
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
    check(text.to_str().unwrap(), &["`QEMU` cannot be executed: it is not a program"]);
    let program = |name: &str, lines: &str| program(&place, name, lines);
    check(
        &program("other", "echo garbage"),
        &["`QEMU -help` ended with exit status 0", "no line", "it said:\n  garbage"],
    );
    check(
        &program("unlinked", "echo 'libfoo.so: cannot open' >&2; exit 127"),
        &["`QEMU -help` ended with exit status 127", "it said:\n  libfoo.so: cannot open"],
    );
    check(
        &program("dying", &format!("{GREETING} echo 'half way' >&2; kill -SEGV $$")),
        &["`QEMU -S ", " -machine none,", "signal 11 (SIGSEGV)", "it said:\n  half way"],
    );
    check(
        &program("broken", &format!("{GREETING} echo odd >&2; echo '{{\"return\": {{]'; sleep 100")),
        &["`QEMU -S ", " -machine none,", "`{\"return\": {]` is not a QMP message", "it said:\n  odd"],
    );
    check(
        &program("loud", &format!("{GREETING} echo loud >&2; tr '\\0' x </dev/zero | head -c 200000000")),
        &["`QEMU -S ", " -machine none,", "wrote more than 33554432 bytes", "it said:\n  loud"],
    );
}

#[test]
fn what_help_texts_say_is_second_best_for_a_qemu_that_should_speak_qmp() {
    for (version, warns, second_time) in [("0.12.1", false, 0), ("8.0.0", true, 1)] {
        let place = Place::new();
        let qemu = program(&place, "qemu", &helpful(version));
        let first = place.domx(&["caps", "--qemu", &qemu]);
        assert_eq!(first.status, 0, "{first:?}");
        assert!(first.stdout.contains(version), "{first:?}");
        for expected in [&format!("`{qemu} -S "), "no such machine"] {
            assert_eq!(first.stderr.contains(expected), warns, "{version}: {}", first.stderr);
        }
        // It is remembered only if it is all that this QEMU could have said.
        let before = starts(&qemu);
        let again = place.domx(&["caps", "--qemu", &qemu]);
        assert_eq!(again.stdout, first.stdout);
        assert_eq!((starts(&qemu) - before).min(1), second_time, "{version}");
    }
}

#[test]
fn the_cache_is_kept_as_long_as_it_is_whole_and_the_binary_the_same() {
    let place = Place::new();
    let qemu = program(&place, "qemu", &helpful("0.12.1"));
    let ask = || {
        let before = starts(&qemu);
        let said = place.domx(&["caps", "--qemu", &qemu, "--format", "flags"]);
        assert_eq!(said.status, 0, "{said:?}");
        assert!(said.stdout.lines().any(|line| line == "device"), "{said:?}");
        (starts(&qemu) > before, said.stderr)
    };
    assert_eq!(ask(), (true, String::new()));
    assert_eq!(ask(), (false, String::new()));
    let [file] = cached(&place).try_into().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let mut elsewhere = whole.clone();
    elsewhere[0] = b'x';
    let damaged: [&[u8]; 7] = [
        b"",
        &whole[..1],
        &whole[..first_line],
        &whole[..=first_line],
        &whole[..whole.len() - 1],
        &[&whole[..first_line + 10], b"\xff\xfe"].concat(),
        &elsewhere,
    ];
    for damage in damaged {
        std::fs::write(&file, damage).unwrap();
        let (asked, warning) = ask();
        assert!(asked && warning.contains("is made again") && warning.contains("warning"), "{warning}");
        assert_eq!(std::fs::read(&file).unwrap(), whole);
        assert_eq!(ask(), (false, String::new()));
    }
    // A binary that changed in any way is asked again, without a word.
    let edit = |change: &dyn Fn(&Path)| {
        change(Path::new(&qemu));
        assert_eq!(ask(), (true, String::new()));
        assert_eq!(ask(), (false, String::new()));
    };
    let time = |seconds: u64| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    edit(&|path| std::fs::File::open(path).unwrap().set_modified(time(1_000_000)).unwrap());
    edit(&|path| {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, text + "\n# longer").unwrap();
        std::fs::File::open(path).unwrap().set_modified(time(1_000_000)).unwrap();
    });
    edit(&|path| {
        std::fs::copy(path, path.with_extension("new")).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
        std::fs::File::open(path).unwrap().set_modified(time(1_000_000)).unwrap();
    });
    assert_eq!(cached(&place).len(), 1);
}

#[test]
fn fifty_processes_at_once_share_one_cache() {
    let place = Place::new();
    let qemu = program(&place, "qemu", &helpful("0.12.1"));
    let children: Vec<_> = (0..50)
        .map(|_| {
            let mut command = place.command();
            command.args(["caps", "--qemu", &qemu, "--format", "flags"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut said: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .map(|output| (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap()))
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].0, said[0].2.as_str()), (Some(0), ""));
    assert_eq!(cached(&place).len(), 1, "{:?}", cached(&place));
    let before = starts(&qemu);
    let again = place.domx(&["caps", "--qemu", &qemu, "--format", "flags"]);
    assert_eq!((again.stdout.into_bytes(), starts(&qemu)), (said.remove(0).1, before));
}

#[test]
fn without_a_place_for_caches_everything_works() {
    let place = Place::new();
    let qemu = program(&place, "qemu", &helpful("0.12.1"));
    place.file("cache", "in the way of the folder");
    for _ in 0..2 {
        let said = place.domx(&["caps", "--qemu", &qemu, "--format", "flags"]);
        assert_eq!((said.status, said.stderr.as_str()), (0, ""), "{said:?}");
    }
}
