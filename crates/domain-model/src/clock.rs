//! `<clock>`: the guest's clock and timers.
