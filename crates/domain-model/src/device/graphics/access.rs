//! Who may see the screen: `<listen>` and passwords.

use crate::words;
use crate::xml::{Element, Layout, Meta, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `connected`: what happens to clients when the password changes; since libvirt 0.9.3.
    pub enum Connected: UnknownWord {
        /// The change is refused while there are clients.
        Fail = "fail",
        /// They are thrown out.
        Disconnect = "disconnect",
        /// They stay.
        Keep = "keep",
    }
}

/// What clients have to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Password {
    /// The user's name; for RDP.
    pub username: Option<String>,
    /// The password, in clear text.
    pub passwd: Option<String>,
    /// Until when it is valid, in UTC.
    pub passwd_valid_to: Option<DateTime>,
    /// What happens to clients when it changes.
    pub connected: Option<Connected>,
}

impl Password {
    /// Names the attributes; `allowed` are the words of `connected` that this kind of server knows.
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X, allowed: &[Connected]) {
        xml.attribute("username", &mut self.username);
        // What libvirt of 2011 shows it shows to everybody.
        self.passwd.take_if(|_| xml.layout() == Layout::Libvirt2011);
        xml.attribute("passwd", &mut self.passwd);
        xml.blamed_as(Code::Malformed, |xml| xml.attribute("passwdValidTo", &mut self.passwd_valid_to));
        xml.attribute("connected", &mut self.connected);
        if let Some(connected) = self.connected.filter(|connected| X::READS && !allowed.contains(connected)) {
            let message = format!("`connected='{connected}'` is not for this kind of `<graphics>`");
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@connected"), message));
        }
    }
}

/// A date and time of day, such as `2026-01-31T23:59:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// Year, from 1 to 9999.
    pub year: u16,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
    /// Hour, from 0 to 23.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second.
    pub second: u8,
}

impl DateTime {
    /// Seconds since 1970, if the time is in UTC.
    pub fn seconds(&self) -> i64 {
        // Years that start in March have the leap day at their end.
        let [year, month, day] = [i64::from(self.year), i64::from(self.month), i64::from(self.day)];
        let year = if month > 2 { year } else { year - 1 };
        let days_before_month = (153 * ((month + 9) % 12) + 2) / 5;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + day - 1 - 719_468;
        let [hour, minute, second] = [self.hour, self.minute, self.second].map(i64::from);
        86_400 * days + 3600 * hour + 60 * minute + second
    }
}

impl DateTime {
    fn read(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let mut date = date.splitn(3, '-');
        let mut time = time.splitn(3, ':');
        let year = date.next()?.parse().ok()?;
        let small = |part: Option<&str>| part?.parse().ok();
        let month = small(date.next())?;
        let day = small(date.next())?;
        let hour = small(time.next())?;
        let minute = small(time.next())?;
        let second = small(time.next())?;
        Some(DateTime { year, month, day, hour, minute, second })
    }

    fn is_valid(self) -> bool {
        let is_leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        (1..=9999).contains(&self.year)
            && (1..=days).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }
}

impl Text for DateTime {
    fn parse(text: &str) -> Result<Self, TextError> {
        DateTime::read(text).filter(|time| time.is_valid()).ok_or_else(|| {
            let error = TextError::expected("a date and time, such as `2026-01-31T23:59:59`");
            error.code(Code::Malformed)
        })
    }

    fn print(&self, out: &mut String) {
        let DateTime { year, month, day, hour, minute, second } = self;
        out.push_str(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"));
    }
}

/// `<listen>`: where a server listens; since libvirt 0.9.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listen {
    /// The kind of place.
    pub kind: ListenKind,
    /// Where it was written.
    pub meta: Meta,
}

/// `type` of `<listen>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenKind {
    /// An address of the host.
    Address {
        /// The address or name; the host's default if nothing is said.
        address: Option<String>,
    },
    /// The host's address in a network.
    Network {
        /// The network's name.
        network: Option<String>,
        /// The address, in a running domain.
        address: Option<String>,
    },
    /// A Unix socket; since libvirt 2.0.
    Socket {
        /// Its path; chosen if nothing is said.
        socket: Option<String>,
    },
    /// Nowhere: clients get a descriptor. Since libvirt 2.0.
    None,
}

impl Default for ListenKind {
    fn default() -> Self {
        ListenKind::Address { address: None }
    }
}

impl Tagged for ListenKind {
    const TAGS: &'static [&'static str] = &["address", "network", "socket", "none"];

    fn tag(&self) -> &'static str {
        match self {
            ListenKind::Address { .. } => "address",
            ListenKind::Network { .. } => "network",
            ListenKind::Socket { .. } => "socket",
            ListenKind::None => "none",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "address" => ListenKind::Address { address: None },
            "network" => ListenKind::Network { network: None, address: None },
            "socket" => ListenKind::Socket { socket: None },
            "none" => ListenKind::None,
            _ => return None,
        })
    }
}

impl Element for Listen {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", &mut self.kind);
        let mut stray_network = None;
        let mut stray_socket = None;
        let (network, socket) = match &mut self.kind {
            ListenKind::Address { address } => {
                xml.attribute("address", address);
                (&mut stray_network, &mut stray_socket)
            }
            ListenKind::Network { network, address } => {
                xml.attribute("address", address);
                (network, &mut stray_socket)
            }
            ListenKind::Socket { socket } => (&mut stray_network, socket),
            ListenKind::None => (&mut stray_network, &mut stray_socket),
        };
        xml.attribute("network", network);
        xml.attribute("socket", socket);
        for (stray, path, owner) in
            [(stray_network, "@network", "network"), (stray_socket, "@socket", "socket")]
        {
            if stray.is_some_and(|stray: String| !stray.is_empty()) {
                let message = format!("`{owner}` is only for `<listen type='{owner}'/>`");
                xml.report(Diagnostic::error(Code::Conflict, xml.at(path), message));
            }
        }
    }
}

/// The old attributes of `<graphics>` have to say what the first `<listen>` says.
pub(super) fn check_listens<X: Xml>(
    xml: &mut X,
    listens: &[Listen],
    old_address: Option<&str>,
    old_socket: Option<&str>,
) {
    let Some(first) = listens.first().filter(|_| X::READS) else { return };
    let (old, new, path) = match &first.kind {
        ListenKind::Address { address } => (old_address, address.as_deref(), "@listen"),
        ListenKind::Socket { socket } => (old_socket, socket.as_deref(), "@socket"),
        ListenKind::Network { .. } | ListenKind::None => return,
    };
    if let (Some(old), Some(new)) = (old, new)
        && old != new
    {
        let message = format!("`{old}` here contradicts `{new}` of the first `<listen>`");
        xml.report(Diagnostic::error(Code::Unsupported, xml.at(path), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(
                DateTime::parse(input).ok().map(|time| time.to_text()).as_deref(),
                expected,
                "{input}"
            );
        }
        check("2026-01-31T23:59:59", Some("2026-01-31T23:59:59"));
        check("2024-2-29T1:2:3", Some("2024-02-29T01:02:03"));
        for (text, seconds) in [
            ("1970-01-01T00:00:00", 0),
            ("2009-02-13T23:31:30", 1_234_567_890),
            ("2000-02-29T00:00:00", 951_782_400),
            ("2024-12-31T23:59:59", 1_735_689_599),
            ("1969-12-31T23:59:59", -1),
        ] {
            assert_eq!(DateTime::parse(text).ok().map(|time| time.seconds()), Some(seconds), "{text}");
        }
        check("2023-02-29T00:00:00", None);
        check("2026-13-01T00:00:00", None);
        check("2026-01-01T24:00:00", None);
        check("2026-01-01", None);
        check("2026-01-01T00:00:00Z", None);
        check("", None);
    }
}
