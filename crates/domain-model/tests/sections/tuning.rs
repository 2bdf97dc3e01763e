//! What the host grants the guest: threads, NUMA nodes, block devices.

use domain_model::blkiotune::Blkiotune;
use domain_model::cputune::Cputune;
use domain_model::numatune::Numatune;
use domain_model::resource::{Idmap, Resource};
use domain_model::{Code, Domain};

use super::{check, check_problems, check_same};

#[test]
fn threads_are_written_as_libvirt_does() {
    check_same::<Cputune>(
        "cputune",
        "<cputune>
  <shares>2048</shares>
  <period>1000000</period>
  <quota>-1</quota>
  <global_period>1000</global_period>
  <global_quota>1000</global_quota>
  <emulator_period>2000</emulator_period>
  <emulator_quota>2000</emulator_quota>
  <iothread_period>3000</iothread_period>
  <iothread_quota>3000</iothread_quota>
  <vcpupin vcpu='0' cpuset='1-4'/>
  <emulatorpin cpuset='5'/>
  <iothreadpin iothread='1' cpuset='6,8'/>
  <emulatorsched scheduler='rr' priority='99'/>
  <vcpusched vcpus='0-1' scheduler='fifo' priority='1'/>
  <iothreadsched iothreads='1' scheduler='batch'/>
  <cachetune vcpus='0-1'>
    <cache id='0' level='3' type='both' size='3' unit='MiB'/>
    <monitor level='3' vcpus='0'/>
  </cachetune>
  <memorytune vcpus='2'>
    <node id='0' bandwidth='60'/>
    <monitor vcpus='2'/>
  </memorytune>
</cputune>",
    );
    check::<Cputune>(
        "cputune",
        "<cputune><cachetune vcpus='0'><cache size='3072' type='code' level='3' id='1'/></cachetune></cputune>",
        "<cputune>
  <cachetune vcpus='0'>
    <cache id='1' level='3' type='code' size='3' unit='MiB'/>
  </cachetune>
</cputune>",
    );
}

#[test]
fn threads_that_libvirt_refuses() {
    fn check(inside: &str, expected: &[Code]) {
        check_problems::<Cputune>(&format!("<cputune>{inside}</cputune>"), expected);
    }
    check("<period>999</period>", &[Code::Unsupported]);
    check("<global_period>1000001</global_period>", &[Code::Unsupported]);
    check("<quota>999</quota>", &[Code::Unsupported]);
    check("<quota>-5</quota><period>0</period>", &[]);
    check("<vcpupin vcpu='0'/>", &[Code::Malformed]);
    check("<emulatorpin/>", &[Code::Malformed]);
    let pin = "<vcpupin vcpu='0' cpuset='0'/>";
    check(&format!("{pin}<iothreadpin iothread='1' cpuset='0'/>"), &[]);
    check(&format!("{pin}{pin}"), &[Code::Malformed]);
    check("<iothreadpin iothread='0' cpuset='0'/>", &[Code::BadValue]);
    let part = "<cache id='0' level='3' type='both' size='3'/>";
    let code = "<cache id='0' level='3' type='code' size='3'/>";
    let caches = |vcpus: &str, inside: &str| format!("<cachetune vcpus='{vcpus}'>{inside}</cachetune>");
    check(&(caches("0", part) + &caches("1", part)), &[]);
    check(&(caches("0-1", part) + &caches("1", part)), &[Code::Conflict]);
    check(&caches("0", &format!("{code}{part}")), &[Code::Conflict]);
    check(&caches("0-1", "<monitor level='3' vcpus='1'/>"), &[]);
    check(&caches("0-1", "<monitor level='3' vcpus='2'/>"), &[Code::InvalidArgument]);
    check(&caches("0-1", "<monitor level='2' vcpus='1'/>"), &[Code::BadValue]);
    let node = "<node id='0' bandwidth='60'/>";
    let rates = |vcpus: &str, inside: &str| format!("<memorytune vcpus='{vcpus}'>{inside}</memorytune>");
    check(&(caches("0-1", part) + &rates("0-1", node)), &[]);
    check(&(caches("0-1", part) + &rates("1", node)), &[Code::Conflict]);
    check(&(rates("0-1", node) + &rates("1", node)), &[Code::Conflict]);
    check(&rates("0", &format!("{node}{node}")), &[Code::Conflict]);
    check("<vcpupin cpuset='0'/>", &[Code::MissingAttribute]);
    check("<vcpupin vcpu='0' cpuset='x'/>", &[Code::InvalidArgument]);
    check("<vcpusched vcpus='0' scheduler='fifo'/>", &[Code::MissingAttribute]);
    check(
        "<vcpusched vcpus='0-2' scheduler='batch'/><vcpusched vcpus='2' scheduler='idle'/>",
        &[Code::Conflict],
    );
    check("<iothreadsched scheduler='batch'/>", &[Code::MissingAttribute]);
}

#[test]
fn nodes_are_written_as_libvirt_does() {
    check_same::<Numatune>(
        "numatune",
        "<numatune>
  <memory mode='strict' nodeset='0-2'/>
  <memnode cellid='0' mode='preferred' nodeset='1'/>
</numatune>",
    );
    check_same::<Numatune>(
        "numatune",
        "<numatune>\n  <memory mode='preferred' placement='auto'/>\n</numatune>",
    );
}

#[test]
fn nodes_that_libvirt_refuses() {
    fn check(memory: &str, memnodes: &str, expected: &[Code]) {
        check_problems::<Numatune>(&format!("<numatune><memory {memory}/>{memnodes}</numatune>"), expected);
    }
    let (strict, restrictive) = (
        "<memnode cellid='0' mode='strict' nodeset='0'/>",
        "<memnode cellid='1' mode='restrictive' nodeset='0'/>",
    );
    check("mode='strict' nodeset='0'", strict, &[]);
    check("mode='restrictive' nodeset='0'", restrictive, &[]);
    check("nodeset='0'", restrictive, &[Code::Conflict]);
    check("mode='restrictive' nodeset='0'", strict, &[Code::Conflict]);
    check("placement='auto'", strict, &[Code::Unsupported]);
    check("placement='static'", "", &[Code::Unsupported]);
    check("nodeset='0'", &format!("{strict}{strict}"), &[Code::Conflict]);
    check("nodeset='0'", "<memnode cellid='0'/>", &[Code::MissingAttribute]);
    check("nodeset='0,^0'", "", &[Code::Unsupported]);
}

#[test]
fn shares_are_written_as_libvirt_does() {
    check::<Blkiotune>(
        "blkiotune",
        "<blkiotune><device><write_bytes_sec>4</write_bytes_sec><read_bytes_sec>3</read_bytes_sec>\
         <write_iops_sec>2</write_iops_sec><read_iops_sec>1</read_iops_sec><weight>500</weight>\
         <path>/dev/sda</path></device><weight>800</weight></blkiotune>",
        "<blkiotune>
  <weight>800</weight>
  <device>
    <path>/dev/sda</path>
    <weight>500</weight>
    <read_iops_sec>1</read_iops_sec>
    <write_iops_sec>2</write_iops_sec>
    <read_bytes_sec>3</read_bytes_sec>
    <write_bytes_sec>4</write_bytes_sec>
  </device>
</blkiotune>",
    );
    check_problems::<Blkiotune>("<blkiotune><device/></blkiotune>", &[Code::Unsupported]);
    check_problems::<Blkiotune>(
        "<blkiotune><device><path>/a</path></device><device><path>/a</path></device></blkiotune>",
        &[Code::Unsupported],
    );
    check_same::<Resource>(
        "resource",
        "<resource>\n  <partition>/vms</partition>\n  <fibrechannel appid='app 1'/>\n</resource>",
    );
    check_problems::<Resource>(
        "<resource><fibrechannel appid='tab&#9;'/></resource>",
        &[Code::InvalidArgument],
    );
    check_same::<Idmap>(
        "idmap",
        "<idmap>\n  <uid start='0' target='1000' count='10'/>\n  <gid start='0' target='1000' count='10'/>\n</idmap>",
    );
}

#[test]
fn maps_that_libvirt_refuses() {
    check_problems::<Idmap>("<idmap><uid start='0' target='1' count='1'/></idmap>", &[Code::Unsupported]);
    check_problems::<Idmap>(
        "<idmap><uid start='1' target='1' count='1'/><gid start='0' target='1' count='1'/></idmap>",
        &[Code::Unsupported],
    );
}

#[test]
fn threads_of_a_domain() {
    fn check(inside: &str, expected: &[Code]) {
        check_problems::<Domain>(&format!("<domain type='kvm'>{inside}</domain>"), expected);
    }
    check("<iothreadids><iothread id='0'/></iothreadids>", &[Code::BadValue]);
    check(
        "<iothreadids><iothread thread_pool_min='1'/></iothreadids>",
        &[Code::MissingAttribute, Code::BadValue],
    );
    check("<perf><event name='cmt'/></perf>", &[Code::MissingAttribute]);
}
