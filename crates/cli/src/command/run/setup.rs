//! What has to be so before the guest runs, and why.

use domain_model::Origin;
use domain_model::cputune::Scheduler as Word;
use qemu_argv::Needs;
use qemu_argv::needs::{self, Thread as Named};
use runner::supervise::{Setup, Thread};
use runner::threads::{Cpus, Placement, Scheduler};

/// Everything that has to be so, in order, each with its place.
pub(super) fn setup(needs: &Needs) -> Vec<(Setup, Origin)> {
    let processors = needs.processors.iter().map(|one| (Setup::AddProcessor(one.index), one.origin));
    let commands = needs.commands.iter().map(|command| {
        (Setup::Execute(command.execute.to_owned(), command.arguments.clone()), command.origin)
    });
    let placements = needs.placements.iter().map(|one| (place(one), one.origin));
    processors.chain(commands).chain(placements).collect()
}

fn place(placement: &needs::Placement) -> Setup {
    let thread = match &placement.thread {
        Named::Main => Thread::Main,
        Named::Vcpu(number) => Thread::Vcpu(*number),
        Named::Iothread(id) => Thread::Iothread(id.clone()),
    };
    let scheduler = placement.scheduling.map(|how| {
        let priority = how.priority.unwrap_or_default();
        match how.scheduler {
            Word::Batch => Scheduler::Batch,
            Word::Idle => Scheduler::Idle,
            Word::Fifo => Scheduler::Fifo(priority),
            Word::Rr => Scheduler::RoundRobin(priority),
        }
    });
    let cpus = match &placement.cpus {
        Some(cpus) => Cpus::These(cpus.iter().collect()),
        None => Cpus::Ours,
    };
    Setup::Place(thread, Placement { cpus, scheduler })
}
