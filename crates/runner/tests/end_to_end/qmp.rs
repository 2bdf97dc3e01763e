//! The QMP client against a peer that behaves in every way.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use runner::qmp::{QmpClient, QmpError, pair};
use serde_json::{Value, json};

const GREETING: &str = "{\"QMP\": {\"version\": {\"package\": \"\"}, \"capabilities\": []}}\r\n";

/// A peer that greets, accepts the negotiation, and then does as told with a line reader.
fn peer(then: impl FnOnce(&mut dyn BufRead, &mut UnixStream) + Send + 'static) -> UnixStream {
    let (ours, theirs) = pair().unwrap();
    let mut theirs = UnixStream::from(theirs);
    thread::spawn(move || {
        theirs.write_all(GREETING.as_bytes()).unwrap();
        let mut lines = BufReader::new(theirs.try_clone().unwrap());
        let command = read(&mut lines);
        assert_eq!(command["execute"], "qmp_capabilities");
        answer(&mut theirs, &command, json!({}));
        then(&mut lines, &mut theirs);
    });
    ours
}

fn read(lines: &mut dyn BufRead) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_default()
}

fn answer(to: &mut UnixStream, command: &Value, value: Value) {
    writeln!(to, "{}\r", json!({"return": value, "id": command["id"]})).unwrap();
}

fn client(stream: UnixStream) -> QmpClient {
    QmpClient::open(stream, Duration::from_secs(5)).unwrap()
}

#[test]
fn answers_find_their_questions_in_any_order() {
    let mut client = client(peer(|lines, to| {
        let commands: Vec<Value> = (0..3).map(|_| read(lines)).collect();
        writeln!(to, "{}", json!({"event": "STOP", "timestamp": {}})).unwrap();
        for command in commands.iter().rev() {
            answer(to, command, command["execute"].clone());
        }
        writeln!(to, "{}", json!({"event": "RESUME", "data": {"a": 1}})).unwrap();
        read(lines);
    }));
    let ids = ["one", "two", "three"].map(|name| (client.send(name, None), name));
    for (id, name) in ids {
        let reply = client.wait(id, name).unwrap();
        assert_eq!(reply.outcome.unwrap().get(), format!("\"{name}\""));
    }
    let soon = || Instant::now() + Duration::from_millis(500);
    let mut event = || client.event(soon()).unwrap().map(|event| (event.name, event.data));
    assert_eq!(event(), Some(("STOP".into(), Value::Null)));
    assert_eq!(event(), Some(("RESUME".into(), json!({"a": 1}))));
    assert_eq!(event(), None);
}

#[test]
fn a_thousand_commands_and_huge_answers_do_not_block_each_other() {
    let mut client = client(peer(|lines, to| {
        for _ in 0..1000 {
            let command = read(lines);
            answer(to, &command, json!("y".repeat(20_000)));
        }
        read(lines);
    }));
    let argument = json!({"padding": "z".repeat(2_000)});
    let ids: Vec<u64> = (0..1000).map(|_| client.send("query", Some(argument.clone()))).collect();
    for id in ids {
        assert_eq!(client.wait(id, "query").unwrap().outcome.unwrap().get().len(), 20_002);
    }
}

/// Opens a client on a peer that says this and closes, asks one thing, and compares the complaint.
fn check_open(said: &'static str, expected: &str) {
    let (ours, theirs) = pair().unwrap();
    let mut theirs = UnixStream::from(theirs);
    theirs.write_all(said.as_bytes()).unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let result = QmpClient::open(ours, Duration::from_millis(200))
        .and_then(|mut client| client.execute("query-status", None).map(drop));
    assert_eq!(result.unwrap_err().to_string(), expected);
}

#[test]
fn bad_peers_get_clear_complaints() {
    check_open("", "closed by the other end");
    check_open("{\"QMP\": {\"vers", "closed by the other end in the middle of `{\"QMP\": {\"vers`");
    check_open("QEMU 0.9.1 monitor\r\n(qemu) ", "`QEMU 0.9.1 monitor` is not a QMP message");
    check_open("{\"return\": {}}\r\n", "`{\"return\": {}}` is not a QMP message");
    check_open("\0\u{1}\u{1b}[2J\n", "`\u{fffd}\u{fffd}\u{fffd}[2J` is not a QMP message");
    check_open(
        "{\"QMP\": {\"version\": {}}}\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}, \"id\": 1}\n",
        "`qmp_capabilities` was refused: not today",
    );
    check_open(
        "{\"QMP\": {\"version\": {}}}\n{\"return\": {}, \"id\": 1}\n\r\n{\"ret",
        "closed by the other end in the middle of `{\"ret`",
    );
}

#[test]
fn silence_and_endless_chatter_end_at_the_deadline() {
    let (ours, _theirs) = pair().unwrap();
    let start = Instant::now();
    let error = QmpClient::open(ours, Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.to_string(), "no greeting within 0.1 s");
    assert!(start.elapsed() < Duration::from_secs(2));

    let stream = peer(|lines, to| {
        read(lines);
        while writeln!(to, "{}", json!({"event": "RTC_CHANGE"})).is_ok() {}
    });
    let mut client = QmpClient::open(stream, Duration::from_millis(300)).unwrap();
    let error = client.execute("query-status", None).unwrap_err();
    assert_eq!(error.to_string(), "no answer to `query-status` within 0.3 s");
}

#[test]
fn a_message_without_end_is_refused() {
    let mut client = client(peer(|lines, to| {
        read(lines);
        while to.write_all(&[b'x'; 65536]).is_ok() {}
    }));
    client.limit(1 << 20, usize::MAX);
    assert!(matches!(client.execute("query", None), Err(QmpError::TooLong { limit: 0x10_0000 })));
}
