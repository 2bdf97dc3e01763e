//! The version number of a QEMU.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A QEMU release: `query-version`, or the first line of `-help`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `10` in `10.0.2`.
    pub major: u32,
    /// `0` in `10.0.2`; 50 and above mark development versions.
    pub minor: u32,
    /// `2` in `10.0.2`; 0 where the text has only two parts.
    pub micro: u32,
}

impl Version {
    /// A version from its parts.
    pub const fn new(major: u32, minor: u32, micro: u32) -> Self {
        Self { major, minor, micro }
    }

    /// libvirt's single number: `major * 1000000 + minor * 1000 + micro`.
    pub const fn cooked(self) -> u64 {
        self.major as u64 * 1_000_000 + self.minor as u64 * 1_000 + self.micro as u64
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Two or three numbers with dots between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a version number");
        let mut parts = text.split('.').map(|part| part.parse::<u32>().map_err(|_| wrong()));
        let major = parts.next().ok_or_else(wrong)??;
        let minor = parts.next().ok_or_else(wrong)??;
        let micro = parts.next().transpose()?.unwrap_or_default();
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { major, minor, micro })
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::names::Text::deserialize(deserializer)?;
        text.0.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_two_and_three_parts() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(text.parse::<Version>().ok().map(Version::cooked), expected, "{text}");
        };
        check("0.9.1", Some(9001));
        check("1.0", Some(1_000_000));
        check("10.0.2", Some(10_000_002));
        check("10", None);
        check("1.2.3.4", None);
        check("1.x", None);
        check("99999999999.0", None);
        check("4294967295.4294967295.4294967295", Some(4_299_266_557_262_295));
    }
}
