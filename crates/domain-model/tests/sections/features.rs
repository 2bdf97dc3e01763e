//! `<features>`.

use domain_model::Code;
use domain_model::features::Features;
use domain_model::values::Scaled;
use domain_model::xml::text::{OnOff, YesNo};

use super::{check, check_problems, check_same, read};

#[test]
fn features_are_written_as_libvirt_does() {
    check::<Features>(
        "features",
        "<features><aia value='aplic'/><ps2 state='off'/><ras state='on'/><async-teardown/><tcg><tb-cache unit='MiB'>2</tb-cache>\
         </tcg><ibs value='fixed-na'/><sbbc value='fixed'/><cfpc value='broken'/><ccf-assist state='on'/><msrs unknown='ignore'/>\
         <nested-hv state='on'/><htm state='on'/><vmcoreinfo/><hpt resizing='required'><maxpagesize unit='MiB'>1</maxpagesize></hpt>\
         <ioapic driver='kvm'/><smm><tseg>3</tseg></smm><gic/><vmport state='off'/><pmu/><pvspinlock/>\
         <privnet/><viridian/><hap/><pae/><apic eoi='on'/><acpi/></features>",
        "<features>
  <acpi/>
  <apic eoi='on'/>
  <pae/>
  <hap state='on'/>
  <viridian/>
  <privnet/>
  <pvspinlock state='on'/>
  <pmu state='on'/>
  <vmport state='off'/>
  <gic/>
  <smm state='on'>
    <tseg unit='MiB'>3</tseg>
  </smm>
  <ioapic driver='kvm'/>
  <hpt resizing='required'>
    <maxpagesize unit='KiB'>1024</maxpagesize>
  </hpt>
  <vmcoreinfo state='on'/>
  <htm state='on'/>
  <nested-hv state='on'/>
  <msrs unknown='ignore'/>
  <ccf-assist state='on'/>
  <cfpc value='broken'/>
  <sbbc value='fixed'/>
  <ibs value='fixed-na'/>
  <tcg>
    <tb-cache unit='KiB'>2048</tb-cache>
  </tcg>
  <async-teardown enabled='yes'/>
  <ras state='on'/>
  <ps2 state='off'/>
  <aia value='aplic'/>
</features>",
    );
}

#[test]
fn hypervisor_features_are_written_as_libvirt_does() {
    check_same::<Features>(
        "features",
        "<features>
  <hyperv mode='custom'>
    <relaxed state='on'/>
    <vapic state='on'/>
    <spinlocks state='on' retries='4096'/>
    <vpindex state='on'/>
    <runtime state='on'/>
    <synic state='on'/>
    <stimer state='on'>
      <direct state='on'/>
    </stimer>
    <reset state='on'/>
    <vendor_id state='on' value='none of ours'/>
    <frequencies state='on'/>
    <reenlightenment state='on'/>
    <tlbflush state='on'>
      <direct state='on'/>
      <extended state='off'/>
    </tlbflush>
    <ipi state='on'/>
    <evmcs state='on'/>
    <avic state='on'/>
    <emsr_bitmap state='on'/>
    <xmm_input state='on'/>
  </hyperv>
  <kvm>
    <hidden state='on'/>
    <hint-dedicated state='off'/>
    <poll-control state='on'/>
    <pv-ipi state='off'/>
    <dirty-ring state='on' size='4096'/>
  </kvm>
  <xen>
    <e820_host state='on'/>
    <passthrough state='on' mode='share_pt'/>
  </xen>
</features>",
    );
    check_same::<Features>(
        "features",
        "<features>\n  <hyperv mode='passthrough'>\n  </hyperv>\n  <kvm>\n  </kvm>\n</features>",
    );
}

#[test]
fn what_features_say() {
    let (features, _) = read::<Features>(
        "<features><pmu/><vmport state='off'/><smm><tseg>16</tseg></smm><async-teardown enabled='no'/></features>",
    );
    assert_eq!((features.pmu, features.vmport, features.htm), (Some(OnOff::On), Some(OnOff::Off), None));
    assert_eq!(features.smm.unwrap().tseg, Some(Scaled(16 << 20)));
    assert_eq!(features.async_teardown, Some(YesNo::No));
}

#[test]
fn features_that_libvirt_refuses() {
    fn check(features: &str, expected: &[Code]) {
        check_problems::<Features>(&format!("<features>{features}</features>"), expected);
    }
    check("<hyperv><relaxed/></hyperv>", &[Code::MissingAttribute]);
    check("<hyperv><spinlocks state='on'/></hyperv>", &[Code::MissingAttribute]);
    check("<hyperv><spinlocks state='off'/></hyperv>", &[]);
    check("<hyperv><spinlocks state='on' retries='4094'/></hyperv>", &[Code::BadValue]);
    check("<hyperv><vendor_id state='on'/></hyperv>", &[Code::MissingAttribute]);
    check("<hyperv><vendor_id state='on' value='thirteen long'/></hyperv>", &[Code::BadValue]);
    check("<hyperv><vendor_id state='on' value='a,b'/></hyperv>", &[Code::BadValue]);
    check("<kvm><hidden/></kvm>", &[Code::MissingAttribute]);
    check("<kvm><dirty-ring state='on' size='4097'/></kvm>", &[Code::BadValue]);
    check("<kvm><dirty-ring state='on' size='131072'/></kvm>", &[Code::BadValue]);
    check("<gic version='5'/>", &[Code::BadValue]);
    check("<pmu state='yes'/>", &[Code::BadValue]);
    check("<apci/>", &[Code::UnknownFeature]);
    check("<capabilities policy='allow'/>", &[Code::UnknownElement]);
    check("<hyperv><relaxd state='on'/></hyperv>", &[Code::UnknownFeature]);
    check("<hyperv><stimer state='on'><directly state='on'/></stimer></hyperv>", &[Code::UnknownFeature]);
    check("<hyperv><tlbflush state='on'><extended/></tlbflush></hyperv>", &[Code::MissingAttribute]);
    check("<kvm><hiden state='on'/></kvm>", &[Code::UnknownFeature]);
    check("<xen><e820_host/><passthrough/></xen>", &[Code::MissingAttribute, Code::MissingAttribute]);
    check("<htm/><ps2/><msrs/>", &[Code::MissingAttribute; 3]);
}
