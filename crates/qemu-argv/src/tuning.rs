//! Where threads run, processors that are added, limits nobody keeps.

use domain_model::cputune::{Cputune, Scheduling};
use domain_model::memory::Placement as Chosen;
use domain_model::values::CpuSet;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::{Args, Payload};
use crate::context::Context;
use crate::iothreads;
use crate::needs::{AddedProcessor, Placement, Thread};

/// Notes what is done once QEMU's threads are there, and says what is not done.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    if cx.is_libvirt() {
        return;
    }
    let added = processors(cx);
    let placements = placements(cx);
    if cx.config().supervised {
        out.needs.processors = added;
        out.needs.placements = placements;
    } else {
        let first = |origin: Option<Origin>, what: &str, out: &mut Args| {
            if let Some(origin) = origin {
                let message = format!("{what} can only be said once QEMU runs, so this command line cannot");
                out.problem(Diagnostic::warning(Code::NotYet, origin, message));
            }
        };
        first(added.first().map(|one| one.origin), "that there are more processors at the start", out);
        first(placements.first().map(|one| one.origin), "where threads run on the host", out);
    }
    unkept(cx, out);
}

/// The processors that are there at the start and can be taken away: QEMU gets them one by one (libvirt 2.2).
fn processors(cx: &Context<'_>) -> Vec<AddedProcessor> {
    let mut states: Vec<_> = cx
        .domain
        .vcpus
        .iter()
        .filter(|state| state.enabled != Some(YesNo::No) && state.hotpluggable == Some(YesNo::Yes))
        .collect();
    // Those without a place in the order come last, as they do in libvirt.
    states.sort_by_key(|state| (state.order.is_none_or(|order| order == 0), state.order));
    states.iter().map(|state| AddedProcessor { index: state.id, origin: state.meta.origin }).collect()
}

/// Where each thread runs that is not left to the host.
fn placements(cx: &Context<'_>) -> Vec<Placement> {
    let domain = cx.domain;
    let none = Cputune::default();
    let tune = domain.cputune.as_ref().unwrap_or(&none);
    let vcpu = domain.vcpu.as_ref();
    // What is not pinned itself runs where `<vcpu>` says.
    let default = vcpu
        .filter(|vcpu| vcpu.placement != Some(Chosen::Auto))
        .and_then(|vcpu| Some((vcpu.cpuset.clone()?, vcpu.meta.at("@cpuset"))));
    let emulator = tune.emulator_pin.clone().map(|cpus| (cpus, tune.meta.at("emulatorpin/@cpuset")));
    let emulator = emulator.or_else(|| default.clone());
    let place = |thread, own: Option<(CpuSet, Origin)>, how: Option<(Scheduling, Origin)>| {
        let cpus = own.or_else(|| default.clone());
        // Where it starts is where QEMU's first thread runs, which need not be where it belongs.
        let follows = emulator.as_ref().map(|(_, origin)| *origin);
        let origin = how.map(|how| how.1).or(cpus.as_ref().map(|cpus| cpus.1)).or(follows)?;
        let (cpus, scheduling) = (cpus.map(|cpus| cpus.0), how.map(|how| how.0));
        Some(Placement { thread, cpus, scheduling, origin })
    };
    let count = vcpu.map_or(1, |vcpu| vcpu.current.or(vcpu.count).unwrap_or(1));
    let vcpus: Vec<u32> = match domain.vcpus.as_slice() {
        [] => (0..count).collect(),
        states => {
            states.iter().filter(|state| state.enabled != Some(YesNo::No)).map(|state| state.id).collect()
        }
    };
    let of_vcpus = vcpus.into_iter().filter_map(|id| {
        let pin = tune.vcpu_pins.iter().find(|pin| pin.vcpu == id);
        let own = pin.and_then(|pin| Some((pin.cpuset.clone()?, pin.meta.at("@cpuset"))));
        let is_it = |set: &Option<CpuSet>| set.as_ref().is_some_and(|set| set.contains(id));
        let how = tune.vcpu_scheds.iter().find(|sched| is_it(&sched.vcpus));
        place(Thread::Vcpu(id), own, how.map(|sched| (sched.scheduling, sched.meta.origin)))
    });
    let of_iothreads = iothreads::ids(domain).into_iter().filter_map(|id| {
        let pin = tune.iothread_pins.iter().find(|pin| pin.iothread == id);
        let own = pin.and_then(|pin| Some((pin.cpuset.clone()?, pin.meta.at("@cpuset"))));
        let is_it = |set: &Option<CpuSet>| set.as_ref().is_some_and(|set| set.contains(id));
        let how = tune.iothread_scheds.iter().find(|sched| is_it(&sched.iothreads));
        let thread = Thread::Iothread(iothreads::object_id(id));
        place(thread, own, how.map(|sched| (sched.scheduling, sched.meta.origin)))
    });
    let mut all: Vec<Placement> = of_vcpus.chain(of_iothreads).collect();
    let how = tune.emulator_sched.as_ref().map(|sched| (sched.scheduling, sched.meta.origin));
    if emulator.is_some() || how.is_some() {
        all.extend(place(Thread::Main, emulator.clone(), how));
    }
    all
}

/// Says which limits nobody keeps: those that only control groups can keep, and memory of nodes that no argument says.
fn unkept(cx: &Context<'_>, out: &mut Args) {
    let domain = cx.domain;
    let mut found: Vec<(Origin, &str, &str)> = Vec::new();
    if let Some(tune) = &domain.cputune {
        let above_0 = |value: Option<u64>| value.is_some_and(|value| value > 0);
        let limits = |value: Option<i64>| value.is_some_and(|value| value > 0);
        for (is_set, name) in [
            (above_0(tune.shares), "shares"),
            (limits(tune.quota), "quota"),
            (limits(tune.global_quota), "global_quota"),
            (limits(tune.emulator_quota), "emulator_quota"),
            (limits(tune.iothread_quota), "iothread_quota"),
        ] {
            if is_set {
                found.push((tune.meta.at(name), name, "processor time is not limited"));
            }
        }
        let cachetune = tune.cachetunes.first().map(|tune| (tune.meta.origin, "cachetune"));
        let memorytune = tune.memorytunes.first().map(|tune| (tune.meta.origin, "memorytune"));
        for (origin, name) in [cachetune, memorytune].into_iter().flatten() {
            found.push((origin, name, "caches and memory bandwidth are not divided"));
        }
    }
    if let Some(tune) = &domain.memtune {
        for (is_set, name) in [
            (tune.hard_limit.is_some(), "hard_limit"),
            (tune.soft_limit.is_some(), "soft_limit"),
            (tune.swap_hard_limit.is_some(), "swap_hard_limit"),
        ] {
            if is_set {
                found.push((tune.meta.at(name), name, "the memory that QEMU uses is not limited"));
            }
        }
    }
    if let Some(tune) =
        domain.blkiotune.as_ref().filter(|tune| tune.weight.is_some() || !tune.devices.is_empty())
    {
        found.push((tune.meta.origin, "blkiotune", "the use of the host's block devices is not limited"));
    }
    for (origin, name, then) in found {
        let message = format!("nobody makes control groups here, as `<{name}>` needs: {then}");
        out.problem(Diagnostic::warning(Code::NotYet, origin, message));
    }
    if let Some(tune) = &domain.numatune {
        let is_said = out.list.iter().any(|arg| match &arg.payload {
            Payload::Props(props) => props.get("host-nodes").is_some(),
            Payload::None | Payload::Text(_) => false,
        });
        if !is_said && (tune.memory.is_some() || !tune.memnodes.is_empty()) {
            let message = "QEMU is not told of these nodes, and nobody makes control groups here: memory comes from \
                           whichever node has it";
            out.problem(Diagnostic::warning(Code::NotYet, tune.meta.origin, message));
        }
    }
}
