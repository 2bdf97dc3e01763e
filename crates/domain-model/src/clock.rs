//! `<clock>`: what time it is in the guest, and its timers.

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// `<clock>`: what time the guest starts with, and its timers.
///
/// ```
/// use domain_model::clock::{Clock, ClockOffset, TimerName};
/// use domain_model::{Document, xml};
///
/// let document = Document::parse("", "<clock offset='utc'><timer name='hpet' present='no'/></clock>")?;
/// let (clock, problems) = xml::read::<Clock>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(clock.offset, ClockOffset::Utc { adjustment: None });
/// assert_eq!(clock.timers[0].name, TimerName::Hpet);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clock {
    /// What time the guest starts with.
    pub offset: ClockOffset,
    /// The timers that are not left to QEMU.
    pub timers: Vec<Timer>,
    /// Where it was written.
    pub meta: Meta,
}

/// `offset` of `<clock>`: what time the guest starts with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClockOffset {
    /// UTC.
    Utc {
        /// What is done with the difference that the guest has set.
        adjustment: Option<Adjustment>,
    },
    /// The host's local time.
    Localtime {
        /// What is done with the difference that the guest has set.
        adjustment: Option<Adjustment>,
    },
    /// The local time of a place.
    Timezone {
        /// The place, such as `Europe/Athens`.
        timezone: String,
    },
    /// A difference to another time, which follows what the guest sets.
    Variable {
        /// The difference in seconds.
        adjustment: Option<i64>,
        /// What it is a difference to; UTC if absent. Since libvirt 0.9.11.
        basis: Option<ClockBasis>,
    },
    /// The same time at each start; since libvirt 8.4.
    Absolute {
        /// Seconds since 1970 in UTC.
        start: u64,
    },
}

impl Default for ClockOffset {
    fn default() -> Self {
        ClockOffset::Utc { adjustment: None }
    }
}

impl Tagged for ClockOffset {
    const CODE: Code = Code::UnknownWord;
    const TAGS: &'static [&'static str] = &["utc", "localtime", "timezone", "variable", "absolute"];

    fn tag(&self) -> &'static str {
        match self {
            ClockOffset::Utc { .. } => "utc",
            ClockOffset::Localtime { .. } => "localtime",
            ClockOffset::Timezone { .. } => "timezone",
            ClockOffset::Variable { .. } => "variable",
            ClockOffset::Absolute { .. } => "absolute",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "utc" => ClockOffset::Utc { adjustment: None },
            "localtime" => ClockOffset::Localtime { adjustment: None },
            "timezone" => ClockOffset::Timezone { timezone: String::new() },
            "variable" => ClockOffset::Variable { adjustment: None, basis: None },
            "absolute" => ClockOffset::Absolute { start: 0 },
            _ => return None,
        })
    }
}

/// `adjustment` of a clock that does not vary by itself; since libvirt 0.9.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adjustment {
    /// What the guest sets is forgotten at each start.
    Reset,
    /// The clock becomes a variable one, with this difference in seconds.
    Seconds(i64),
}

impl Text for Adjustment {
    fn parse(text: &str) -> Result<Self, TextError> {
        match text {
            "reset" => Ok(Adjustment::Reset),
            number => match i64::parse(number) {
                Ok(seconds) => Ok(Adjustment::Seconds(seconds)),
                Err(_) => Err(TextError::expected("`reset` or a number of seconds")),
            },
        }
    }

    fn print(&self, out: &mut String) {
        match self {
            Adjustment::Reset => out.push_str("reset"),
            Adjustment::Seconds(seconds) => seconds.print(out),
        }
    }
}

words! {
    /// `basis` of `<clock>`: what a difference is a difference to.
    pub enum ClockBasis: UnknownWord {
        /// UTC.
        Utc = "utc",
        /// The host's local time.
        Localtime = "localtime",
    }

    /// `name` of `<timer>`.
    #[derive(Default)]
    pub enum TimerName {
        /// The default source of time of a Xen guest.
        Platform = "platform",
        /// The programmable interval timer of a PC.
        Pit = "pit",
        /// The real time clock of a PC.
        #[default]
        Rtc = "rtc",
        /// The high precision event timer.
        Hpet = "hpet",
        /// The time stamp counter of the CPU.
        Tsc = "tsc",
        /// The paravirtual clock of KVM.
        Kvmclock = "kvmclock",
        /// The reference time counter of Hyper-V; since libvirt 1.2.2.
        Hypervclock = "hypervclock",
        /// The generic timer of Arm; since libvirt 6.1.
        Armvtimer = "armvtimer",
    }

    /// `tickpolicy` of `<timer>`: what happens to ticks that the guest missed.
    pub enum TickPolicy {
        /// They come late, at the usual rate.
        Delay = "delay",
        /// They come faster until none is missing.
        Catchup = "catchup",
        /// Several become one.
        Merge = "merge",
        /// They are gone.
        Discard = "discard",
    }

    /// `track` of `<timer>`: which time the timer follows.
    pub enum TimerTrack {
        /// The host's time since boot.
        Boot = "boot",
        /// The time during which the guest runs.
        Guest = "guest",
        /// The host's wall clock.
        Wall = "wall",
        /// Real time, even over a change of the host's clock; since libvirt 9.1.
        Realtime = "realtime",
    }

    /// `mode` of the timer `tsc`.
    pub enum TimerMode {
        /// Native where it is safe.
        Auto = "auto",
        /// The host's counter.
        Native = "native",
        /// Always emulated.
        Emulate = "emulate",
        /// Native, with the guest's help.
        Paravirt = "paravirt",
        /// Native, safe on several CPUs.
        Smpsafe = "smpsafe",
    }
}

impl Element for Clock {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("offset", &mut self.offset);
        match &mut self.offset {
            ClockOffset::Utc { adjustment } | ClockOffset::Localtime { adjustment } => {
                xml.lenient("adjustment", adjustment);
            }
            ClockOffset::Timezone { timezone } => {
                let mut written = (!timezone.is_empty()).then(|| timezone.clone());
                xml.attribute("timezone", &mut written);
                *timezone = written.unwrap_or_default();
                if X::READS && timezone.is_empty() {
                    malformed(xml, "@timezone", "a clock in a time zone needs a `timezone`");
                }
            }
            ClockOffset::Variable { adjustment, basis } => {
                xml.lenient("adjustment", adjustment);
                xml.optional("basis", basis);
            }
            ClockOffset::Absolute { start } => {
                let mut written = (!X::READS).then(|| start.to_text());
                xml.attribute("start", &mut written);
                match written.as_deref().map(u64::parse) {
                    Some(Ok(seconds)) => *start = seconds,
                    _ => malformed(xml, "@start", "an absolute clock needs a `start` in seconds"),
                }
            }
        }
        xml.children("timer", &mut self.timers);
    }
}

/// Reports what is missing or no value where libvirt calls both an internal error.
fn malformed<X: Xml>(xml: &mut X, path: &'static str, message: &str) {
    xml.report(Diagnostic::error(Code::Malformed, xml.at(path), message));
}

/// `<timer>`: a timer of the guest; since libvirt 0.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timer {
    /// Which timer.
    pub name: TimerName,
    /// Whether the guest has it.
    pub present: Option<YesNo>,
    /// What happens to ticks that the guest missed.
    pub tickpolicy: Option<TickPolicy>,
    /// Which time it follows; for `rtc` and `platform`.
    pub track: Option<TimerTrack>,
    /// How fast it counts, in Hz; for `tsc`.
    pub frequency: Option<u64>,
    /// Where it counts; for `tsc`.
    pub mode: Option<TimerMode>,
    /// `<catchup>`: how missed ticks are made up for.
    pub catchup: Option<Catchup>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Timer {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("present", &mut self.present);
        xml.attribute("tickpolicy", &mut self.tickpolicy);
        xml.attribute("track", &mut self.track);
        xml.attribute("frequency", &mut self.frequency);
        xml.attribute("mode", &mut self.mode);
        xml.child("catchup", &mut self.catchup);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Timer {
    /// Only some timers can be tuned in each way.
    fn check<X: Xml>(&self, xml: &mut X) {
        let name = self.name;
        let is_tsc = name == TimerName::Tsc;
        let is_virtual = matches!(name, TimerName::Kvmclock | TimerName::Hypervclock);
        let tracks = matches!(name, TimerName::Platform | TimerName::Rtc);
        for (what, path, is_there, fits) in [
            ("tickpolicy", "@tickpolicy", self.tickpolicy.is_some(), !is_virtual),
            ("track", "@track", self.track.is_some(), tracks),
            ("frequency", "@frequency", self.frequency.is_some_and(|frequency| frequency > 0), is_tsc),
            ("mode", "@mode", self.mode.is_some(), is_tsc),
        ] {
            if is_there && !fits {
                let message = format!("the timer `{name}` has no `{what}`");
                xml.report(Diagnostic::error(Code::Unsupported, xml.at(path), message));
            }
        }
        let tunes = self.catchup.as_ref().is_some_and(|catchup| {
            [catchup.threshold, catchup.slew, catchup.limit].into_iter().flatten().any(|value| value > 0)
        });
        if tunes && self.tickpolicy != Some(TickPolicy::Catchup) {
            let message = "only a timer with `tickpolicy='catchup'` catches up";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("catchup"), message));
        }
    }
}

/// `<catchup>`: how missed ticks are made up for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catchup {
    /// How many missed ticks, in nanoseconds, there must be.
    pub threshold: Option<u64>,
    /// How much faster the timer may run.
    pub slew: Option<u64>,
    /// How many missed ticks, in nanoseconds, there may be.
    pub limit: Option<u64>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Catchup {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("threshold", &mut self.threshold);
        xml.attribute("slew", &mut self.slew);
        xml.attribute("limit", &mut self.limit);
    }
}
