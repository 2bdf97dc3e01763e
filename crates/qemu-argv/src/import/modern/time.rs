//! `-rtc` and the timers.

use domain_model::clock::{Clock, ClockOffset, TickPolicy, Timer, TimerName, TimerTrack};
use domain_model::xml::text::YesNo;

use super::{Build, machine};

/// Reads what time it is in the guest.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    let mut clock: Clock = build.domain().clock.take().unwrap_or_default();
    let local = ClockOffset::Localtime { adjustment: None };
    if build.flag(&["localtime"]).is_some() {
        clock.offset = local.clone();
    }
    for (_, option) in build.named(&["rtc"]) {
        option.take();
        let Some(pairs) = &option.pairs else { continue };
        match pairs.take("base") {
            None | Some("utc") => {}
            Some("localtime") => clock.offset = local.clone(),
            Some(date) => match seconds(date) {
                Some(start) => clock.offset = ClockOffset::Absolute { start },
                None => build.cx.refuse(option.origin, format!("`{date}` is no date")),
            },
        }
        let track = match pairs.take("clock") {
            Some("vm") => Some(TimerTrack::Guest),
            Some("rt") => Some(TimerTrack::Realtime),
            Some("host") => Some(TimerTrack::Wall),
            _ => None,
        };
        let tickpolicy = match pairs.take("driftfix") {
            Some("slew") => Some(TickPolicy::Catchup),
            Some("none") => Some(TickPolicy::Delay),
            _ => None,
        };
        if track.is_some() || tickpolicy.is_some() {
            clock.timers.push(Timer { name: TimerName::Rtc, track, tickpolicy, ..Timer::default() });
        }
        let left = machine::left(pairs);
        machine::pass_left(build, "-rtc", &left, option.origin);
    }
    let mut hpet = build.flag(&["no-hpet"]).map(|_| false);
    for (_, option) in build.named(&["machine", "M"]) {
        hpet = option.pairs.as_ref().and_then(|pairs| pairs.switch("hpet")).or(hpet);
    }
    if let Some(on) = hpet {
        let present = Some(YesNo::from(on));
        clock.timers.push(Timer { name: TimerName::Hpet, present, ..Timer::default() });
    }
    for (_, option) in build.named(&["global"]) {
        let tickpolicy = match option.value.as_str() {
            "kvm-pit.lost_tick_policy=delay" => TickPolicy::Delay,
            "kvm-pit.lost_tick_policy=discard" => TickPolicy::Discard,
            _ => continue,
        };
        option.take();
        let tickpolicy = Some(tickpolicy);
        clock.timers.push(Timer { name: TimerName::Pit, tickpolicy, ..Timer::default() });
    }
    build.domain().clock = Some(clock);
}

/// Seconds since 1970 of `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, separator: char| -> Option<[u64; 3]> {
        let numbers: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_valid {
        return None;
    }
    // Years that start in March have their leap day at the end.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        let check = |text, expected| assert_eq!(super::seconds(text), expected, "{text}");
        check("1970-01-01", Some(0));
        check("2006-06-17T16:01:21", Some(1_150_560_081));
        check("2024-02-29", Some(1_709_164_800));
        check("2024-03-01", Some(1_709_251_200));
        check("1969-12-31", None);
        check("2024-13-01", None);
        check("now", None);
    }
}
