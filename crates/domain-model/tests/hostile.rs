//! Input made to do harm: a clear refusal, or a reading in bounded time and memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::{Duration, Instant};

use domain_model::source::{MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_UNKNOWN_ATTRIBUTES};
use domain_model::xml::{Json, MAX_PROBLEMS, from_json};
use domain_model::{Code, Document, Domain};

/// The text is refused at `line` and `column`, with a message that says `part`.
fn check_refused(text: &str, (line, column): (usize, usize), part: &str) {
    let shown: String = text.chars().take(60).collect();
    let Err(error) = Document::parse("test", text) else { panic!("{shown} is read") };
    assert!(error.message.contains(part), "{shown}: {error}");
    assert_eq!((error.position.line, error.position.column), (line, column), "{shown}: {error}");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for (text, place, part) in [
        ("", (1, 1), "no element"),
        ("  \n ", (2, 2), "no element"),
        ("guest", (1, 1), "outside the root"),
        ("<domain>", (1, 1), "never closed"),
        ("<domain><os></domain></os>", (1, 13), "os"),
        ("<domain>\n</domain><domain/>", (2, 10), "second root"),
        ("<domain/>x", (1, 10), "outside the root"),
        ("<domain/>&amp;", (1, 10), "outside the root"),
        ("<domain name='a' name='b'/>", (1, 18), "given twice"),
        ("<domain name=a/>", (1, 14), "quote"),
        ("<domain name/>", (1, 13), "value"),
        ("<domain name='a/>", (1, 1), "not closed"),
        ("<domain name='<'/>", (1, 15), "`<`"),
        ("<domain ~name='a'/>", (1, 9), "`~name`"),
        ("<domain 1='a'/>", (1, 9), "`1`"),
        ("<domain><a,b/></domain>", (1, 10), "`a,b`"),
        ("<domain>&nbsp;</domain>", (1, 9), "nbsp"),
        ("<domain a='&x;'/>", (1, 12), "x"),
        ("<domain>&#0;</domain>", (1, 9), "character"),
        ("<domain>&#1;</domain>", (1, 9), "character"),
        ("<domain>&#xD800;</domain>", (1, 9), "character"),
        ("<domain>&#99999999;</domain>", (1, 9), "character"),
        ("<domain>]]></domain>", (1, 9), "]]>"),
        ("<domain><!-- a -- b --></domain>", (1, 16), "--"),
        ("<domain>\n a\0b</domain>", (2, 3), "control"),
        ("<domain>\u{1}</domain>", (1, 9), "control"),
        ("<domain a='\u{1f}'/>", (1, 12), "control"),
        ("<domain>\u{ffff}</domain>", (1, 9), "U+FFFF"),
        ("<?xml version='1.0' encoding='latin1'?><domain/>", (1, 1), "latin1"),
    ] {
        check_refused(text, place, part);
    }
}

#[test]
fn a_doctype_is_refused_before_any_entity_grows() {
    let mut bomb = "<?xml version='1.0'?>\n<!DOCTYPE d [<!ENTITY a0 'ha'>".to_owned();
    for level in 1..40 {
        bomb.push_str(&format!("<!ENTITY a{level} '&a{};&a{};'>", level - 1, level - 1));
    }
    bomb.push_str("]><domain><name>&a39;</name></domain>");
    check_refused(&bomb, (2, 1), "DOCTYPE");
    check_refused("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>", (1, 1), "DOCTYPE");
}

#[test]
fn text_that_is_not_utf8_cannot_be_handed_over() {
    let latin1 = b"<domain><name>caf\xe9</name></domain>";
    assert_eq!(Document::from_bytes("test", latin1).unwrap_err().offset, 17);
    let utf16: Vec<u8> = "<domain/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(Document::from_bytes("test", &utf16).unwrap_err().message.contains("control"));
    assert!(Document::from_bytes("test", b"\xef\xbb\xbf<domain/>").is_ok());
}

#[test]
fn what_is_too_much_is_refused() {
    let start = Instant::now();
    let attributes: String = (1..=1_000_000).map(|index| format!(" a{index:07}=''")).collect();
    check_refused(&format!("<domain{attributes}/>"), (1, 9 + 12 * MAX_ATTRIBUTES), "attributes");

    let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
    check_refused(&deep, (1, MAX_DEPTH * 3 + 1), "nested");

    let large = format!("<domain><!--{}--></domain>", "x".repeat(100 << 20));
    assert!(large.len() > MAX_BYTES);
    check_refused(&large, (1, 1), "MiB");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

/// What is kept can be written and read again, also beside attributes that are always written.
#[test]
fn unknown_attributes_are_kept_up_to_a_limit() {
    let hub = |count: usize| {
        let unknown: String = (0..count).map(|index| format!(" a{index}='1'")).collect();
        format!("<domain type='qemu'><devices><disk{unknown}><target dev='vda'/></disk></devices></domain>")
    };
    let document = Document::parse("test", hub(MAX_UNKNOWN_ATTRIBUTES)).unwrap();
    let (domain, problems) = Domain::read(&document);
    assert!(problems.iter().all(|problem| problem.code == Code::UnknownAttribute), "{problems:?}");
    let written = domain.write();
    assert!(written.contains("<disk type='file' a0='1'"), "{written}");
    assert_eq!(Domain::read(&Document::parse("again", written.as_str()).unwrap()).0.write(), written);

    let document = Document::parse("test", hub(MAX_UNKNOWN_ATTRIBUTES + 1)).unwrap();
    let (_, problems) = Domain::read(&document);
    assert!(
        problems.iter().any(|problem| problem.code == Code::TooMany && problem.is_error()),
        "{problems:?}"
    );
}

/// What is large and allowed is read and written in time linear in its size; the limit is generous, since a
/// quadratic reader would need hours.
fn check_linear(name: &str, text: String) {
    let start = Instant::now();
    let document = Document::parse("test", text).unwrap();
    let (domain, problems) = Domain::read(&document);
    assert!(problems.len() <= MAX_PROBLEMS + 1, "{name}: {}", problems.len());
    let written = domain.write();
    let again = Document::parse("again", written.clone()).unwrap();
    assert_eq!(Domain::read(&again).0.write(), written, "{name}");
    assert!(start.elapsed() < Duration::from_secs(60), "{name}: {:?}", start.elapsed());
}

#[test]
fn what_is_large_takes_linear_time() {
    let devices = |inside: &str| format!("<domain type='kvm'><devices>{inside}</devices></domain>");
    let many = 20_000;
    check_linear("unknown elements", devices(&"<a/>".repeat(many)));
    check_linear("known elements", devices(&"<hub type='usb'/>".repeat(many)));
    check_linear("comments", devices(&"<!--c--><hub type='usb'/>".repeat(many)));
    check_linear("mixed", devices(&"<a/><hub type='usb'/><watchdog model='itco'/>".repeat(many / 2)));
    check_linear("text", devices(&"x<![CDATA[y]]>".repeat(many)));
    check_linear("values", format!("<domain><os>{}</os></domain>", "<initarg>a</initarg>".repeat(many)));
    check_linear("entities", format!("<domain><name>{}</name></domain>", "&amp;".repeat(many)));
    let attributes: String = (0..200).map(|index| format!(" a{index}=''")).collect();
    check_linear("attributes", devices(&format!("<hub type='usb'{attributes}/>").repeat(100)));
    let chain = "<backingStore type='file'>".repeat(200) + &"</backingStore>".repeat(200);
    check_linear(
        "nesting",
        devices(&format!("<disk type='file'><target dev='vda'/>{chain}</disk>").repeat(50)),
    );
}

/// JSON is read in linear time; what does not fit is reported, and what would break the XML is left out.
#[test]
fn json_is_read_in_bounds() {
    for text in
        ["[".repeat(100_000), "{\"domain\":".repeat(100_000), "{\"domain\": {\"@id\": 1e999}}".to_owned()]
    {
        assert!(serde_json::from_str::<Json>(&text).is_err());
    }
    let start = Instant::now();
    let many = 100_000;
    let members: String = (0..many).map(|index| format!("\"a{index}\": [], ")).collect();
    let hubs = vec![r#"{"@type": "usb"}"#; many].join(", ");
    for text in [
        format!(r#"{{"domain": {{{members}"@type": "kvm"}}}}"#),
        format!(r#"{{"domain": {{"@type": "kvm", "devices": {{"hub": [{hubs}]}}}}}}"#),
        format!(r#"{{"domain": {{"@type": "kvm", "os": [{hubs}]}}}}"#),
    ] {
        let (domain, problems) = from_json::<Domain>("domain", serde_json::from_str(&text).unwrap());
        assert!(problems.len() <= MAX_PROBLEMS + 1);
        assert!(Document::parse("written", domain.write()).is_ok());
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn json_cannot_break_the_xml() {
    fn check(inside: &str, is_error: bool) {
        let text = format!(r##"{{"domain": {{"@type": "kvm", {inside}}}}}"##);
        let (domain, problems) = from_json::<Domain>("domain", serde_json::from_str(&text).unwrap());
        let written = domain.write();
        assert!(Document::parse("written", written.as_str()).is_ok(), "{written}");
        assert_eq!(domain_model::domain::has_errors(&problems), is_error, "{inside}: {problems:?}");
        assert!(!written.contains("evil"), "{written}");
    }
    let extra = |at: &str, source: &str| format!(r##""#extra": [{{"at": "{at}", "source": "{source}"}}]"##);
    check(&extra("end", "<fine/>"), false);
    check(&extra("end", "</domain><evil/>"), true);
    check(&extra("end", "<evil>"), true);
    check(&extra("end", "<!DOCTYPE evil>"), true);
    check(&extra("lead", "<evil/>"), true);
    check(&extra("trail", "evil"), true);
    check(&extra("nowhere", "<evil/>"), true);
    check(&extra("after evil", "<evil/>"), true);
    check(&extra("attribute", "fine='1'"), false);
    check(&extra("attribute", "type='evil'"), false);
    check(&extra("attribute", "a='1' evil='2'"), true);
    check(&extra("attribute", "a='1'><evil/></x><x"), true);
    check(r##""#extra": ["evil"]"##, true);
    check(r##""metadata": {"#xml": "</metadata><evil/>"}"##, true);
    check(r##""metadata": {"#xml": "<fine/>"}"##, false);
    check(r#""name": "a\u0000\u001fb""#, false);
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let hubs = "<hub type='nave'/>".repeat(MAX_PROBLEMS + 5);
    let document = Document::parse("test", format!("<devices>{hubs}</devices>")).unwrap();
    let (_, problems) = domain_model::xml::read::<domain_model::Devices>(document.root());
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
    let last = problems.last().unwrap();
    assert_eq!((last.code, last.is_error()), (Code::TooMany, true));
    assert!(last.message.starts_with("5 "), "{}", last.message);
}
