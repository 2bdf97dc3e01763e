//! The names of CPU features, libvirt's and QEMU's.

use domain_model::Domain;

/// Features whose names differ: libvirt's and QEMU's (since QEMU 2.4, which has one spelling for all).
const SPELLINGS: [(&str, &str); 13] = [
    ("cmp_legacy", "cmp-legacy"),
    ("ds_cpl", "ds-cpl"),
    ("fxsr_opt", "fxsr-opt"),
    ("kvm_pv_eoi", "kvm-pv-eoi"),
    ("kvm_pv_unhalt", "kvm-pv-unhalt"),
    ("lahf_lm", "lahf-lm"),
    ("nodeid_msr", "nodeid-msr"),
    ("pclmuldq", "pclmulqdq"),
    ("perfctr_core", "perfctr-core"),
    ("perfctr_nb", "perfctr-nb"),
    ("sse4_1", "sse4.1"),
    ("sse4_2", "sse4.2"),
    ("tsc_adjust", "tsc-adjust"),
];

/// QEMU's spelling of a feature: libvirt keeps some old ones.
pub(crate) fn to_qemu<'n>(domain: &Domain, name: &'n str) -> &'n str {
    if !crate::os::is_x86(domain) {
        return name;
    }
    SPELLINGS.iter().find(|(libvirt, _)| *libvirt == name).map_or(name, |(_, qemu)| qemu)
}

/// libvirt's spelling of a feature of an x86 CPU.
pub(crate) fn from_qemu(name: &str) -> &str {
    // The map has QEMU's spelling of these two by now; the other is what users may still have.
    if name.starts_with("sse4.") {
        return name;
    }
    SPELLINGS.iter().find(|(_, qemu)| *qemu == name).map_or(name, |(libvirt, _)| libvirt)
}

/// Whether QEMU never knew an x86 feature, or dropped it because it did nothing.
pub(crate) fn is_unknown_to_qemu(name: &str) -> bool {
    matches!(name, "cmt" | "mbm_total" | "mbm_local" | "osxsave" | "ospke")
}
