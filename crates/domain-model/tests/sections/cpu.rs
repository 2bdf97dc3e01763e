//! `<cpu>`.

use domain_model::Code;
use domain_model::cpu::{Cpu, CpuMode, FeaturePolicy};

use super::{check, check_problems, check_same, read};

#[test]
fn cpus_are_written_as_libvirt_does() {
    check_same::<Cpu>("cpu", "<cpu mode='host-passthrough' check='none' migratable='on'/>");
    check_same::<Cpu>("cpu", "<cpu mode='host-model' check='partial' deprecated_features='off'/>");
    check_same::<Cpu>("cpu", "<cpu mode='maximum'/>");
    check_same::<Cpu>(
        "cpu",
        "<cpu mode='custom' match='exact' check='full'>
  <model fallback='forbid' vendor_id='Twelve bytes'>Opteron_G3</model>
  <vendor>AMD</vendor>
  <topology sockets='2' dies='1' clusters='1' cores='4' threads='2'/>
  <cache level='3' mode='emulate'/>
  <maxphysaddr mode='passthrough' limit='40'/>
  <feature policy='require' name='vmx'/>
  <feature policy='disable' name='svm'/>
</cpu>",
    );
    check::<Cpu>(
        "cpu",
        "<cpu><feature name='vmx'/><maxphysaddr bits='42' mode='emulate'/><model> </model>\
         <topology threads='1' cores='1' sockets='1'/></cpu>",
        "<cpu>
  <model/>
  <topology sockets='1' cores='1' threads='1'/>
  <maxphysaddr mode='emulate' bits='42'/>
  <feature name='vmx'/>
</cpu>",
    );
}

#[test]
fn cells_are_written_as_libvirt_does() {
    check::<Cpu>(
        "cpu",
        "<cpu><numa><cell cpus='0,1' memory='1' unit='GiB' memAccess='shared' discard='yes'>\
         <distances><sibling id='0' value='10'/><sibling id='1' value='21'/></distances>\
         <cache level='1' associativity='full' policy='writethrough'><line value='1' unit='KiB'/>\
         <size value='1' unit='MiB'/></cache></cell><cell memory='512000'/>\
         <interconnects><bandwidth initiator='0' target='1' type='read' value='1' unit='MiB'/>\
         <latency initiator='0' target='0' cache='1' type='write' value='7'/></interconnects></numa></cpu>",
        "<cpu>
  <numa>
    <cell cpus='0-1' memory='1048576' unit='KiB' memAccess='shared' discard='yes'>
      <distances>
        <sibling id='0' value='10'/>
        <sibling id='1' value='21'/>
      </distances>
      <cache level='1' associativity='full' policy='writethrough'>
        <size value='1024' unit='KiB'/>
        <line value='1024' unit='B'/>
      </cache>
    </cell>
    <cell memory='512000' unit='KiB'/>
    <interconnects>
      <latency initiator='0' target='0' cache='1' type='write' value='7'/>
      <bandwidth initiator='0' target='1' type='read' value='1024' unit='KiB'/>
    </interconnects>
  </numa>
</cpu>",
    );
}

#[test]
fn cpus_that_libvirt_refuses() {
    check_problems::<Cpu>("<cpu><feature name='vmx'/></cpu>", &[Code::Conflict]);
    check_problems::<Cpu>("<cpu mode='host-model'><feature name='vmx'/></cpu>", &[]);
    check_problems::<Cpu>("<cpu mode='custom'><vendor>Intel</vendor></cpu>", &[Code::Conflict]);
    check_problems::<Cpu>(
        "<cpu mode='maximum'><feature name='a'/><feature name='b'/><feature name='a'/></cpu>",
        &[Code::Conflict],
    );
    check_problems::<Cpu>("<cpu><model vendor_id='short'>qemu64</model></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><topology sockets='1' cores='2'/></cpu>", &[Code::MissingAttribute]);
    check_problems::<Cpu>("<cpu><topology sockets='0' cores='2' threads='1'/></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><cache level='4' mode='emulate'/></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><cache level='3'/></cpu>", &[Code::MissingAttribute]);
    check_problems::<Cpu>("<cpu mode='custm'/>", &[Code::UnknownWord]);
    check_problems::<Cpu>("<cpu mode='maximum' migratable='on'/>", &[]);
    check_problems::<Cpu>("<cpu mode='host-model' migratable='on'/>", &[Code::Unsupported]);
    check_problems::<Cpu>("<cpu><model fallback='no'>m</model></cpu>", &[Code::UnknownWord]);
    check_problems::<Cpu>("<cpu><model>m</model><feature name=''/></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><cache level='0' mode='emulate'/></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><maxphysaddr mode='passthrough' limit='0'/></cpu>", &[Code::BadValue]);
    check_problems::<Cpu>("<cpu><numa/></cpu>", &[Code::MissingElement]);
}

#[test]
fn cells_that_libvirt_refuses() {
    fn check(cells: &str, expected: &[Code]) {
        check_problems::<Cpu>(&format!("<cpu><numa>{cells}</numa></cpu>"), expected);
    }
    let two = "<cell id='0' memory='1'/>";
    check(&format!("{two}<cell id='2' memory='1'/>"), &[Code::Conflict]);
    check(&format!("{two}<cell id='0' memory='1'/>"), &[Code::Conflict]);
    check("<cell id='1' memory='1'/><cell id='0' memory='1'/>", &[]);
    check("<cell cpus='0-3' memory='1'/><cell cpus='3' memory='1'/>", &[Code::Unsupported]);
    check("<cell cpus='0-3'/>", &[Code::MissingAttribute]);
    check("<cell cpus='0-' memory='1'/>", &[Code::InvalidArgument]);
    check("<cell memory='99999999999' unit='EiB'/>", &[Code::BadValue, Code::MissingAttribute]);
    check("<cell memory='1'><distances><sibling id='0' value='9'/></distances></cell>", &[Code::BadValue]);
    check("<cell memory='1'><distances><sibling id='1' value='20'/></distances></cell>", &[Code::BadValue]);
    check("<cell memory='1'><distances><sibling id='0' value='20'/></distances></cell>", &[Code::BadValue]);
    check("<cell memory='1'><distances><sibling id='0' value='10'/></distances></cell>", &[]);
}

#[test]
fn paths_that_libvirt_refuses() {
    fn check(paths: &str, expected: &[Code]) {
        let cells = "<cell cpus='0' memory='1'/><cell memory='1'><cache level='1' associativity='none' policy='none'>\
                     <size value='8'/><line value='5'/></cache></cell>";
        let text = format!("<cpu><numa>{cells}<interconnects>{paths}</interconnects></numa></cpu>");
        check_problems::<Cpu>(&text, expected);
    }
    let latency = |path| format!("<latency {path} type='read' value='1'/>");
    let bandwidth = |path| format!("<bandwidth {path} type='read' value='1'/>");
    check(&latency("initiator='0' target='1'"), &[]);
    check(&latency("initiator='0' target='1' cache='1'"), &[]);
    check(&latency("initiator='0' target='1' cache='2'"), &[Code::BadValue]);
    check(&latency("initiator='1' target='0'"), &[Code::Conflict]);
    check(&bandwidth("initiator='2' target='0'"), &[Code::BadValue]);
    check(&bandwidth("initiator='0' target='2'"), &[Code::BadValue]);
    let same = "initiator='0' target='0'";
    check(&(latency(same) + &bandwidth(same)), &[]);
    check(&(latency(same) + &latency(same)), &[Code::Conflict]);
    let cache =
        "<cache level='1' associativity='none' policy='none'><size value='8'/><line value='5'/></cache>";
    check_problems::<Cpu>(
        &format!("<cpu><numa><cell memory='1'>{cache}{cache}</cell></numa></cpu>"),
        &[Code::Conflict],
    );
    check_problems::<Cpu>(
        "<cpu><numa><cell memory='1'><cache level='0' associativity='none' policy='none'/></cell></numa></cpu>",
        &[Code::MissingElement, Code::BadValue],
    );
}

#[test]
fn what_a_cpu_says() {
    let (cpu, _) = read::<Cpu>(
        "<cpu mode='host-model'><feature policy='forbid' name='x'/>\
         <topology sockets='2' dies='3' cores='4' threads='1'/></cpu>",
    );
    assert_eq!((cpu.mode, cpu.features[0].policy), (Some(CpuMode::HostModel), Some(FeaturePolicy::Forbid)));
    assert_eq!(cpu.topology.unwrap().cpus(), 24);
}
