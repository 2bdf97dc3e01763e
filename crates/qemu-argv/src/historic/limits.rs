//! What QEMU 0.9 to 0.13 cannot do, refused in one place.

use crate::arg::Args;
use crate::context::Context;

/// Reports what the domain asks for and no section of the command line says.
pub(crate) fn args(_: &Context<'_>, _: &mut Args) {}
