//! `<domain>`: the order of everything, and what a whole domain needs.

use domain_model::{Code, Domain};

use super::{check, check_problems, read};

#[test]
fn domains_are_written_in_libvirts_order() {
    check::<Domain>(
        "domain",
        "<domain id='7' type='kvm'><keywrap><cipher name='aes' state='off'/></keywrap><seclabel type='none'/>\
         <devices/><perf><event name='cmt' enabled='yes'/></perf><pm><suspend-to-mem enabled='no'/></pm>\
         <on_lockfailure>pause</on_lockfailure><on_crash>coredump-destroy</on_crash><on_reboot>restart</on_reboot>\
         <on_poweroff>destroy</on_poweroff><clock/><cpu mode='maximum'/><features><acpi/></features>\
         <os><type>hvm</type></os><bootloader_args>a</bootloader_args><bootloader>/b</bootloader>\
         <sysinfo type='fwcfg'/><resource><partition>/p</partition></resource>\
         <numatune><memory mode='strict' nodeset='0'/></numatune><cputune><shares>1</shares></cputune>\
         <throttlegroups><throttlegroup><total_iops_sec>1</total_iops_sec><group_name>g</group_name></throttlegroup>\
         </throttlegroups><defaultiothread thread_pool_min='1' thread_pool_max='2'/>\
         <iothreadids><iothread id='4' thread_pool_min='1' thread_pool_max='2'><poll shrink='3' grow='2' max='1'/>\
         </iothread></iothreadids><iothreads>1</iothreads><vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>\
         </vcpus><vcpu>1</vcpu><memoryBacking><locked/></memoryBacking><memtune><soft_limit>1</soft_limit></memtune>\
         <blkiotune><weight>100</weight></blkiotune><currentMemory>1</currentMemory><memory>1</memory>\
         <maxMemory>1</maxMemory><metadata><a:b xmlns:a='urn:a'>c<d/></a:b></metadata><description>d\ne</description>\
         <title>t</title><genid/><uuid>00112233445566778899AABBCCDDEEFF</uuid><name>n</name></domain>",
        "<domain type='kvm' id='7'>
  <name>n</name>
  <uuid>00112233-4455-6677-8899-aabbccddeeff</uuid>
  <genid></genid>
  <title>t</title>
  <description>d\ne</description>
  <metadata><a:b xmlns:a='urn:a'>c<d/></a:b></metadata>
  <maxMemory unit='KiB'>1</maxMemory>
  <memory unit='KiB'>1</memory>
  <currentMemory unit='KiB'>1</currentMemory>
  <blkiotune>
    <weight>100</weight>
  </blkiotune>
  <memtune>
    <soft_limit unit='KiB'>1</soft_limit>
  </memtune>
  <memoryBacking>
    <locked/>
  </memoryBacking>
  <vcpu>1</vcpu>
  <vcpus>
    <vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>
  </vcpus>
  <iothreads>1</iothreads>
  <iothreadids>
    <iothread id='4' thread_pool_min='1' thread_pool_max='2'>
      <poll max='1' grow='2' shrink='3'/>
    </iothread>
  </iothreadids>
  <defaultiothread thread_pool_min='1' thread_pool_max='2'/>
  <throttlegroups>
    <throttlegroup>
      <total_iops_sec>1</total_iops_sec>
      <group_name>g</group_name>
    </throttlegroup>
  </throttlegroups>
  <cputune>
    <shares>1</shares>
  </cputune>
  <numatune>
    <memory mode='strict' nodeset='0'/>
  </numatune>
  <resource>
    <partition>/p</partition>
  </resource>
  <sysinfo type='fwcfg'/>
  <bootloader>/b</bootloader>
  <bootloader_args>a</bootloader_args>
  <os>
    <type>hvm</type>
  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='maximum'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>coredump-destroy</on_crash>
  <on_lockfailure>pause</on_lockfailure>
  <pm>
    <suspend-to-mem enabled='no'/>
  </pm>
  <perf>
    <event name='cmt' enabled='yes'/>
  </perf>
  <devices/>
  <seclabel type='none'/>
  <keywrap>
    <cipher name='aes' state='off'/>
  </keywrap>
</domain>",
    );
}

#[test]
fn empty_metadata_stays_as_it_is() {
    let (domain, _) = read::<Domain>("<domain type='kvm'><metadata/></domain>");
    assert_eq!(read::<Domain>(&domain.write()).0, domain);
}

#[test]
fn roots_that_libvirt_refuses() {
    check_problems::<Domain>("<domain/>", &[Code::Malformed]);
    check_problems::<Domain>("<domain type='pc'/>", &[Code::UnknownWord]);
    check_problems::<Domain>(
        "<domain type='kvm'><uuid>1-2</uuid><genid>1</genid></domain>",
        &[Code::Malformed; 2],
    );
    check_problems::<Domain>(
        "<domain type='kvm'><on_crash>poweroff</on_crash></domain>",
        &[Code::UnknownWord],
    );
    check_problems::<Domain>(
        "<domain type='kvm'><on_lockfailure>destroy</on_lockfailure></domain>",
        &[Code::UnknownWord],
    );
    check_problems::<Domain>("<domain type='kvm'><uuid>1</uuid></domain>", &[Code::Malformed]);
    check_problems::<Domain>("<domain type='kvm'><on_crash>panic</on_crash></domain>", &[Code::UnknownWord]);
}

/// A domain with `inside` besides what every domain needs has these problems as a whole.
fn check_whole(inside: &str, expected: &[Code]) {
    let essentials = "<name>n</name><os><type>hvm</type></os><uuid>00112233445566778899aabbccddeeff</uuid>";
    let memory = if inside.contains("<numa>") { "" } else { "<memory>1</memory>" };
    check_codes(&format!("{essentials}{memory}{inside}"), expected);
}

fn check_codes(inside: &str, expected: &[Code]) {
    let (domain, problems) = read::<Domain>(&format!("<domain type='kvm'>{inside}</domain>"));
    assert_eq!(problems, [], "{inside}");
    let codes: Vec<Code> = domain.check().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, expected, "{inside}");
}

#[test]
fn whole_domains_that_libvirt_refuses() {
    check_codes("", &[Code::MissingElement, Code::MissingElement, Code::MissingElement]);
    check_codes("<name>a/b</name><os><type>hvm</type></os><memory>1</memory>", &[Code::BadValue]);
    check_codes("<name>a</name><bootloader>/b</bootloader><memory>1</memory>", &[]);
    check_whole("", &[]);
    let disk = |bus| format!("<disk type='file'><source file='/d'/><target dev='sda' bus='{bus}'/></disk>");
    check_whole(&format!("<devices>{}</devices>", disk("sata")), &[]);
    check_whole(&format!("<devices>{}{}</devices>", disk("sata"), disk("scsi")), &[Code::Conflict]);
    check_whole("<title>two\nlines</title>", &[Code::BadValue]);
    check_whole("<cpu><numa><cell memory='1'/></numa></cpu>", &[]);
    check_problems::<Domain>(
        "<domain type='kvm'><cpu><numa><cell memory='1'><distances/></cell></numa></cpu></domain>",
        &[Code::MissingElement],
    );
    let memnode = "<numatune><memnode cellid='1' mode='strict' nodeset='0'/></numatune>";
    check_whole(memnode, &[Code::Conflict]);
    check_whole(&format!("<cpu><numa><cell memory='1'/></numa></cpu>{memnode}"), &[Code::Conflict]);
    check_whole(&format!("<cpu><numa><cell memory='1'/><cell memory='1'/></numa></cpu>{memnode}"), &[]);
    let pages = |nodes| {
        format!("<memoryBacking><hugepages><page size='4' nodeset='{nodes}'/></hugepages></memoryBacking>")
    };
    check_whole(&pages("0"), &[]);
    check_whole(&pages("0-1"), &[Code::Conflict]);
    check_whole(
        "<sysinfo type='smbios'><system><entry name='uuid'>00112233-4455-6677-8899-aabbccddeeff</entry>\
         </system></sysinfo>",
        &[],
    );
    check_whole(
        "<sysinfo type='smbios'><system><entry name='uuid'>ff112233-4455-6677-8899-aabbccddeeff</entry>\
         </system></sysinfo>",
        &[Code::Conflict],
    );
    check_whole(
        "<keywrap><cipher name='aes' state='on'/><cipher name='aes' state='off'/></keywrap>",
        &[Code::Malformed],
    );
    let event = "<event name='cmt' enabled='yes'/>";
    check_whole(&format!("<perf>{event}</perf>"), &[]);
    check_whole(&format!("<perf>{event}{event}</perf>"), &[Code::Conflict]);
}

#[test]
fn sums_that_libvirt_refuses() {
    fn check(max: u32, memory: u32, cells: &str, modules: &str, expected: &[Code]) {
        let numa = if cells.is_empty() { String::new() } else { format!("<numa>{cells}</numa>") };
        check_codes(
            &format!(
                "<name>n</name><os><type>hvm</type></os><maxMemory>{max}</maxMemory><memory>{memory}</memory>\
                 <cpu>{numa}</cpu><devices>{modules}</devices>"
            ),
            expected,
        );
    }
    let cell = "<cell memory='10'/>";
    let module = "<memory model='dimm'><target><size>5</size><node>0</node></target></memory>";
    check(15, 0, cell, module, &[]);
    check(14, 0, cell, module, &[Code::Conflict]);
    check(15, 15, cell, module, &[]);
    check(15, 16, cell, module, &[Code::Conflict]);
    check(15, 4, "", module, &[Code::Conflict]);
    check(15, 5, "", module, &[Code::MissingElement]);
}

#[test]
fn cpus_and_labels_of_a_whole_domain() {
    let vcpus = |ids: [u32; 2]| {
        let [first, second] = ids;
        format!(
            "<vcpu>2</vcpu><vcpus><vcpu id='{first}' enabled='yes'/><vcpu id='{second}' enabled='no'/></vcpus>"
        )
    };
    check_whole(&vcpus([0, 1]), &[]);
    check_whole(&vcpus([1, 1]), &[Code::Conflict]);
    check_whole(&vcpus([1, 2]), &[Code::Conflict]);
    let order = |first, second| {
        format!(
            "<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='yes' {first}/><vcpu id='1' enabled='yes' {second}/></vcpus>"
        )
    };
    check_whole(&order("order='1'", "order='2'"), &[]);
    check_whole(&order("order='0'", ""), &[]);
    check_whole(&order("order='1'", ""), &[Code::Unsupported]);
    check_whole("<seclabel type='none'/>", &[]);
    check_whole("<seclabel/>", &[Code::MissingAttribute]);
    check_whole("<seclabel type='none'/><seclabel type='none' model='dac'/>", &[Code::MissingAttribute]);
    check_whole(
        "<seclabel type='none' model='dac'/><seclabel type='dynamic' model='dac'/>",
        &[Code::Conflict],
    );
}

#[test]
fn threads_that_are_not_there() {
    fn check(threads: &str, tuned: &str, expected: &[Code]) {
        check_whole(&format!("{threads}<cputune>{tuned}</cputune>"), expected);
    }
    let sched = |set| format!("<iothreadsched iothreads='{set}' scheduler='batch'/>");
    let ids = "<iothreads>3</iothreads><iothreadids><iothread id='2'/></iothreadids>";
    check("<iothreads>2</iothreads>", &sched("1-2"), &[]);
    check("<iothreads>2</iothreads>", &sched("1-3"), &[Code::Unsupported]);
    check(ids, &sched("1-3"), &[]);
    check(ids, &sched("4"), &[Code::Unsupported]);
    check(ids, "<iothreadpin iothread='4' cpuset='1'/>", &[Code::Unsupported]);
    check("<vcpu>2</vcpu>", "<vcpusched vcpus='1' scheduler='batch'/>", &[]);
    check("<vcpu>2</vcpu>", "<vcpusched vcpus='2' scheduler='batch'/>", &[Code::Unsupported]);
    check("<iothreadids><iothread id='9'/></iothreadids>", &sched("9"), &[]);
    check("<iothreadids><iothread id='9'/><iothread id='9'/></iothreadids>", "", &[Code::Conflict]);
}
