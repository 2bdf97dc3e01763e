//! What has to be so before a guest runs.

use std::collections::VecDeque;

use serde_json::Value;
use serde_json::value::RawValue;

use super::plan::{Setup, Thread};
use crate::threads::Placement;

/// What is left to be done.
#[derive(Debug, Default)]
pub(super) struct Steps {
    left: VecDeque<Setup>,
    done: usize,
    /// What adds the processor of the current step, once it is known.
    processor: Option<Value>,
}

/// What is to be asked next.
pub(super) enum Next {
    /// This command.
    Ask(String, Option<Value>),
    /// Nothing; the main thread is placed.
    Place(Placement),
    /// Everything is done.
    Nothing,
}

impl Steps {
    pub(super) fn new(all: Vec<Setup>) -> Self {
        Self { left: all.into(), ..Self::default() }
    }

    /// The place of the current step in the plan.
    pub(super) fn number(&self) -> usize {
        self.done
    }

    /// What the first step that is left begins with.
    pub(super) fn next(&self) -> Next {
        match self.left.front() {
            None => Next::Nothing,
            Some(Setup::Execute(command, arguments)) => Next::Ask(command.clone(), Some(arguments.clone())),
            Some(Setup::AddProcessor(_)) => match &self.processor {
                None => Next::Ask("query-hotpluggable-cpus".to_owned(), None),
                Some(processor) => Next::Ask("device_add".to_owned(), Some(processor.clone())),
            },
            Some(Setup::Place(Thread::Main, placement)) => Next::Place(placement.clone()),
            Some(Setup::Place(Thread::Vcpu(_), _)) => Next::Ask("query-cpus-fast".to_owned(), None),
            Some(Setup::Place(Thread::Iothread(_), _)) => Next::Ask("query-iothreads".to_owned(), None),
        }
    }

    /// Ends the current step with QEMU's answer.
    pub(super) fn answered(&mut self, answer: &RawValue) -> Result<(), String> {
        if let (Some(Setup::AddProcessor(index)), None) = (self.left.front(), &self.processor) {
            let found = processor(answer, *index).ok_or("QEMU has no such processor")?;
            self.processor = Some(found);
            return Ok(());
        }
        if let Some(Setup::Place(thread, placement)) = self.left.front() {
            let (key, wanted) = match thread {
                Thread::Main => return Ok(()),
                Thread::Vcpu(index) => ("cpu-index", Value::from(*index)),
                Thread::Iothread(id) => ("id", Value::from(id.as_str())),
            };
            let all: Vec<Value> = serde_json::from_str(answer.get()).unwrap_or_default();
            let found = all.iter().find(|one| one.get(key) == Some(&wanted));
            let number = found.and_then(|one| one.get("thread-id")?.as_u64());
            let number = number.and_then(|number| u32::try_from(number).ok());
            let number = number.ok_or_else(|| format!("QEMU has no thread for {key} {wanted}"))?;
            placement.apply(number).map_err(|error| could_not(&error))?;
        }
        self.step();
        Ok(())
    }

    /// Ends the current step.
    pub(super) fn step(&mut self) {
        self.left.pop_front();
        self.processor = None;
        self.done = self.done.saturating_add(1);
    }
}

/// The arguments of `device_add` for a virtual processor.
fn processor(answer: &RawValue, index: u32) -> Option<Value> {
    let mut all: Vec<Value> = serde_json::from_str(answer.get()).ok()?;
    // QEMU lists them in no order; a guest's processors are counted along its topology.
    let place = |one: &Value| {
        let levels = ["drawer-id", "book-id", "socket-id", "die-id", "cluster-id", "core-id", "thread-id"];
        levels.map(|level| one.get("props").and_then(|props| props.get(level)?.as_u64()))
    };
    all.sort_by_key(place);
    let mut first = 0;
    for one in &all {
        if first == u64::from(index) {
            let mut arguments = one.get("props")?.as_object()?.clone();
            arguments.insert("driver".into(), one.get("type")?.clone());
            arguments.insert("id".into(), format!("vcpu{index}").into());
            return Some(arguments.into());
        }
        // On some machines a core is added as a whole.
        first = first.saturating_add(one.get("vcpus-count").and_then(Value::as_u64).unwrap_or(1));
    }
    None
}

/// Why a thread is not where it should be.
pub(super) fn could_not(error: &std::io::Error) -> String {
    format!("cannot place the thread: {error}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn processors_are_counted_along_the_topology() {
        let one = |socket: u32, core: u32| json!({"type": "t", "vcpus-count": 2, "props": {"socket-id": socket, "core-id": core}});
        let listed = json!([one(1, 1), one(1, 0), one(0, 1), one(0, 0)]).to_string();
        let answer = RawValue::from_string(listed).unwrap();
        for (index, expected) in [
            (0, Some(json!({"driver": "t", "id": "vcpu0", "socket-id": 0, "core-id": 0}))),
            (4, Some(json!({"driver": "t", "id": "vcpu4", "socket-id": 1, "core-id": 0}))),
            (1, None),
            (8, None),
        ] {
            assert_eq!(processor(&answer, index), expected, "{index}");
        }
    }
}
