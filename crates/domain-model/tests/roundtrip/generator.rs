//! Fills any element at random, after its own description.

use domain_model::xml::{Element, Tagged, Text, Xml};
use domain_model::{Diagnostic, Origin};

/// Texts that are values of one type or another, and awkward strings.
const TEXTS: &[&str] = &[
    "1",
    "0",
    "2",
    "4096",
    "65535",
    "-1",
    "0x1f",
    "0-3,^2,8",
    "52:54:00:12:34:56",
    "00112233-4455-6677-8899-aabbccddeeff",
    "192.0.2.1",
    "2001:db8::1",
    "2026-01-31T23:59:59",
    "1.2",
    "MiB",
    "0x1234",
    "0xffff",
    "/dev/urandom",
    "a",
    "auto",
    "1,2",
    "1-3",
    "0x500000000000ab01",
    "two words",
    "<&>'\"",
    " blanks ",
    "line\nbreak",
    "tab\tand\rreturn",
    "Grüße 🐧",
];

/// Numbers that look like random ones; the same seed makes the same.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// A number below `limit`, after SplitMix64.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }
}

/// An [`Xml`] that makes values up.
pub struct Generator {
    random: Random,
    depth: usize,
    /// Whether the description found fault with what was made up.
    pub has_errors: bool,
}

impl Generator {
    /// The same seed makes the same values.
    pub fn new(seed: u64) -> Self {
        Generator { random: Random::new(seed), depth: 0, has_errors: false }
    }

    /// An element at random.
    pub fn element<E: Element>(&mut self) -> E {
        let mut value = E::default();
        self.depth += 1;
        value.describe(self);
        self.depth -= 1;
        value
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    fn text_value<T: Text>(&mut self) -> Option<T> {
        if let Err(error) = T::parse("\0")
            && !error.words.is_empty()
        {
            return T::parse(error.words[self.below(error.words.len())]).ok();
        }
        let start = self.below(TEXTS.len());
        (0..TEXTS.len()).find_map(|step| T::parse(TEXTS[(start + step) % TEXTS.len()]).ok())
    }

    fn count(&mut self) -> usize {
        if self.depth > 6 { 0 } else { self.below(3) }
    }
}

impl Xml for Generator {
    const READS: bool = true;

    fn attribute<T: Text>(&mut self, _: &'static str, value: &mut Option<T>) {
        if self.below(3) == 0 {
            *value = self.text_value();
        }
    }

    fn required<T: Text>(&mut self, _: &'static str, value: &mut T) {
        if let Some(made) = self.text_value() {
            *value = made;
        }
    }

    fn needed<T: Text>(&mut self, _: &'static str, value: &mut Option<T>) {
        *value = self.text_value();
    }

    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T) {
        self.required(name, value);
    }

    fn tag<T: Tagged>(&mut self, _: &'static str, value: &mut T) {
        *value = T::from_tag(T::TAGS[self.below(T::TAGS.len())]).unwrap();
        assert!(T::TAGS.contains(&value.tag()));
    }

    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        self.tag(name, value);
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        *value = self.text_value();
    }

    fn child<E: Element>(&mut self, _: &'static str, value: &mut Option<E>) {
        if self.count() == 1 {
            *value = Some(self.element());
        }
    }

    fn section<E: Element>(&mut self, _: &'static str, value: &mut E) {
        *value = self.element();
    }

    fn required_child<E: Element>(&mut self, _: &'static str, value: &mut E) {
        *value = self.element();
    }

    fn children<E: Element>(&mut self, _: &'static str, values: &mut Vec<E>) {
        for _ in 0..self.count() {
            values.push(self.element());
        }
    }

    fn nested(&mut self, _: &'static str, body: impl FnOnce(&mut Self)) {
        if self.below(3) == 0 {
            body(self);
        }
    }

    fn present(&mut self, _: &'static str, value: &mut bool) {
        *value = self.below(3) == 0;
    }

    fn values<T: Text>(&mut self, _: &'static str, values: &mut Vec<T>) {
        for _ in 0..self.count() {
            values.extend(self.text_value::<T>());
        }
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        *value = Some(["", "<a:b xmlns:a='urn:a'/>", "text"][self.below(3)].to_owned());
    }

    fn namespace(&mut self, _: &'static str, _: bool) {}

    fn at(&self, _: &'static str) -> Origin {
        Origin::Built
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.has_errors |= diagnostic.is_error();
    }
}
