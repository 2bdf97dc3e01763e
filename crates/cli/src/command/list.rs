//! `domx list`: the guests that run.

use std::time::{SystemTime, UNIX_EPOCH};

use runner::runtime::Found;
use serde_json::{Value, json};

use crate::args::{List, TextFormat};
use crate::guests;
use crate::report::{Status, Stop};

/// Prints them by name.
pub fn run(args: &List) -> Result<Status, Stop> {
    let found = guests::directory()?.list().map_err(|error| guests::refused(&error))?;
    match args.format {
        TextFormat::Text => crate::print(&table(&found)),
        TextFormat::Json => {
            let guests: Vec<Value> = found.iter().map(guest).collect();
            crate::print(&format!("{:#}\n", json!({ "version": 1, "guests": guests })))
        }
    }
}

/// The state of a guest in one word; nobody answers while QEMU is being started.
fn state(found: &Found) -> &str {
    found.report.as_ref().map_or("starting", |report| report.state.as_str())
}

fn guest(found: &Found) -> Value {
    let record = &found.record;
    json!({
        "name": record.name,
        "state": state(found),
        "qemu": record.qemu.as_ref().map(|qemu| qemu.pid),
        "supervisor": record.supervisor,
        "since": record.since,
        "domain": record.detail.get("domain"),
        "log": record.detail.get("log"),
    })
}

fn table(found: &[Found]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut rows = vec![["NAME", "STATE", "UP", "QEMU", "DOMAIN"].map(str::to_owned)];
    rows.extend(found.iter().map(|found| {
        let record = &found.record;
        let domain = record.detail.get("domain").and_then(Value::as_str).unwrap_or_default();
        [
            printable(&record.name),
            state(found).to_owned(),
            up(now.saturating_sub(record.since)),
            record.qemu.as_ref().map_or_else(|| "-".to_owned(), |qemu| qemu.pid.to_string()),
            printable(domain),
        ]
    }));
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A name may hold anything; a terminal is to show it and not to obey it.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// A time in its two largest units.
fn up(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units() {
        for (seconds, expected) in
            [(0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90_000, "1d01h")]
        {
            assert_eq!(up(seconds), expected);
        }
    }

    #[test]
    fn names_cannot_speak_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jü"), "a\u{fffd}[2Jü");
    }
}
