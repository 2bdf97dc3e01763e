//! What the model knows and what it does not: what is written, what is reported, and where.

use domain_model::{Document, Domain};

#[test]
fn comments_and_unknown_things_are_left_out() {
    fn check(input: &str, expected: &str) {
        let document = Document::parse("test", input).unwrap();
        let (domain, _) = Domain::read(&document);
        assert_eq!(domain.write_known(), expected);
    }
    let plain = "<domain type='qemu'>\n  <name>guest</name>\n  <os>\n  </os>\n  <devices>\n    <hub type='usb'/>\n  </devices>\n</domain>\n";
    let noisy = "<!-- first --><domain type='qemu' mood='good'><!-- a name --><name>guest</name><strange/>\
                 <devices><hub type='usb'><!-- empty --></hub></devices></domain>";
    let document = Document::parse("test", plain).unwrap();
    check(noisy, &Domain::read(&document).0.write());
    check(plain, &Domain::read(&document).0.write());
}

#[test]
fn what_is_unknown_has_a_path() {
    let text = "<domain typ='qemu'>\n  <devices>\n    <hub type='usb'/>\n    <hub type='usb' mood='good'>\n      \
                <nice/></hub>\n    <watchdog model='dog'/>\n  </devices>\n</domain>";
    let document = Document::parse("test", text).unwrap();
    let (_, problems) = Domain::read(&document);
    let paths: Vec<_> = problems.iter().filter_map(|problem| document.path(problem.origin)).collect();
    let hub = "/domain/devices/hub[2]";
    for expected in
        ["/domain/@typ", &format!("{hub}/@mood"), &format!("{hub}/nice"), "/domain/devices/watchdog/@model"]
    {
        assert!(paths.iter().any(|path| path == expected), "{expected}: {paths:?}");
    }
}

#[test]
fn what_stands_beside_a_text_leaves_the_text_alone() {
    let text = "<domain type='qemu'><name>gu<b/>est<!-- kept --></name></domain>";
    let document = Document::parse("test", text).unwrap();
    let (domain, _) = Domain::read(&document);
    let written = domain.write();
    assert!(written.contains("<name>guest<b/><!-- kept --></name>"), "{written}");
    let again = Document::parse("test", written.as_str()).unwrap();
    assert_eq!(Domain::read(&again).0.write(), written);
}
