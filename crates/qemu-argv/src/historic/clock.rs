//! The guest's clock and timers: `-rtc` or `-localtime`, and their kin.

use caps_parser::Capability;
use domain_model::clock::{Clock, ClockOffset, TickPolicy, Timer, TimerName, TimerTrack};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::clock::date;
use crate::context::Context;
use crate::dialect::ClockOption;
use crate::gate;
use crate::props::Props;

/// The clock, then each timer in the domain's order.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let clock = cx.domain.clock.clone().unwrap_or_default();
    match cx.dialect.clock {
        ClockOption::Rtc => rtc(&clock, cx, out),
        ClockOption::Localtime => match clock.offset {
            ClockOffset::Utc { .. } => {}
            ClockOffset::Localtime { .. } | ClockOffset::Timezone { .. } => {
                out.flag("-localtime", clock.meta.at("@offset"));
            }
            ClockOffset::Variable { .. } | ClockOffset::Absolute { .. } => {
                let what = "<clock> with a time of its own";
                out.problem(gate::missing(Capability::Rtc, what, clock.meta.at("@offset"), cx.inputs.caps));
            }
        },
    }
    if let ClockOffset::Timezone { timezone } = &clock.offset {
        out.env("TZ", timezone.as_str(), clock.meta.at("@timezone"));
    }
    for timer in &clock.timers {
        match timer.name {
            TimerName::Rtc => rtc_ticks(timer, cx, out),
            TimerName::Pit => pit(timer, cx, out),
            TimerName::Hpet => hpet(timer, cx, out),
            name => {
                let message = format!("these QEMUs have no setting for the timer `{name}`");
                out.problem(Diagnostic::error(Code::Unsupported, timer.meta.at("@name"), message));
            }
        }
    }
}

/// `-rtc base=…`
fn rtc(clock: &Clock, cx: &Context<'_>, out: &mut Args) {
    let base = match &clock.offset {
        ClockOffset::Utc { .. } => "utc".to_owned(),
        ClockOffset::Localtime { .. } | ClockOffset::Timezone { .. } => "localtime".to_owned(),
        ClockOffset::Absolute { start } => date(i64::try_from(*start).unwrap_or(i64::MAX)),
        ClockOffset::Variable { adjustment, .. } => match cx.inputs.host.now() {
            Some(now) => date(now.saturating_add(adjustment.unwrap_or_default())),
            None => "utc".to_owned(),
        },
    };
    let origin = match &clock.meta.origin {
        Origin::Built => Origin::always("the guest's clock runs in UTC unless `<clock>` says otherwise"),
        _ => clock.meta.at("@offset"),
    };
    let mut props = Props::plain(origin).set("base", base);
    // There is one such clock, and the first timer that speaks of it counts.
    if let Some(timer) = clock.timers.iter().find(|timer| timer.name == TimerName::Rtc) {
        let source = match timer.track {
            Some(TimerTrack::Guest) => Some("vm"),
            Some(TimerTrack::Wall) => Some("host"),
            Some(track @ (TimerTrack::Boot | TimerTrack::Realtime)) => {
                refuse(timer, "track", track.as_str(), out);
                None
            }
            None => None,
        };
        let drift = match timer.tickpolicy {
            Some(TickPolicy::Catchup) => Some("slew"),
            Some(policy @ (TickPolicy::Merge | TickPolicy::Discard)) => {
                refuse(timer, "tickpolicy", policy.as_str(), out);
                None
            }
            Some(TickPolicy::Delay) | None => None,
        };
        props = props.set_at("clock", source, timer.meta.at("@track")).set_at(
            "driftfix",
            drift,
            timer.meta.at("@tickpolicy"),
        );
    }
    out.props("-rtc", props);
}

fn refuse(timer: &Timer, attribute: &'static str, word: &str, out: &mut Args) {
    let message = format!("these QEMUs have no {attribute} `{word}` for the timer `{}`", timer.name);
    out.problem(Diagnostic::error(Code::Unsupported, timer.meta.origin, message));
}

/// `-rtc-td-hack`: what `driftfix=slew` was before there was `-rtc`.
fn rtc_ticks(timer: &Timer, cx: &Context<'_>, out: &mut Args) {
    let origin = timer.meta.at("@tickpolicy");
    match timer.tickpolicy {
        None | Some(TickPolicy::Delay) => {}
        Some(TickPolicy::Catchup) if cx.has(Capability::RtcTdHack) => out.flag("-rtc-td-hack", origin),
        Some(_) if cx.dialect.clock == ClockOption::Rtc => {}
        Some(policy) => refuse(timer, "tickpolicy", policy.as_str(), out),
    }
}

/// The interval timer of the kernel catches up unless told otherwise; QEMU's own is late unless told otherwise.
fn pit(timer: &Timer, cx: &Context<'_>, out: &mut Args) {
    let origin = timer.meta.at("@tickpolicy");
    let in_kernel = cx.has(Capability::NoKvmPit);
    match timer.tickpolicy {
        None | Some(TickPolicy::Delay) if in_kernel => out.flag("-no-kvm-pit-reinjection", origin),
        None | Some(TickPolicy::Delay) => {}
        Some(TickPolicy::Catchup) if in_kernel => {}
        Some(TickPolicy::Catchup) if cx.has(Capability::Tdf) => out.flag("-tdf", origin),
        Some(policy) => refuse(timer, "tickpolicy", policy.as_str(), out),
    }
}

/// A QEMU that cannot be told to leave the HPET out has none.
fn hpet(timer: &Timer, cx: &Context<'_>, out: &mut Args) {
    match (timer.present, cx.has(Capability::NoHpet)) {
        (Some(YesNo::No), true) => out.flag("-no-hpet", timer.meta.at("@present")),
        (Some(YesNo::Yes), false) => {
            let message = "these QEMUs have no timer `hpet`";
            out.problem(Diagnostic::error(Code::Unsupported, timer.meta.at("@present"), message));
        }
        _ => {}
    }
}
