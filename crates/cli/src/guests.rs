//! Guests that run already: finding them and asking their supervisors.

use std::time::Duration;

use runner::control::{ControlClient, ControlError};
use runner::runtime::{RuntimeDir, RuntimeError};

use crate::report::{Status, Stop};

/// How long a supervisor may take to answer what does not need QEMU.
pub const ANSWER: Duration = Duration::from_secs(5);

/// Where guests are entered.
pub fn directory() -> Result<RuntimeDir, Stop> {
    RuntimeDir::for_user().map_err(|error| refused(&error))
}

/// The supervisor of a guest.
pub fn supervisor(name: &str) -> Result<ControlClient, Stop> {
    directory()?.connect(name).map_err(|error| refused(&error))
}

/// Why a guest cannot be entered or found.
pub fn refused(error: &RuntimeError) -> Stop {
    Stop::new(Status::Failed, error.to_string())
}

/// Why a supervisor does not do what it is asked.
pub fn unanswered(name: &str, error: &ControlError) -> Stop {
    let status = match error {
        ControlError::Late(_) => Status::TimedOut,
        _ => Status::Failed,
    };
    Stop::new(status, format!("`{name}`: {error}"))
}
