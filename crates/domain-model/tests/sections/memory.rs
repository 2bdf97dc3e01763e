//! Memory and the number of CPUs.

use domain_model::memory::{MaxMemory, Memory, MemoryBacking, Memtune, Vcpu};
use domain_model::values::Kib;
use domain_model::{Code, Domain};

use super::{check, check_problems, check_same, read};

#[test]
fn memory_is_written_in_kib() {
    fn check(written: &str, expected: u64) {
        let (memory, problems) = read::<Memory>(written);
        assert_eq!((memory.size, problems.as_slice()), (Some(Kib(expected)), [].as_slice()), "{written}");
    }
    check("<memory>4096</memory>", 4096);
    check("<memory unit='b'>1025</memory>", 2);
    check("<memory unit='KB'>1000</memory>", 977);
    check("<memory unit='m'>2</memory>", 2048);
    check("<memory unit='GiB'> 1\n</memory>", 1 << 20);
    check("<memory unit='TB'>1</memory>", 976_562_500);
}

#[test]
fn sizes_are_written_as_libvirt_does() {
    check::<Memory>(
        "memory",
        "<memory unit='MiB' dumpCore='off'>1</memory>",
        "<memory dumpCore='off' unit='KiB'>1024</memory>",
    );
    check::<MaxMemory>(
        "maxMemory",
        "<maxMemory unit='GiB' slots='8'>1</maxMemory>",
        "<maxMemory slots='8' unit='KiB'>1048576</maxMemory>",
    );
    check::<Memtune>(
        "memtune",
        "<memtune><swap_hard_limit unit='MiB'>1</swap_hard_limit><hard_limit>9</hard_limit>\
         <min_guarantee>2</min_guarantee><soft_limit/></memtune>",
        "<memtune>
  <hard_limit unit='KiB'>9</hard_limit>
  <min_guarantee unit='KiB'>2</min_guarantee>
  <swap_hard_limit unit='KiB'>1024</swap_hard_limit>
</memtune>",
    );
}

#[test]
fn backing_is_written_as_libvirt_does() {
    check_same::<MemoryBacking>(
        "memoryBacking",
        "<memoryBacking>
  <hugepages>
    <page size='2048' unit='KiB' nodeset='1'/>
    <page size='1048576' unit='KiB' nodeset='0,2-3'/>
  </hugepages>
  <nosharepages/>
  <locked/>
  <source type='memfd'/>
  <access mode='shared'/>
  <allocation mode='immediate' threads='4'/>
  <discard/>
</memoryBacking>",
    );
    check_same::<MemoryBacking>("memoryBacking", "<memoryBacking>\n  <hugepages/>\n</memoryBacking>");
}

#[test]
fn vcpus_are_written_as_libvirt_does() {
    check_same::<Vcpu>("vcpu", "<vcpu placement='static' cpuset='0-3,8' current='2'>4</vcpu>");
    check::<Vcpu>("vcpu", "<vcpu cpuset='^2,1-3,^2'>4</vcpu>", "<vcpu cpuset='1,3'>4</vcpu>");
    check_same::<Vcpu>("vcpu", "<vcpu placement='auto'/>");
}

#[test]
fn memory_that_libvirt_refuses() {
    check_problems::<Memory>("<memory unit='parsec'>1</memory>", &[Code::BadNumber]);
    check_problems::<Memory>("<memory>-1</memory>", &[Code::BadValue]);
    check_problems::<Memory>("<memory unit='EiB'>17</memory>", &[Code::BadValue]);
    check_problems::<MemoryBacking>(
        "<memoryBacking><hugepages><page nodeset='1'/></hugepages></memoryBacking>",
        &[Code::MissingAttribute],
    );
    for pages in
        ["<page size='4' nodeset='0-1'/><page size='8' nodeset='1'/>", "<page size='4'/><page size='8'/>"]
    {
        let text = format!("<memoryBacking><hugepages>{pages}</hugepages></memoryBacking>");
        check_problems::<MemoryBacking>(&text, &[Code::Conflict]);
    }
    check_problems::<MaxMemory>("<maxMemory slots='4'>0</maxMemory>", &[Code::Conflict]);
    check_problems::<Vcpu>("<vcpu current='0'>2</vcpu>", &[Code::Unsupported]);
    check_problems::<Vcpu>("<vcpu>0</vcpu>", &[Code::Unsupported]);
    check_problems::<Vcpu>("<vcpu current='3'>2</vcpu>", &[Code::Unsupported]);
    check_problems::<Vcpu>("<vcpu cpuset='1-a'>1</vcpu>", &[Code::InvalidArgument]);
    check_problems::<Vcpu>("<vcpu cpuset='1,^1'>1</vcpu>", &[Code::Unsupported]);
    check_problems::<Domain>(
        "<domain type='kvm'><vcpus><vcpu enabled='no'/></vcpus></domain>",
        &[Code::MissingAttribute],
    );
}
