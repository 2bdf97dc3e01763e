//! `<sysinfo>`: what the firmware tells the guest of its machine.

use crate::values::Uuid;
use crate::words;
use crate::xml::{Element, Meta, Tagged, Text, Xml};
use crate::{Code, Diagnostic};

/// `<sysinfo>`: what the firmware tells the guest; since libvirt 0.8.1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sysinfo {
    /// The way in which it is told, and what.
    pub kind: SysinfoKind,
    /// Where it was written.
    pub meta: Meta,
}

/// `type` of `<sysinfo>`.
#[derive(Debug, Clone, PartialEq)]
pub enum SysinfoKind {
    /// The tables that describe the machine.
    Smbios(Smbios),
    /// Files of QEMU's own that the firmware reads; since libvirt 6.5.
    Fwcfg(Vec<FwcfgEntry>),
}

impl Default for SysinfoKind {
    fn default() -> Self {
        SysinfoKind::Smbios(Smbios::default())
    }
}

impl Tagged for SysinfoKind {
    const TAGS: &'static [&'static str] = &["smbios", "fwcfg"];

    fn tag(&self) -> &'static str {
        match self {
            SysinfoKind::Smbios(_) => "smbios",
            SysinfoKind::Fwcfg(_) => "fwcfg",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "smbios" => SysinfoKind::Smbios(Smbios::default()),
            "fwcfg" => SysinfoKind::Fwcfg(Vec::new()),
            _ => return None,
        })
    }
}

impl Element for Sysinfo {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", &mut self.kind);
        match &mut self.kind {
            SysinfoKind::Smbios(smbios) => smbios.describe(xml),
            SysinfoKind::Fwcfg(entries) => xml.children("entry", entries),
        }
    }
}

/// The tables that describe the machine (SMBIOS). Entries are in libvirt's order. Since libvirt 0.8.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smbios {
    /// `<bios>`: the BIOS (table 0).
    pub bios: Vec<Entry<BiosField>>,
    /// `<system>`: the machine (table 1).
    pub system: Vec<Entry<SystemField>>,
    /// `<baseBoard>`: boards (tables 2); since libvirt 1.2.18.
    pub base_boards: Vec<BaseBoard>,
    /// `<chassis>`: the case (table 3); since libvirt 4.1.
    pub chassis: Vec<Entry<ChassisField>>,
    /// `<oemStrings>`: texts of the vendor's own (table 11); since libvirt 4.1.
    pub oem_strings: Vec<String>,
}

impl Smbios {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        entries(xml, "bios", &mut self.bios);
        entries(xml, "system", &mut self.system);
        xml.children("baseBoard", &mut self.base_boards);
        entries(xml, "chassis", &mut self.chassis);
        xml.nested("oemStrings", |xml| xml.values("entry", &mut self.oem_strings));
        if !X::READS {
            return;
        }
        if let Some(date) = self.bios.iter().find(|entry| entry.name == BiosField::Date)
            && !is_date(&date.value)
        {
            let message = "the date of the BIOS is month/day/year, such as `11/22/2025`";
            xml.report(Diagnostic::error(Code::BadValue, date.meta.at(""), message));
        }
        self.base_boards.retain(|board| !board.entries.is_empty());
        if let Some(uuid) = self.system.iter_mut().find(|entry| entry.name == SystemField::Uuid) {
            match Uuid::parse(&uuid.value) {
                Ok(parsed) => uuid.value = parsed.to_string(),
                Err(error) => {
                    let message = format!("bad value `{}` for `uuid`: {error}", uuid.value);
                    xml.report(Diagnostic::error(Code::BadValue, uuid.meta.at(""), message));
                }
            }
        }
    }
}

/// Describes entries that are read in any order and written in that of the fields.
fn entries<X: Xml, N: Field>(xml: &mut X, name: &'static str, entries: &mut Vec<Entry<N>>) {
    entries.sort_by_key(|entry| entry.name);
    xml.nested(name, |xml| children(xml, entries));
}

/// The entries of one table; those without a text say nothing.
fn children<X: Xml, N: Field>(xml: &mut X, entries: &mut Vec<Entry<N>>) {
    xml.children("entry", entries);
    if X::READS {
        entries.retain(|entry| !entry.value.is_empty());
        entries.sort_by_key(|entry| entry.name);
    }
}

/// Whether a text is a date as SMBIOS has it; years have two digits, or are from 1900 on.
fn is_date(text: &str) -> bool {
    let parts: Option<Vec<u32>> = text.split('/').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([month, day, year]) => {
            (1..=12).contains(month) && (1..=31).contains(day) && !(100..1900).contains(year)
        }
        _ => false,
    }
}

/// What an [`Entry`] can be named.
pub trait Field: Text + Copy + Default + Ord {}

words! {
    /// What is said of the BIOS.
    #[derive(Default)]
    pub enum BiosField {
        /// Who made it.
        #[default]
        Vendor = "vendor",
        /// Its version.
        Version = "version",
        /// Its date: month/day/year.
        Date = "date",
        /// Its release: two numbers, such as `2.1`.
        Release = "release",
    }

    /// What is said of the machine.
    #[derive(Default)]
    pub enum SystemField {
        /// Who made it.
        #[default]
        Manufacturer = "manufacturer",
        /// What it is called.
        Product = "product",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// Its UUID, the same as the domain's.
        Uuid = "uuid",
        /// Its number in the maker's list.
        Sku = "sku",
        /// The family of machines that it belongs to.
        Family = "family",
    }

    /// What is said of a board.
    #[derive(Default)]
    pub enum BaseBoardField {
        /// Who made it.
        #[default]
        Manufacturer = "manufacturer",
        /// What it is called.
        Product = "product",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// Its number in the owner's list.
        Asset = "asset",
        /// Where in the case it is.
        Location = "location",
    }

    /// What is said of the case.
    #[derive(Default)]
    pub enum ChassisField {
        /// Who made it.
        #[default]
        Manufacturer = "manufacturer",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// Its number in the owner's list.
        Asset = "asset",
        /// Its number in the maker's list.
        Sku = "sku",
    }
}

impl Field for BiosField {}
impl Field for SystemField {}
impl Field for BaseBoardField {}
impl Field for ChassisField {}

/// `<entry>`: one thing that is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry<N> {
    /// What is said.
    pub name: N,
    /// The text.
    pub value: String,
    /// Where it was written.
    pub meta: Meta,
}

impl<N: Field> Element for Entry<N> {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        let mut name = (!X::READS).then_some(self.name);
        xml.lenient("name", &mut name);
        let mut value = Some(std::mem::take(&mut self.value));
        xml.text(&mut value);
        // libvirt looks for the entries that it knows; any other says nothing.
        self.value = value.filter(|_| name.is_some()).unwrap_or_default();
        self.name = name.unwrap_or_default();
    }
}

/// `<baseBoard>`: a board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BaseBoard {
    /// What is said of it.
    pub entries: Vec<Entry<BaseBoardField>>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for BaseBoard {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.entries.sort_by_key(|entry| entry.name);
        children(xml, &mut self.entries);
    }
}

/// `<entry>` of `fwcfg`: a file of QEMU's own that the firmware reads; since libvirt 6.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FwcfgEntry {
    /// The name of the file, such as `opt/com.example/name`.
    pub name: String,
    /// The file on the host that holds its content.
    pub file: Option<String>,
    /// The content, if there is no file on the host.
    pub value: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for FwcfgEntry {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("file", &mut self.file);
        crate::values::unless_empty(xml, &mut self.value);
        if X::READS && self.file.is_some() == self.value.is_some() {
            let message = "an entry has either a `file` or a text";
            xml.report(Diagnostic::error(Code::Conflict, xml.at(""), message));
        }
    }
}
