//! `<clock>`: `-rtc`, and what timers do when they are late.

use caps_parser::Capability;
use domain_model::clock::{
    Adjustment, Clock, ClockBasis, ClockOffset, TickPolicy, Timer, TimerName, TimerTrack,
};
use domain_model::xml::Meta;
use domain_model::xml::text::YesNo;
use domain_model::{DomainType, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

/// Fills in the clock that a guest has if nothing is said of it.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let clock = cx.domain.clock.get_or_insert_with(|| Clock {
        meta: Meta::from_origin(Origin::always(
            "the guest's clock runs in UTC unless `<clock>` says otherwise",
        )),
        ..Clock::default()
    });
    for timer in &mut clock.timers {
        let is_open = |value: Option<u64>| value.is_none_or(|value| value == 0);
        timer
            .catchup
            .take_if(|catchup| [catchup.threshold, catchup.slew, catchup.limit].into_iter().all(is_open));
    }
    match &mut clock.offset {
        // A difference in seconds makes the clock one that keeps its difference.
        ClockOffset::Utc { adjustment: Some(Adjustment::Seconds(seconds)) } => {
            let (adjustment, basis) = (Some(*seconds), Some(ClockBasis::Utc));
            clock.offset = ClockOffset::Variable { adjustment, basis };
        }
        ClockOffset::Localtime { adjustment: Some(Adjustment::Seconds(seconds)) } => {
            let (adjustment, basis) = (Some(*seconds), Some(ClockBasis::Localtime));
            clock.offset = ClockOffset::Variable { adjustment, basis };
        }
        ClockOffset::Variable { adjustment, basis } => {
            adjustment.get_or_insert(0);
            basis.get_or_insert(ClockBasis::Utc);
        }
        ClockOffset::Utc { .. }
        | ClockOffset::Localtime { .. }
        | ClockOffset::Timezone { .. }
        | ClockOffset::Absolute { .. } => {}
    }
}

/// The last second of the year 9999, the last that the format of `-rtc` has room for.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reports timers that the guest cannot have.
pub(crate) fn check(out: &mut Problems<'_>) {
    let Some(clock) = &out.cx.domain.clock else { return };
    clock.timers.iter().for_each(|timer| check_timer(timer, out));
    if let ClockOffset::Absolute { start } = clock.offset
        && start > LAST_SECOND
    {
        let message = format!("the clock starts at {LAST_SECOND}, the end of the year 9999, at the latest");
        out.unsupported(clock.meta.at("@start"), message);
    }
}

fn check_timer(timer: &Timer, out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let (name, is_there) = (timer.name, timer.present == Some(YesNo::Yes));
    let is_arm = domain.kind == DomainType::Kvm && Board::of(domain) == Board::ArmVirt;
    let fits = match name {
        TimerName::Platform => false,
        TimerName::Tsc | TimerName::Kvmclock | TimerName::Hypervclock | TimerName::Hpet => {
            crate::os::is_x86(domain) || !is_there
        }
        TimerName::Armvtimer => is_arm,
        TimerName::Rtc | TimerName::Pit => true,
    };
    if !fits {
        let message = format!(
            "the timer `{name}` is not one of {} in a domain of type `{}`",
            out.machine(),
            domain.kind
        );
        out.unsupported(timer.meta.at("@name"), message);
        return;
    }
    if name == TimerName::Rtc && timer.track == Some(TimerTrack::Boot) {
        out.unsupported(timer.meta.at("@track"), "QEMU's `rtc` does not count from the guest's start");
    }
    let has_kvm_pit = out.cx.has(Capability::KvmPitLostTickPolicy);
    let does = match (name, timer.tickpolicy) {
        (_, None | Some(TickPolicy::Delay)) => true,
        (TimerName::Rtc, Some(policy)) => policy == TickPolicy::Catchup,
        (TimerName::Pit, Some(TickPolicy::Catchup)) => has_kvm_pit,
        (TimerName::Pit | TimerName::Armvtimer, Some(policy)) => policy == TickPolicy::Discard,
        _ => true,
    };
    if let Some(policy) = timer.tickpolicy.filter(|_| !does) {
        let message = format!("the timer `{name}` cannot `{policy}` the ticks that it missed");
        out.unsupported(timer.meta.at("@tickpolicy"), message);
    }
    if name == TimerName::Armvtimer {
        if timer.present == Some(YesNo::No) {
            out.unsupported(timer.meta.at("@present"), "the timer `armvtimer` is always there");
        }
        out.requires(Capability::CpuKvmNoAdjvtime, "<timer name='armvtimer'>", timer.meta.at("@name"));
    }
}

/// `-rtc`, and what other timers need, in the order in which they are written.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let clock = cx.domain.clock.as_ref();
    let default = Origin::always("the guest's clock runs in UTC unless `<clock>` says otherwise");
    let origin = clock.map_or(default, |clock| clock.meta.at("@offset"));
    let base = match clock.map(|clock| &clock.offset) {
        Some(ClockOffset::Localtime { .. } | ClockOffset::Timezone { .. }) => "localtime".to_owned(),
        Some(ClockOffset::Absolute { start }) => date(i64::try_from(*start).unwrap_or(i64::MAX)),
        Some(ClockOffset::Variable { adjustment, .. }) => match cx.inputs.host.now() {
            Some(now) => date(now.saturating_add(adjustment.unwrap_or_default())),
            None => "utc".to_owned(),
        },
        Some(ClockOffset::Utc { .. }) | None => "utc".to_owned(),
    };
    let mut props = Props::plain(origin).set("base", base);
    for timer in clock.into_iter().flat_map(|clock| &clock.timers) {
        if timer.name != TimerName::Rtc {
            continue;
        }
        let clock = match timer.track {
            Some(TimerTrack::Boot) => None,
            Some(TimerTrack::Guest) => Some("vm"),
            Some(TimerTrack::Wall) => Some("host"),
            Some(TimerTrack::Realtime) => Some("rt"),
            None => None,
        };
        let drift = match timer.tickpolicy {
            Some(TickPolicy::Catchup) => Some("slew"),
            _ => None,
        };
        props = props.set_at("clock", clock, timer.meta.at("@track")).set_at(
            "driftfix",
            drift,
            timer.meta.at("@tickpolicy"),
        );
    }
    out.props("-rtc", props);
    if let Some(Clock { offset: ClockOffset::Timezone { timezone }, .. }) = clock {
        out.env("TZ", timezone.as_str(), origin);
    }
    for timer in clock.into_iter().flat_map(|clock| &clock.timers) {
        match timer.name {
            TimerName::Pit => pit(timer, cx, out),
            TimerName::Hpet => hpet(timer, cx, out),
            _ => {}
        }
    }
}

fn hpet(timer: &Timer, cx: &Context<'_>, out: &mut Args) {
    let is_off = timer.present == Some(YesNo::No) && crate::os::is_x86(cx.domain);
    // Newer QEMUs have a property of the machine for it.
    if is_off && !cx.has(Capability::MachineHpet) {
        out.flag("-no-hpet", timer.meta.at("@present"));
    }
}

fn pit(timer: &Timer, cx: &Context<'_>, out: &mut Args) {
    let policy = match timer.tickpolicy {
        Some(TickPolicy::Delay) | None => "delay",
        Some(TickPolicy::Discard) => "discard",
        _ => return,
    };
    if cx.has(Capability::KvmPitLostTickPolicy) {
        let text = format!("kvm-pit.lost_tick_policy={policy}");
        out.text("-global", text, timer.meta.at("@tickpolicy"));
    }
}

/// A moment as `-rtc` takes it, from seconds since 1970.
pub(crate) fn date(seconds: i64) -> String {
    // The year 9999 is the last that the format has room for.
    let seconds = seconds.clamp(-62_135_596_800, 253_402_300_799);
    let days = seconds.div_euclid(86_400);
    let second = seconds.rem_euclid(86_400);
    // Days are counted in eras of 400 years that start on 1 March, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (1_234_567_890, "2009-02-13T23:31:30"),
            (951_782_400, "2000-02-29T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }
}
