//! Processors: `-cpu` and `-smp`.

use caps_parser::Capability;
use domain_model::os::Arch;

use crate::arg::Args;
use crate::context::Context;
use crate::gate;
use crate::props::Props;

/// `-cpu`
pub(crate) fn model(cx: &Context<'_>, out: &mut Args) {
    if let Some(model) = cx.domain.cpu.as_ref().and_then(|cpu| cpu.model.as_ref()) {
        cx.not_yet("a CPU model for these QEMUs", model.meta.origin, out);
        return;
    }
    // QEMU for 64-bit machines starts 32-bit guests with a 64-bit processor unless told otherwise.
    let emulator = cx.domain.devices.emulator.as_deref().unwrap_or_default();
    let is_64_bit =
        emulator.contains("x86_64") || cx.inputs.host.arch() == Some("x86_64") && emulator.contains("kvm");
    if cx.domain.os.arch == Some(Arch::I686) && is_64_bit {
        out.text("-cpu", "qemu32", cx.domain.meta.at("os/type/@arch"));
    }
}

/// `-smp`
pub(crate) fn topology(cx: &Context<'_>, out: &mut Args) {
    let Some(vcpu) = &cx.domain.vcpu else { return };
    let most = vcpu.count.unwrap_or(1);
    let current = vcpu.current.unwrap_or(most);
    let props = Props::new("cpus", current, vcpu.meta.origin);
    if !cx.has(Capability::SmpTopology) {
        if current != most {
            let what = "<vcpu current=…>";
            let origin = vcpu.meta.at("@current");
            out.problem(gate::missing(Capability::SmpTopology, what, origin, cx.inputs.caps));
        }
        out.props("-smp", props);
        return;
    }
    let topology = cx.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    let (sockets, cores, threads, origin) = match topology {
        Some(topology) => (topology.sockets, topology.cores, topology.threads, topology.meta.origin),
        None => (most, 1, 1, vcpu.meta.origin),
    };
    out.props(
        "-smp",
        props
            .set("maxcpus", (current != most).then_some(most))
            .set_at("sockets", sockets, origin)
            .set_at("cores", cores, origin)
            .set_at("threads", threads, origin),
    );
}
