//! `<sysinfo>`.

use domain_model::Code;
use domain_model::sysinfo::Sysinfo;

use super::{check, check_problems, check_same};

#[test]
fn tables_are_written_as_libvirt_does() {
    check::<Sysinfo>(
        "sysinfo",
        "<sysinfo type='smbios'><oemStrings><entry>a, b</entry><entry>c</entry></oemStrings>\
         <chassis><entry name='sku'>s</entry><entry name='manufacturer'>m</entry></chassis>\
         <baseBoard><entry name='location'>l</entry><entry name='product'>p</entry></baseBoard>\
         <baseBoard><entry name='asset'>a</entry></baseBoard>\
         <system><entry name='family'>f</entry><entry name='product'>p</entry></system>\
         <bios><entry name='release'>1.2</entry><entry name='date'>02/29/2024</entry>\
         <entry name='vendor'>v</entry></bios></sysinfo>",
        "<sysinfo type='smbios'>
  <bios>
    <entry name='vendor'>v</entry>
    <entry name='date'>02/29/2024</entry>
    <entry name='release'>1.2</entry>
  </bios>
  <system>
    <entry name='product'>p</entry>
    <entry name='family'>f</entry>
  </system>
  <baseBoard>
    <entry name='product'>p</entry>
    <entry name='location'>l</entry>
  </baseBoard>
  <baseBoard>
    <entry name='asset'>a</entry>
  </baseBoard>
  <chassis>
    <entry name='manufacturer'>m</entry>
    <entry name='sku'>s</entry>
  </chassis>
  <oemStrings>
    <entry>a, b</entry>
    <entry>c</entry>
  </oemStrings>
</sysinfo>",
    );
    check_same::<Sysinfo>(
        "sysinfo",
        "<sysinfo type='fwcfg'>
  <entry name='opt/org.example/a'>text</entry>
  <entry name='opt/org.example/b' file='/srv/b'/>
</sysinfo>",
    );
}

#[test]
fn tables_that_libvirt_refuses() {
    fn check_entry(table: &str, name: &str, value: &str, expected: &[Code]) {
        let text = format!(
            "<sysinfo type='smbios'><{table}><entry name='{name}'>{value}</entry></{table}></sysinfo>"
        );
        check_problems::<Sysinfo>(&text, expected);
    }
    check_entry("bios", "date", "1/1/99", &[]);
    check_entry("bios", "date", "1/1/1899", &[Code::BadValue]);
    check_entry("bios", "date", "13/1/99", &[Code::BadValue]);
    check_entry("bios", "date", "2024-01-01", &[Code::BadValue]);
    check_entry("system", "uuid", "00112233-4455-6677-8899-aabbccddeeff", &[]);
    check_entry("system", "uuid", "0011", &[Code::BadValue]);
    check_entry("system", "colour", "red", &[Code::BadValue]);
    check_problems::<Sysinfo>(
        "<sysinfo type='fwcfg'><entry name='opt/a' file='/a'>b</entry></sysinfo>",
        &[Code::Conflict],
    );
    check_problems::<Sysinfo>("<sysinfo type='fwcfg'><entry name='opt/a'/></sysinfo>", &[Code::Conflict]);
    check_problems::<Sysinfo>("<sysinfo/>", &[Code::MissingAttribute]);
}

#[test]
fn entries_without_a_text_say_nothing() {
    check::<Sysinfo>(
        "sysinfo",
        "<sysinfo type='smbios'><bios/><system><entry name='sku'/><entry name='uuid'>00112233445566778899AABBCCDDEEFF\
         </entry></system><baseBoard><entry name='asset'></entry></baseBoard></sysinfo>",
        "<sysinfo type='smbios'>
  <system>
    <entry name='uuid'>00112233-4455-6677-8899-aabbccddeeff</entry>
  </system>
</sysinfo>",
    );
}
