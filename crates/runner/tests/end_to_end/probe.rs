//! Probing programs that are, or are not, QEMU.

use std::time::Duration;

use runner::probe::{Conversation, Next, ProbeLimits, ask_help, bare_guest, converse};
use runner::{HostRunner, Limits};
use serde_json::{Value, json};

use crate::support::{FakeQemu, eventually, is_running};

/// Asks rounds of commands, each round after every answer to the one before.
#[derive(Default)]
pub struct Rounds {
    pub rounds: Vec<Vec<&'static str>>,
    pub open: usize,
    pub sent: usize,
    pub heard: Vec<String>,
}

impl Rounds {
    /// The commands of the next round, with numbers as ids.
    fn next(&mut self) -> String {
        let round = self.rounds.remove(0);
        self.open = round.len();
        let mut text = String::new();
        for name in round {
            text.push_str(&format!("{}\n", json!({"execute": name, "id": self.sent})));
            self.sent += 1;
        }
        text
    }
}

impl Conversation for Rounds {
    fn start(&mut self) -> String {
        self.rounds.insert(0, vec!["qmp_capabilities"]);
        self.next()
    }

    fn hear(&mut self, line: &str) -> Next {
        let message: Value = serde_json::from_str(line).unwrap();
        let what = ["QMP", "event", "return", "error"].into_iter().find(|what| !message[what].is_null());
        let what = what.unwrap();
        if what == "QMP" {
            self.heard.push(format!("greeting {}", message["QMP"]["version"].is_object()));
        }
        if !matches!(what, "return" | "error") {
            return Next::Wait;
        }
        self.open -= 1;
        let said = if what == "error" { &message["error"]["desc"] } else { &message["return"] };
        self.heard.push(format!("{} {said}", message["id"]));
        match (self.open, self.rounds.is_empty()) {
            (0, true) => Next::Over,
            (0, false) => Next::Say(self.next()),
            _ => Next::Wait,
        }
    }
}

fn probe(fake: &FakeQemu, limits: ProbeLimits) -> (Vec<String>, String) {
    let mut rounds =
        Rounds { rounds: vec![vec!["query-version", "query-none"], vec!["query-kvm"]], ..Rounds::default() };
    let result = converse(&HostRunner, &fake.program, bare_guest(&["kvm", "tcg"]), limits, &mut rounds);
    let text = result.err().map(|error| error.to_string()).unwrap_or_default();
    // Its children are killed with it, but the kernel takes its time to take them away.
    eventually("nothing is left of a probe", || !is_running(&fake.program));
    (rounds.heard, text.replace(fake.program.to_str().unwrap(), "QEMU"))
}

#[test]
fn a_conversation_goes_on_until_nothing_is_left_to_ask() {
    let fake = FakeQemu::new(json!({
        "steps": ["greet", {"event": ["NOISE", null]}, "serve"],
        "replies": {
            "query-version": {"return": {"qemu": 1}},
            "query-none": {"error": {"class": "CommandNotFound", "desc": "unknown"}},
            "query-kvm": {"return": true},
        },
    }));
    let (heard, error) = probe(&fake, ProbeLimits::default());
    assert_eq!(error, "");
    assert_eq!(heard, ["greeting true", "0 {}", "1 {\"qemu\":1}", "2 \"unknown\"", "3 true"]);
}

fn check(script: Value, expected: &str) {
    let fake = FakeQemu::new(script);
    let limits = ProbeLimits { time: Duration::from_millis(500), replies: 1 << 20 };
    assert_eq!(probe(&fake, limits).1, expected);
}

const LINE: &str = "QEMU -S -no-user-config -nodefaults -nographic -machine none,accel=kvm:tcg -qmp stdio";

#[test]
fn whatever_is_not_qemu_gets_one_clear_message() {
    check(
        json!({"steps": [{"complain": "qemu: -machine none: bad\n"}, {"exit": 1}]}),
        &format!("`{LINE}` ended with exit status 1; it said:\n  qemu: -machine none: bad"),
    );
    check(json!({"steps": [{"exit": 0}]}), &format!("`{LINE}` ended with exit status 0"));
    check(json!({"steps": ["greet", {"crash": 6}]}), &format!("`{LINE}` ended with signal 6 (SIGABRT)"));
    check(
        json!({"steps": [{"complain": "stuck\n"}, "hang"]}),
        &format!("`{LINE}` did not end within 0.5 s; it said:\n  stuck"),
    );
    check(json!({"steps": ["ignore_term", "greet", "hang"]}), &format!("`{LINE}` did not end within 0.5 s"));
    check(json!({"steps": ["fork", "fork", "greet", "hang"]}), &format!("`{LINE}` did not end within 0.5 s"));
    check(
        json!({"steps": [{"complain": "odd\n"}, {"print": "hello world\n"}, "hang"]}),
        &format!("`{LINE}` on its QMP channel: `hello world` is not a QMP message; it said:\n  odd"),
    );
    check(
        json!({"steps": ["greet", {"qmp": "{\"return\": {], \"id\": 1}\n"}, "hang"]}),
        &format!("`{LINE}` on its QMP channel: `{{\"return\": {{], \"id\": 1}}` is not a QMP message"),
    );
    check(
        json!({"steps": [{"complain": "loud\n"}, "greet", {"flood": ["qmp", 1_100_000]}, "hang"]}),
        &format!("`{LINE}` wrote more than 1048576 bytes; it said:\n  loud"),
    );
    check(
        json!({"steps": ["greet", {"qmp": "{\"retu"}, {"complain": "oops\n"}, {"exit": 2}]}),
        &format!("`{LINE}` ended with exit status 2; it said:\n  oops"),
    );
}

#[test]
fn a_loud_stderr_does_not_block_a_probe() {
    let fake = FakeQemu::new(json!({"steps": [{"flood": ["stderr", 1_000_000]}, "greet", "serve"]}));
    assert_eq!(probe(&fake, ProbeLimits::default()).1, "");
}

#[test]
fn help_is_what_was_printed() {
    let fake = FakeQemu::new(
        json!({"help": [{"args": ["-device", "help"], "stderr": "name \"x\"\n", "status": 1}]}),
    );
    let output = ask_help(&HostRunner, &fake.program, ["-device", "help"], Limits::default()).unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b"name \"x\"\n"[..]));
}
