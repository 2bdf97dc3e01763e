//! What the model knows and what it does not: what is written, what is reported, and where.

use domain_model::{Code, Document, Domain};

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

#[test]
fn what_libvirt_reads_as_one_is_one() {
    fn check(inside: &str, expected: &str) {
        let text = format!("<domain type='qemu'>{inside}</domain>");
        let document = Document::parse("test", text.as_str()).unwrap();
        let (domain, problems) = Domain::read(&document);
        let written = domain.write();
        for part in expected.split('|') {
            assert!(written.contains(part), "{part} of {inside}: {written}");
        }
        assert!(problems.iter().all(|problem| !problem.is_error()), "{inside}: {problems:?}");
        assert!(problems.iter().any(|problem| problem.code == Code::RepeatedElement), "{inside}");
        let again = Document::parse("again", written.as_str()).unwrap();
        let again = Domain::read(&again).0;
        assert_eq!(again.write(), written, "{inside}");
        assert_eq!(again.write_known(), domain.write_known(), "{inside}");
        for comment in text.match_indices("<!--") {
            let comment = &text[comment.0..comment.0 + text[comment.0..].find("-->").unwrap()];
            assert!(written.contains(comment), "{comment}: {written}");
        }
        for origin in problems.iter().map(|problem| problem.origin) {
            assert!(document.position(origin).is_some());
        }
    }
    let hubs = "    <hub type='usb'/>\n    <!-- b -->\n    <hub type='usb'/>\n  </devices>";
    check("<devices><hub type='usb'/></devices><devices><!-- b --><hub type='usb'/></devices>", hubs);
    check(
        "<devices><hub type='usb'/><!-- a --></devices><!-- c --><devices>x<hub type='usb'/>y</devices>",
        "usb'/>",
    );
    check(
        "<devices>x</devices><devices>y<hub type='usb'/></devices><devices/>",
        "    x\n    y\n    <hub type='usb'/>",
    );
    check("<devices a='1'/><devices b='2'/>", "<devices a='1' b='2'/>");
    check("<devices a='1'/><devices a='2'/>", "  <devices a='1'/>\n  <devices a='2'/>\n");
    check(
        "<cputune><shares>5</shares></cputune><cputune><period>1000</period></cputune>",
        "<shares>5</shares>\n    <period>1000</period>",
    );
    // As XPath does, the first of all counts.
    check(
        "<cputune><shares>5</shares></cputune><cputune><shares>7</shares></cputune>",
        "<shares>5</shares>\n    <shares>7</shares>",
    );
    check(
        "<iothreadids/><iothreadids><iothread id='2'/><new/></iothreadids>",
        "<iothread id='2'/>\n    <new/>",
    );
    check("<iothreadids new='1'/><iothreadids new='2'/>", "<iothreadids new='1'/>\n  <iothreadids new='2'/>");
    check(
        "<clock offset='utc'/><clock offset='localtime'><timer name='pit'/></clock>",
        "<timer name='pit'/>",
    );
    check(
        "<keywrap><cipher name='aes' state='on'/></keywrap><keywrap><cipher name='dea' state='off'/></keywrap>",
        "dea",
    );
    check(
        "<os><acpi><table type='slic'>/a</table></acpi></os><os><acpi><table type='raw'>/b</table></acpi></os>",
        "/b",
    );
    check(
        "<features><acpi/></features><features><hyperv><relaxed state='on'/></hyperv></features>",
        "relaxed",
    );
    check(
        "<pm><suspend-to-mem enabled='yes'/></pm><pm><suspend-to-disk enabled='no'/></pm>",
        "to-mem|to-disk",
    );
    check(
        "<devices><interface type='user'><model/><model type='virtio'/></interface></devices>",
        "<model type='virtio'/>",
    );
    let other = "xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'";
    check(
        &format!("<q:commandline {other}/><q:commandline {other}><q:arg value='-S'/></q:commandline>"),
        "<qemu:arg value='-S'/>",
    );
}
