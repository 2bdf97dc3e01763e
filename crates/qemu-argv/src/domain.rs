//! `<domain>` itself: name, accelerator, monitor, and what every QEMU gets.

use caps_parser::Capability;
use domain_model::cputune::{Cputune, IothreadSched, Scheduler, VcpuSched};
use domain_model::domain::Genid;
use domain_model::pm::LifecycleAction;
use domain_model::seclabel::{Seclabel, SeclabelType};
use domain_model::values::{CpuSet, Uuid};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Domain, DomainType, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::config::Layout;
use crate::context::Context;
use crate::dialect::Era;
use crate::gate;
use crate::host::FdRequest;
use crate::props::Props;
use crate::resolve::Resolving;

const ENVIRONMENT: Origin = Origin::always("QEMU gets a small, known environment");
const PAUSED: Origin = Origin::always("QEMU starts paused, so that it is set up before the guest runs");
const MONITOR: Origin = Origin::always("the guest is controlled by a QMP monitor");
const NO_DEFAULTS: Origin = Origin::always("the guest has the devices of the domain and no others");

/// Checks and fills in what is directly below `<domain>`.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let origin = cx.domain.meta.at("name");
    match cx.domain.name.as_deref() {
        None | Some("") => {
            let message = "`<domain>` needs a `<name>`";
            cx.problems.push(Diagnostic::error(Code::MissingElement, origin, message));
        }
        Some(name) if name.contains('/') => {
            let message = format!("the name `{name}` contains a `/`");
            cx.problems.push(Diagnostic::error(Code::BadValue, origin, message));
        }
        Some(name) if name.chars().all(char::is_whitespace) => {
            let message = "the name is blank";
            cx.problems.push(Diagnostic::error(Code::BadValue, origin, message));
        }
        Some(_) => {}
    }
    match cx.dialect.era {
        // libvirt of 2011 saw this when the guest was started.
        Era::Historic => {}
        Era::Modern if cx.domain.kind == DomainType::Kvm && !cx.inputs.has(Capability::Kvm) => {
            let origin = cx.domain.meta.at("@type");
            cx.problems.push(gate::missing(Capability::Kvm, "<domain type='kvm'>", origin, cx.inputs.caps));
        }
        Era::Modern => {
            let kind = cx.domain.kind;
            let runs = match kind {
                DomainType::Qemu | DomainType::Kvm => true,
                DomainType::Hvf => cx.inputs.has(Capability::Hvf),
                DomainType::Kqemu | DomainType::Xen => false,
            };
            if !runs {
                let message = format!("{} runs no domains of type `{kind}`", cx.inputs.qemu());
                cx.problems.push(Diagnostic::error(Code::Unsupported, cx.domain.meta.at("@type"), message));
            }
        }
    }
    // A number is what a domain has while it runs.
    cx.domain.id = None;
    if cx.dialect.era == Era::Modern {
        cx.domain.tidy_metadata();
        one_by_one(&mut cx.domain);
        labels(&mut cx.domain);
    }
    if cx.dialect.era == Era::Modern && cx.domain.genid == Some(Genid::Generated) {
        cx.domain.genid = made_up(&cx.inputs.host.random(16)).map(Genid::Given);
    }
    let domain = &mut cx.domain;
    domain.pm.take_if(|pm| pm.suspend_to_mem.is_none() && pm.suspend_to_disk.is_none());
    domain.on_poweroff.get_or_insert(LifecycleAction::Destroy);
    domain.on_reboot.get_or_insert(LifecycleAction::Restart);
    domain.on_crash.get_or_insert(LifecycleAction::Destroy);
}

/// A UUID of random bytes: version 4 in the words of RFC 9562.
pub(crate) fn made_up(random: &[u8]) -> Option<Uuid> {
    let mut bytes: [u8; 16] = random.try_into().ok()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Some(Uuid(bytes))
}

/// Drops what says nothing, and what is said of processors that are not there.
fn forget(tune: &mut Cputune, vcpus: u32) {
    for period in
        [&mut tune.period, &mut tune.global_period, &mut tune.emulator_period, &mut tune.iothread_period]
    {
        period.take_if(|period| *period == 0);
    }
    for quota in [&mut tune.quota, &mut tune.global_quota, &mut tune.emulator_quota, &mut tune.iothread_quota]
    {
        quota.take_if(|quota| *quota == 0);
    }
    let scheds = tune.vcpu_scheds.iter_mut().map(|sched| &mut sched.scheduling);
    let scheds = scheds.chain(tune.iothread_scheds.iter_mut().map(|sched| &mut sched.scheduling));
    for sched in scheds.chain(tune.emulator_sched.iter_mut().map(|sched| &mut sched.scheduling)) {
        sched.priority.take_if(|_| !matches!(sched.scheduler, Scheduler::Fifo | Scheduler::Rr));
    }
    tune.vcpu_pins.retain(|pin| pin.vcpu < vcpus);
    let is_there = |set: &Option<CpuSet>| set.as_ref().and_then(CpuSet::last).is_none_or(|last| last < vcpus);
    tune.cachetunes
        .retain(|tune| is_there(&tune.vcpus) && !(tune.caches.is_empty() && tune.monitors.is_empty()));
    tune.memorytunes
        .retain(|tune| is_there(&tune.vcpus) && !(tune.nodes.is_empty() && tune.monitors.is_empty()));
}

/// Each thread has an element of its own that says how it is scheduled.
fn one_by_one(domain: &mut Domain) {
    let vcpus = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    let Some(tune) = &mut domain.cputune else { return };
    forget(tune, vcpus);
    if *tune == Cputune::default() {
        domain.cputune = None;
        return;
    }
    let vcpus = tune.vcpu_scheds.iter().flat_map(|sched| {
        let ids = sched.vcpus.iter().flat_map(CpuSet::iter);
        ids.map(move |id| (id, VcpuSched { vcpus: Some([id].into_iter().collect()), ..sched.clone() }))
    });
    let mut vcpus: Vec<(u32, VcpuSched)> = vcpus.collect();
    vcpus.sort_by_key(|(id, _)| *id);
    tune.vcpu_scheds = vcpus.into_iter().map(|(_, sched)| sched).collect();
    let iothreads = tune.iothread_scheds.iter().flat_map(|sched| {
        let ids = sched.iothreads.iter().flat_map(CpuSet::iter);
        ids.map(move |id| {
            (id, IothreadSched { iothreads: Some([id].into_iter().collect()), ..sched.clone() })
        })
    });
    let mut iothreads: Vec<(u32, IothreadSched)> = iothreads.collect();
    iothreads.sort_by_key(|(id, _)| *id);
    tune.iothread_scheds = iothreads.into_iter().map(|(_, sched)| sched).collect();
}

/// Without a security driver, a label that names none is for none.
fn label(domain: &mut Domain) {
    let [label] = domain.seclabels.as_mut_slice() else { return };
    let is_open = label.model.is_none()
        && match label.kind.unwrap_or(SeclabelType::Dynamic) {
            SeclabelType::None => true,
            SeclabelType::Dynamic => label.baselabel.is_none(),
            SeclabelType::Static => false,
        };
    if is_open {
        label.model = Some("none".to_owned());
    }
    if label.model.as_deref() == Some("none") {
        let Seclabel { model, meta, .. } = std::mem::take(label);
        *label = Seclabel { kind: Some(SeclabelType::None), model, meta, ..Seclabel::default() };
    }
}

/// Keeps of labels what a domain that does not run has of them.
fn labels(domain: &mut Domain) {
    // A label of no type leaves everything to the driver.
    domain.seclabels.retain(|label| label.kind.is_some() || label.model.is_none());
    for seclabel in &mut domain.seclabels {
        seclabel.imagelabel = None;
        match seclabel.kind {
            Some(SeclabelType::Dynamic) => {
                seclabel.label = None;
                seclabel.relabel.get_or_insert(YesNo::Yes);
            }
            Some(SeclabelType::Static) => {
                seclabel.baselabel = None;
                seclabel.relabel.get_or_insert(YesNo::No);
            }
            Some(SeclabelType::None) | None => {}
        }
    }
    label(domain);
}

/// Reports what QEMU's life cycle does not have.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let at = |path| domain.meta.at(path);
    for (name, action) in
        [("on_poweroff", domain.on_poweroff), ("on_reboot", domain.on_reboot), ("on_crash", domain.on_crash)]
    {
        let fits = match action {
            Some(LifecycleAction::RenameRestart) => false,
            Some(
                LifecycleAction::Preserve
                | LifecycleAction::CoredumpDestroy
                | LifecycleAction::CoredumpRestart,
            ) => name == "on_crash",
            Some(LifecycleAction::Destroy | LifecycleAction::Restart) | None => true,
        };
        if let Some(action) = action.filter(|_| !fits) {
            out.unsupported(at(name), format!("`{action}` is not an action of `<{name}>` with QEMU"));
        }
    }
    if domain.on_poweroff == Some(LifecycleAction::Restart)
        && domain.on_reboot == Some(LifecycleAction::Destroy)
    {
        let message = "a guest that ends when it reboots cannot start again when it powers off";
        out.unsupported(at("on_poweroff"), message);
    }
    if domain.genid.is_some() {
        out.requires(Capability::Vmgenid, "<genid>", at("genid"));
    }
    let has_resctrl = domain
        .cputune
        .as_ref()
        .is_some_and(|tune| !tune.cachetunes.is_empty() || !tune.memorytunes.is_empty());
    if has_resctrl && domain.kind != DomainType::Kvm {
        out.unsupported(at("cputune/cachetune"), "`<cachetune>` is for domains of type `kvm`");
    }
}

/// The environment that libvirt gives QEMU: directories of its own in place of the caller's.
pub(crate) fn environment(cx: &Context<'_>, out: &mut Args) {
    if !cx.is_libvirt() {
        return;
    }
    out.env("LC_ALL", "C", ENVIRONMENT);
    let passed = ["LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "HOME", "USER", "LOGNAME", "TMPDIR"];
    for name in passed {
        if let Some(value) = cx.inputs.host.env(name) {
            out.env(name, value, ENVIRONMENT);
        }
    }
    if cx.dialect.era == Era::Historic {
        return;
    }
    let home = cx.guest_dir();
    for (name, below) in [
        ("HOME", ""),
        ("XDG_DATA_HOME", "/.local/share"),
        ("XDG_CACHE_HOME", "/.cache"),
        ("XDG_CONFIG_HOME", "/.config"),
    ] {
        out.env(name, format!("{home}{below}"), ENVIRONMENT);
    }
}

/// `-name guest=…`
pub(crate) fn name(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("name");
    let rule = Origin::always("QEMU's threads have names of their own, for debuggers and `top`");
    out.props("-name", Props::plain(origin).set("guest", cx.name()).set_at("debug-threads", true, rule));
}

/// `-S`
pub(crate) fn start_paused(cx: &Context<'_>, out: &mut Args) {
    if cx.config().has_monitor() {
        out.flag("-S", PAUSED);
    }
}

/// The key that the secrets of libvirt's command lines are encrypted with.
pub(crate) fn master_key(cx: &Context<'_>, out: &mut Args) {
    if cx.is_libvirt() {
        let origin = Origin::always("secrets reach QEMU encrypted with a key of the guest's own");
        out.props(
            "-object",
            Props::new("qom-type", "secret", origin)
                .set("id", "masterKey0")
                .set("format", "raw")
                .set("file", format!("{}/master-key.aes", cx.guest_dir())),
        );
    }
}

/// `-accel`
pub(crate) fn accelerator(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("@type");
    let name = match cx.domain.kind {
        DomainType::Kvm => "kvm",
        DomainType::Hvf => "hvf",
        _ => "tcg",
    };
    out.props("-accel", crate::features::accelerator_options(cx, Props::new("accel", name, origin)));
}

/// `-uuid`
pub(crate) fn uuid(cx: &Context<'_>, out: &mut Args) {
    if let Some(uuid) = &cx.domain.uuid {
        out.text("-uuid", uuid.to_string(), cx.domain.meta.at("uuid"));
    }
}

/// The number that changes whenever the guest goes back in time.
pub(crate) fn generation_id(cx: &Context<'_>, out: &mut Args) {
    let guid = match cx.domain.genid {
        Some(Genid::Given(guid)) => guid.to_string(),
        // Without random numbers QEMU makes one up.
        Some(Genid::Generated) => "auto".to_owned(),
        None => return,
    };
    let origin = cx.domain.meta.at("genid");
    out.props("-device", Props::new("driver", "vmgenid", origin).set("guid", guid).set("id", "vmgenid0"));
    out.needing(Capability::Vmgenid);
}

/// `-display none` for a guest without a screen; a screen says itself where it is shown.
pub(crate) fn no_display(cx: &Context<'_>, out: &mut Args) {
    if !crate::device::has_own_display(cx.domain) {
        let origin = Origin::always("no `<graphics>` opens a window, so QEMU opens none");
        out.text("-display", "none", origin);
    }
}

/// `-no-user-config -nodefaults`
pub(crate) fn no_defaults(_: &Context<'_>, out: &mut Args) {
    out.flag("-no-user-config", NO_DEFAULTS);
    out.flag("-nodefaults", NO_DEFAULTS);
}

/// The QMP monitor, on a descriptor.
pub(crate) fn monitor(cx: &Context<'_>, out: &mut Args) {
    if !cx.config().has_monitor() {
        return;
    }
    // libvirt hands over a listening socket; a socket that is connected already needs neither a path nor
    // a moment at which somebody has to connect.
    let listens = cx.config().layout == Layout::Libvirt;
    crate::chardev::inherited("charmonitor", FdRequest::Monitor, listens, MONITOR, cx, out);
    out.props(
        "-mon",
        Props::plain(MONITOR).set("chardev", "charmonitor").set("id", "monitor").set("mode", "control"),
    );
}

/// `-sandbox`
pub(crate) fn sandbox(cx: &Context<'_>, out: &mut Args) {
    // A helper that QEMU starts, and that has more rights than its user, cannot live in the sandbox.
    let starts_helpers = !cx.config().has_monitor() && crate::device::interface::starts_helpers(cx.domain);
    if cx.config().seccomp && cx.has(Capability::SeccompSandbox) && !starts_helpers {
        let origin = Origin::always("QEMU is kept from system calls that it does not need");
        let sandbox = Props::new("enable", true, origin)
            .set("obsolete", "deny")
            .set("elevateprivileges", "deny")
            .set("spawn", "deny")
            .set("resourcecontrol", "deny");
        out.props("-sandbox", sandbox);
        out.needing(Capability::SeccompSandbox);
    }
}

/// `-run-with`: whether memory is given back in the background after the guest's end, and what QEMU does when
/// whoever supervises it dies.
pub(crate) fn run_with(cx: &Context<'_>, out: &mut Args) {
    let teardown = cx.domain.features.as_ref().and_then(|features| features.async_teardown);
    let teardown = teardown.filter(|_| cx.has(Capability::RunWithAsyncTeardown));
    let follows = cx.config().supervised && cx.has(Capability::RunWithExitWithParent);
    let origin = match teardown {
        Some(_) => cx.domain.meta.at("features/async-teardown/@enabled"),
        None if follows => {
            Origin::always("QEMU writes back its caches and ends when whoever supervises it has died")
        }
        None => return,
    };
    let props = Props::plain(origin).set("async-teardown", teardown);
    out.props("-run-with", props.set("exit-with-parent", follows.then_some(true)));
}

/// `-msg timestamp=on`
pub(crate) fn messages(cx: &Context<'_>, out: &mut Args) {
    if cx.config().log_timestamp {
        let origin = Origin::always("QEMU's messages say when");
        out.props("-msg", Props::plain(origin).set("timestamp", true));
    }
}
