//! Guests from start to end, with a supervisor in this process.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use runner::console::{ConsoleLog, Terminal};
use runner::control::{ControlClient, Request};
use runner::supervise::{Action, Guest, Means, Notice, Outcome, Plan, Setup, Surroundings, supervise};
use runner::{Command, HostRunner, RunError, Runner};
use serde_json::{Value, json};

use crate::support::{FakeQemu, is_running};

/// Starts the stand-in with a QMP channel and a serial port.
fn start(fake: &FakeQemu) -> Guest {
    Guest::start(&HostRunner, Command::new(&fake.program)).unwrap()
}

fn quick() -> Plan {
    let short = Duration::from_millis(300);
    Plan { greeting_limit: short, powerdown_limit: short, quit_limit: short, ..Plan::default() }
}

/// The end of a guest in words, after a look at what is left.
fn finish(fake: &FakeQemu, result: Result<Outcome, RunError>) -> String {
    assert!(!is_running(&fake.program), "QEMU is still there");
    match result {
        Ok(outcome) => format!("{:?}, {}|{}", outcome.end, outcome.status, outcome.stderr_tail),
        Err(error) => error.to_string().replace(fake.program.to_str().unwrap(), "QEMU"),
    }
}

/// Runs a script and compares what the console showed, and how it ended.
fn check(script: Value, plan: Plan, expected: &str) {
    let fake = FakeQemu::new(script);
    let (mut shown, output) = std::io::pipe().unwrap();
    let terminal = Terminal::new(None, Some(output.into())).unwrap();
    let around = Surroundings { terminal: Some(terminal), ..Surroundings::default() };
    let result = supervise(start(&fake), plan, around);
    // What the kernel calls it depends on how much was still unread when the other end went.
    let end =
        finish(&fake, result).replace("Connection reset by peer (os error 104)", "Broken pipe (os error 32)");
    let mut text = String::new();
    shown.read_to_string(&mut text).unwrap();
    assert_eq!(format!("{text}|{end}"), expected);
}

fn shutdown(reason: &str) -> Value {
    json!({"event": ["SHUTDOWN", {"guest": true, "reason": reason}]})
}

/// A guest that resumes and then does this.
fn running(then: &[Value]) -> Value {
    let mut steps = vec![json!({"event": ["RESUME", null]})];
    steps.extend_from_slice(then);
    json!({"steps": ["greet", "serve"], "on": {"cont": steps}})
}

#[test]
fn guests_end_in_every_way() {
    let hello = json!({"serial": "hello\n"});
    check(
        running(&[hello.clone(), shutdown("guest-shutdown"), json!({"exit": 0})]),
        quick(),
        "hello\n|PoweredOff, exit status 0|",
    );
    // With `-no-shutdown` QEMU waits to be told to quit.
    check(running(&[shutdown("guest-shutdown")]), quick(), "|PoweredOff, exit status 0|");
    check(
        running(&[hello.clone(), json!({"complain": "bug\n"}), json!({"crash": 6})]),
        quick(),
        "hello\n|Failed, signal 6 (SIGABRT)|bug",
    );
    check(running(&[json!({"exit": 33})]), quick(), "|Failed, exit status 33|");
    check(
        running(&[json!({"event": ["GUEST_PANICKED", {"action": "pause"}]})]),
        quick(),
        "|Panicked(Null), exit status 0|",
    );
    let ends_at_reboot = Plan { on_reboot: Action::Destroy, ..quick() };
    check(
        running(&[json!({"event": ["RESET", {"guest": true, "reason": "guest-reset"}]})]),
        ends_at_reboot,
        "|Rebooted, exit status 0|",
    );
    let timeout = Plan { timeout: Some(Duration::from_millis(200)), ..quick() };
    check(running(std::slice::from_ref(&hello)), timeout.clone(), "hello\n|TimedOut, exit status 0|");
    check(running(&[hello, json!("hang")]), timeout, "hello\n|TimedOut, signal 9 (SIGKILL)|");
    // A closed channel alone ends it too, after a moment.
    check(running(&[json!("close_qmp"), json!("hang")]), quick(), "|Failed, signal 9 (SIGKILL)|");
    check(running(&[json!({"qmp": "nonsense\n"})]), quick(), "|Failed, exit status 0|");
    // It dies in the middle of a word, or never ends one.
    let half = json!({"qmp": "{\"event\": \"SHUT"});
    check(
        running(&[half, json!({"complain": "oops\n"}), json!({"exit": 2})]),
        quick(),
        "|Failed, exit status 2|oops",
    );
    check(
        running(&[json!({"flood": ["qmp", 70_000_000]})]),
        quick(),
        "|Failed, exit status 99|fake-qemu: Broken pipe (os error 32)",
    );
    // A long answer is none to wait for, even if nobody asked for it.
    let long = format!("{}\n", json!({"return": {"text": "x".repeat(5_000_000)}, "id": 77}));
    let off = [json!({"qmp": long}), shutdown("guest-shutdown"), json!({"exit": 0})];
    check(running(&off), quick(), "|PoweredOff, exit status 0|");
}

#[test]
fn failing_starts_are_explained() {
    check(
        json!({"steps": [{"complain": "bad option\n"}, {"exit": 1}]}),
        quick(),
        "|`QEMU` ended with exit status 1; it said:\n  bad option",
    );
    check(json!({"steps": ["hang"]}), quick(), "|`QEMU` on its QMP channel: no greeting within 0.3 s");
    check(
        json!({"steps": [{"qmp": "(qemu) \n"}, "hang"]}),
        quick(),
        "|`QEMU` on its QMP channel: `(qemu)` is not a QMP message",
    );
    check(json!({"steps": ["greet", {"exit": 0}]}), quick(), "|`QEMU` ended with exit status 0");
    check(
        json!({"steps": ["greet", {"qmp": "{\"return\": {"}, {"complain": "oops\n"}, {"exit": 2}]}),
        quick(),
        "|`QEMU` ended with exit status 2; it said:\n  oops",
    );
    let refused = json!({"error": {"class": "GenericError", "desc": "not today"}});
    for (command, expected) in [
        ("qmp_capabilities", "on its QMP channel: `qmp_capabilities` was refused: not today"),
        ("set-action", "cannot be set up: QEMU refuses `set-action`: not today"),
    ] {
        let setup = vec![Setup::Execute("set-action".into(), json!({"panic": "pause"}))];
        let plan = Plan { setup, ..quick() };
        check(
            json!({"steps": ["greet", "serve"], "replies": {command: refused.clone()}}),
            plan,
            &format!("|`QEMU` {expected}"),
        );
    }
    check(
        json!({"steps": ["greet", "serve"], "replies": {"cont": {"error": {"class": "G", "desc": "locked"}}}, "on": {"cont": []}}),
        quick(),
        "|Failed, exit status 0|",
    );
}

#[test]
fn what_has_to_be_so_is_said_before_the_guest_runs() {
    let setup = vec![Setup::Execute("set_link".into(), json!({"name": "net0", "up": false}))];
    let plan = Plan { setup, ..quick() };
    let said = |word: &str| json!([{"serial": word}]);
    let ends =
        json!([{"event": ["RESUME", null]}, {"serial": "runs"}, shutdown("guest-shutdown"), {"exit": 0}]);
    let on = json!({"set_link": said("unplugged, "), "cont": ends});
    check(
        json!({"steps": ["greet", "serve"], "on": on}),
        plan.clone(),
        "unplugged, runs|PoweredOff, exit status 0|",
    );
    let refusal = json!({"error": {"class": "DeviceNotFound", "desc": "no net0"}});
    check(
        json!({"steps": ["greet", "serve"], "on": on, "replies": {"set_link": refusal}}),
        plan,
        "unplugged, |`QEMU` cannot be set up: QEMU refuses `set_link`: no net0",
    );
}

#[test]
fn nothing_of_a_long_output_is_lost() {
    let fake = FakeQemu::new(running(&[
        json!({"serial": "x".repeat(3_000_000)}),
        json!({"serial": "end"}),
        shutdown("guest-shutdown"),
        json!({"exit": 0}),
    ]));
    let (mut shown, output) = std::io::pipe().unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        shown.read_to_end(&mut text).map(|_| text)
    });
    let path = fake.path("console.log");
    let around = Surroundings {
        terminal: Some(Terminal::new(None, Some(output.into())).unwrap()),
        log: Some(ConsoleLog::create(&path, 2_000_000).unwrap()),
        ..Surroundings::default()
    };
    let result = supervise(start(&fake), quick(), around);
    assert_eq!(finish(&fake, result), "PoweredOff, exit status 0|");
    let text = reader.join().unwrap().unwrap();
    assert!(text.len() == 3_000_003 && text.ends_with(b"end"));
    let size = |name| fs::metadata(fake.path(name)).unwrap().len();
    assert_eq!(size("console.log") + size("console.log.old"), 3_000_003);
    assert!(size("console.log.old") >= 2_000_000);
}

#[test]
fn an_output_nobody_reads_holds_nobody_up_at_the_end() {
    let fake = FakeQemu::new(running(&[json!({"serial": "x".repeat(100_000)}), json!({"exit": 0})]));
    let (shown, output) = std::io::pipe().unwrap();
    let terminal = Terminal::new(None, Some(output.into())).unwrap();
    let around = Surroundings { terminal: Some(terminal), ..Surroundings::default() };
    let start_time = Instant::now();
    let result = supervise(start(&fake), quick(), around);
    assert_eq!(finish(&fake, result), "Failed, exit status 0|");
    assert!(start_time.elapsed() < Duration::from_secs(6));
    drop(shown);
}

#[test]
fn an_output_that_is_closed_is_no_end() {
    let then = [json!({"serial": "x".repeat(100_000)}), shutdown("guest-shutdown"), json!({"exit": 0})];
    let fake = FakeQemu::new(running(&then));
    let (shown, output) = std::io::pipe().unwrap();
    drop(shown);
    let terminal = Terminal::new(None, Some(output.into())).unwrap();
    let around = Surroundings { terminal: Some(terminal), ..Surroundings::default() };
    let result = supervise(start(&fake), quick(), around);
    assert_eq!(finish(&fake, result), "PoweredOff, exit status 0|");
}

#[test]
fn a_stopped_terminal_holds_nobody_up() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let fake = FakeQemu::new(running(&[json!({"serial": "x".repeat(3_000_000)})]));
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let open = || fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let output = open();
    let terminal = Terminal::new(None, Some(output.try_clone().unwrap().into())).unwrap();
    let (control, mut client) = control(&fake);
    let supervisor = {
        let guest = start(&fake);
        let around =
            Surroundings { terminal: Some(terminal), control: Some(control), ..Surroundings::default() };
        thread::spawn(move || supervise(guest, quick(), around))
    };
    // Nobody reads what the terminal shows, until it takes nothing more.
    let limit = Duration::from_secs(5);
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(20));
        client.ask(&Request::Status, limit).unwrap();
    }
    // A message is not waited for either, and nobody else finds the terminal changed.
    let start_time = Instant::now();
    let told = runner::console::tell(&output, &[b'y'; 100_000], Duration::from_millis(50));
    assert_eq!(told.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(start_time.elapsed() < Duration::from_secs(3));
    assert!(!rustix::fs::fcntl_getfl(&output).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    client.ask(&Request::Stop { means: Means::Quit, limit_ms: Some(100) }, limit).unwrap();
    client.next(Duration::from_secs(8)).unwrap();
    assert_eq!(finish(&fake, supervisor.join().unwrap()), "Stopped(Kill), signal 9 (SIGKILL)|");
    drop(user);
}

#[test]
fn what_is_typed_reaches_the_guest_and_a_closed_pipe_is_no_end() {
    let fake = FakeQemu::new(running(&[]));
    let (input, mut keys) = std::io::pipe().unwrap();
    let (mut shown, output) = std::io::pipe().unwrap();
    let terminal = Terminal::new(Some(input.into()), Some(output.into())).unwrap();
    let (control, mut client) = control(&fake);
    let supervisor = {
        let guest = start(&fake);
        let around =
            Surroundings { terminal: Some(terminal), control: Some(control), ..Surroundings::default() };
        thread::spawn(move || supervise(guest, quick(), around))
    };
    // An escape key in a pipe is a byte like any other.
    std::io::Write::write_all(&mut keys, b"echo \x1d me").unwrap();
    drop(keys);
    let mut echo = [0; 9];
    shown.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"echo \x1d me");
    let limit = Duration::from_secs(5);
    crate::support::eventually("it runs", || {
        client.ask(&Request::Status, limit).unwrap()["state"] == "running"
    });
    let stop = Request::Stop { means: Means::PowerDown, limit_ms: None };
    client.ask(&stop, Duration::from_secs(5)).unwrap();
    let end = client.next(Duration::from_secs(5)).unwrap();
    assert_eq!(end, json!({"end": "stopped", "means": "powerdown", "status": "exit status 0"}));
    assert_eq!(finish(&fake, supervisor.join().unwrap()), "Stopped(PowerDown), exit status 0|");
}

#[test]
fn a_full_disk_ends_the_log_and_not_the_guest() {
    let fake =
        FakeQemu::new(running(&[json!({"serial": "hello"}), shutdown("guest-shutdown"), json!({"exit": 0})]));
    let mut told = Vec::new();
    let watch = |notice: &Notice| {
        if let Notice::LogFailed(why) = notice {
            told.push(why.clone());
        }
    };
    let around = Surroundings {
        log: Some(ConsoleLog::create("/dev/full", 1000).unwrap()),
        watch: Some(Box::new(watch)),
        ..Surroundings::default()
    };
    let result = supervise(start(&fake), quick(), around);
    assert_eq!(finish(&fake, result), "PoweredOff, exit status 0|");
    assert_eq!(told, ["No space left on device (os error 28)"]);
}

/// A control socket in the directory of the stand-in, and someone connected to it.
fn control(fake: &FakeQemu) -> (std::os::unix::net::UnixListener, ControlClient) {
    let path = fake.path("control");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    (listener, ControlClient::new(UnixStream::connect(path).unwrap()))
}

#[test]
fn others_can_ask_over_the_control_socket() {
    let mut script = running(&[json!({"serial": "boot\n"})]);
    script["replies"] =
        json!({"query-name": {"return": {"name": "x"}}, "bad": {"error": {"class": "C", "desc": "no"}}});
    let fake = FakeQemu::new(script);
    let (control, mut first) = control(&fake);
    let mut second = ControlClient::new(UnixStream::connect(fake.path("control")).unwrap());
    let guest = start(&fake);
    let pid = guest.process.pid();
    let around = Surroundings { control: Some(control), ..Surroundings::default() };
    let supervisor = thread::spawn(move || supervise(guest, quick(), around));
    let limit = Duration::from_secs(5);
    let mut ask = |request: &Request| match first.ask(request, limit) {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    };
    let command = |name: &str| Request::Qmp { command: name.into(), arguments: None };
    let expected = json!({"state": "running", "pid": pid}).to_string();
    crate::support::eventually("it runs", || ask(&Request::Status) == expected);
    assert_eq!(ask(&command("query-name")), r#"{"name":"x"}"#);
    assert_eq!(ask(&command("bad")), "no");

    second.ask(&Request::Console, limit).unwrap();
    assert_eq!(ask(&Request::Console), "someone else is at the console");
    let (early, mut console) = second.into_console().unwrap();
    assert_eq!(early, b"");
    std::io::Write::write_all(&mut console, b"typed").unwrap();
    let mut echo = [0; 5];
    console.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"typed");
    drop(console);

    let mut third = UnixStream::connect(fake.path("control")).unwrap();
    std::io::Write::write_all(&mut third, b"rubbish\n").unwrap();
    let mut answer = [0; 9];
    third.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"{\"error\":");

    assert_eq!(ask(&Request::Stop { means: Means::Kill, limit_ms: None }), "{}");
    assert_eq!(finish(&fake, supervisor.join().unwrap()), "Stopped(Kill), signal 9 (SIGKILL)|");
}

#[test]
fn companions_are_watched_and_end_with_the_guest() {
    let fake =
        FakeQemu::new(running(&[json!({"sleep": 200}), shutdown("guest-shutdown"), json!({"exit": 0})]));
    let lasting = FakeQemu::new(json!({"steps": ["hang"]}));
    let brief = FakeQemu::new(json!({"steps": [{"sleep": 50}, {"exit": 7}]}));
    let mut guest = start(&fake);
    for (name, program) in [("lasting", &lasting), ("brief", &brief)] {
        guest.companions.push((name.into(), HostRunner.start(&Command::new(&program.program)).unwrap()));
    }
    let mut ended = Vec::new();
    let watch = |notice: &Notice| {
        if let Notice::CompanionEnded(name, status, _) = notice {
            ended.push(format!("{name} {status}"));
        }
    };
    let around = Surroundings { watch: Some(Box::new(watch)), ..Surroundings::default() };
    let result = supervise(guest, quick(), around);
    assert_eq!(finish(&fake, result), "PoweredOff, exit status 0|");
    assert_eq!(ended, ["brief exit status 7"]);
    assert!(!is_running(&lasting.program));
}
