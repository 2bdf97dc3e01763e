//! `<qemu>`: the `qemu:` namespace.
