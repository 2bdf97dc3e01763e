//! `<iothreads>`: threads that work for disks and controllers.

use std::collections::BTreeSet;

use caps_parser::Capability;
use domain_model::device::iothread_map::IothreadMap;
use domain_model::iothreads::Iothread;
use domain_model::xml::Meta;
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;

/// The most threads that a guest can have; more are a mistake.
const MAX: u32 = 16_384;

/// Numbers the threads that have no number of their own.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let domain = &mut cx.domain;
    // What says nothing is not kept.
    for thread in &mut domain.iothread_ids {
        thread.poll.take_if(|poll| poll.max.is_none() && poll.grow.is_none() && poll.shrink.is_none());
    }
    domain
        .default_iothread
        .take_if(|thread| thread.thread_pool_min.is_none() && thread.thread_pool_max.is_none());
    let written = u32::try_from(domain.iothread_ids.len()).unwrap_or(u32::MAX);
    let count = domain.iothreads.unwrap_or_default().max(written);
    if count > MAX {
        let message = format!("{count} I/O threads are more than {MAX}");
        let origin = domain.meta.at("iothreads");
        cx.problems.push(Diagnostic::error(Code::Unsupported, origin, message));
        return;
    }
    domain.iothreads = (count > 0).then_some(count);
    // Threads that only have numbers, and those in order, need not be written one by one.
    if domain.iothread_ids.is_empty() {
        return;
    }
    let taken: BTreeSet<u32> = domain.iothread_ids.iter().map(|thread| thread.id).collect();
    let origin = domain.meta.at("iothreads").implies("threads get the lowest free numbers");
    let free = (1..=u32::MAX).filter(|id| !taken.contains(id));
    let missing = usize::try_from(count - written).unwrap_or_default();
    let numbered =
        free.take(missing).map(|id| Iothread { id, meta: Meta::from_origin(origin), ..Iothread::default() });
    domain.iothread_ids.extend(numbered);
}

/// The numbers of all threads.
pub(crate) fn ids(domain: &Domain) -> Vec<u32> {
    match domain.iothread_ids.as_slice() {
        [] => (1..=domain.iothreads.unwrap_or_default()).collect(),
        threads => threads.iter().map(|thread| thread.id).collect(),
    }
}

/// Refuses limits of pools of threads that QEMU cannot set.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let limited = domain
        .iothread_ids
        .iter()
        .filter(|thread| thread.thread_pool_min.is_some() || thread.thread_pool_max.is_some())
        .map(|thread| thread.meta.origin);
    // A main loop without limits has been dropped.
    let main = domain.default_iothread.iter().map(|main| main.meta.origin);
    if let Some(origin) = limited.chain(main).next() {
        out.requires(Capability::IothreadThreadPoolMax, "thread_pool_max", origin);
    }
}

/// Refuses a device that a thread works for which is not there.
pub(crate) fn exists(id: u32, origin: Origin, out: &mut Problems<'_>) {
    if !ids(out.cx.domain).contains(&id) {
        out.unsupported(origin, format!("there is no I/O thread {id}"));
    }
}

/// Refuses a map of queues to threads in which a thread or queue occurs twice, or a queue that there is not.
pub(crate) fn map(map: &IothreadMap, queues: Option<u32>, out: &mut Problems<'_>) {
    let (mut threads, mut served) = (BTreeSet::new(), BTreeSet::new());
    let has_queues = map.iothreads.iter().any(|thread| !thread.queues.is_empty());
    if has_queues && queues.is_none() {
        let message = "which queues the threads serve can only be said if `queues` says how many there are";
        out.unsupported(map.meta.origin, message);
        return;
    }
    let all = map.iothreads.iter().flat_map(|thread| &thread.queues).map(|queue| queue.id);
    let all: BTreeSet<u32> = all.collect();
    let count = queues.filter(|_| has_queues).unwrap_or_default();
    if let Some(missing) = (0..count).find(|queue| !all.contains(queue)) {
        out.unsupported(map.meta.origin, format!("no I/O thread serves the queue {missing}"));
    }
    for thread in &map.iothreads {
        let origin = thread.meta.at("@id");
        if !threads.insert(thread.id) {
            out.unsupported(origin, format!("the I/O thread {} has two entries", thread.id));
        }
        if has_queues && thread.queues.is_empty() {
            let message = format!("the I/O thread {} has no queues, while others have", thread.id);
            out.unsupported(origin, message);
        }
        for queue in &thread.queues {
            let origin = queue.meta.at("@id");
            if queues.is_some_and(|queues| queue.id >= queues) {
                out.unsupported(origin, format!("there is no queue {}: they are numbered from 0", queue.id));
            } else if !served.insert(queue.id) {
                out.unsupported(origin, format!("two I/O threads serve the queue {}", queue.id));
            }
        }
    }
}

/// The id of the object of a thread.
pub(crate) fn object_id(number: u32) -> String {
    format!("iothread{number}")
}

/// The objects of the threads, and the settings of the main loop.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let domain = cx.domain;
    if domain.iothread_ids.is_empty() {
        for id in ids(domain) {
            let origin = domain.meta.at("iothreads");
            out.props("-object", Props::new("qom-type", "iothread", origin).set("id", object_id(id)));
        }
    }
    for thread in &domain.iothread_ids {
        let at = |path| thread.meta.at(path);
        let poll = thread.poll.as_ref();
        let props = Props::new("qom-type", "iothread", thread.meta.origin)
            .set_at("id", object_id(thread.id), at("@id"))
            .set_at("thread-pool-min", thread.thread_pool_min, at("@thread_pool_min"))
            .set_at("thread-pool-max", thread.thread_pool_max, at("@thread_pool_max"))
            .set_at("poll-max-ns", poll.and_then(|poll| poll.max), at("poll/@max"))
            .set_at("poll-grow", poll.and_then(|poll| poll.grow), at("poll/@grow"))
            .set_at("poll-shrink", poll.and_then(|poll| poll.shrink), at("poll/@shrink"));
        out.props("-object", props);
    }
    if let Some(main) = &domain.default_iothread {
        let props = Props::new("qom-type", "main-loop", main.meta.origin)
            .set("id", "main-loop")
            .set_at("thread-pool-min", main.thread_pool_min, main.meta.at("@thread_pool_min"))
            .set_at("thread-pool-max", main.thread_pool_max, main.meta.at("@thread_pool_max"));
        out.props("-object", props);
    }
}
