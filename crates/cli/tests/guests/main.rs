//! Linux guests and many guests, apart because they take time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod initramfs;
mod linux;
mod many;
#[path = "../end_to_end/support.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod support;
