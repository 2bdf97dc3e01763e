//! `<launchSecurity>`: the object that protects the guest from its host.

use caps_parser::Capability;
use domain_model::launch_security::{LaunchSecurityKind, Sev, SevCommon, SevSnp};
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::props::Props;

/// The id that the machine knows the object by.
const ID: &str = "lsec0";

/// Reports protection that the QEMU in use cannot give.
pub(crate) fn check(out: &mut Problems<'_>) {
    let Some(security) = &out.cx.domain.launch_security else { return };
    let (what, hashes) = match &security.kind {
        LaunchSecurityKind::Sev(sev) => (Capability::SevGuest, sev.common.kernel_hashes),
        LaunchSecurityKind::SevSnp(_) => (Capability::SevSnpGuest, None),
        LaunchSecurityKind::S390Pv => (Capability::S390PvGuest, None),
    };
    out.requires(what, "<launchSecurity>", security.meta.at("@type"));
    if hashes.is_some() {
        let origin = security.meta.at("@kernelHashes");
        out.requires(Capability::SevGuestKernelHashes, "kernelHashes=", origin);
    }
}

/// The object that protects the guest.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let Some(security) = &cx.domain.launch_security else { return };
    let object = |kind| Props::new("qom-type", kind, security.meta.origin).set("id", ID);
    match &security.kind {
        LaunchSecurityKind::Sev(sev) => {
            let Some((cbitpos, reduced)) = sizes(&sev.common, cx, out) else { return };
            out.props("-object", sev_props(sev, object("sev-guest"), cbitpos, reduced, cx));
            out.needing(Capability::SevGuest);
        }
        LaunchSecurityKind::SevSnp(snp) => {
            let Some((cbitpos, reduced)) = sizes(&snp.common, cx, out) else { return };
            out.props("-object", snp_props(snp, object("sev-snp-guest"), cbitpos, reduced));
            out.needing(Capability::SevSnpGuest);
        }
        LaunchSecurityKind::S390Pv => {
            out.props("-object", object("s390-pv-guest"));
            out.needing(Capability::S390PvGuest);
        }
    }
}

/// Which bit says that memory is encrypted, and how many bits of addresses are lost: the host's if not written.
fn sizes(common: &SevCommon, cx: &Context<'_>, out: &mut Args) -> Option<(u32, u32)> {
    let host = cx.inputs.caps.facts.sev.offered();
    let cbitpos = common.cbitpos.or_else(|| host.map(|sev| sev.cbitpos));
    let reduced = common.reduced_phys_bits.or_else(|| host.map(|sev| sev.reduced_phys_bits));
    let sizes = cbitpos.zip(reduced);
    if sizes.is_none() {
        let message = "this QEMU does not say where the host encrypts memory";
        let origin = cx.domain.meta.at("launchSecurity");
        let help = "write `<cbitpos>` and `<reducedPhysBits>`";
        out.problem(Diagnostic::error(Code::Unsupported, origin, message).help(help));
    }
    sizes
}

fn sev_props(sev: &Sev, props: Props, cbitpos: u32, reduced: u32, cx: &Context<'_>) -> Props {
    let file = |name: &str, given: &Option<String>| {
        given.as_ref().map(|_| format!("{}/{name}.base64", cx.guest_dir()))
    };
    props
        .set("cbitpos", cbitpos)
        .set("reduced-phys-bits", reduced)
        .set("policy", sev.policy.map(|policy| policy.0))
        .set("dh-cert-file", file("dh_cert", &sev.dh_cert))
        .set("session-file", file("session", &sev.session))
        .requires(
            Capability::SevGuestKernelHashes,
            "kernel-hashes",
            sev.common.kernel_hashes,
            cx.domain.meta.at("launchSecurity/@kernelHashes"),
        )
}

fn snp_props(snp: &SevSnp, props: Props, cbitpos: u32, reduced: u32) -> Props {
    // QEMU has a switch for keys that are not to be had.
    let vcek_disabled = snp.vcek.map(|vcek| !bool::from(vcek));
    props
        .set("cbitpos", cbitpos)
        .set("reduced-phys-bits", reduced)
        .set("kernel-hashes", snp.common.kernel_hashes)
        .set("policy", snp.policy.map(|policy| policy.0))
        .set("guest-visible-workarounds", snp.guest_visible_workarounds.as_ref())
        .set("id-block", snp.id_block.as_ref())
        .set("id-auth", snp.id_auth.as_ref())
        .set("host-data", snp.host_data.as_ref())
        .set("author-key-enabled", snp.author_key)
        .set("vcek-disabled", vcek_disabled)
}
