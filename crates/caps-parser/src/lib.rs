//! Capabilities of any QEMU, read from help texts and QMP replies.
