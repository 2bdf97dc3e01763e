//! What is left of a domain when only what the model knows is written.

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
