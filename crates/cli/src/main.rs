//! Runs libvirt domain XML on QEMU without libvirt.
fn main() {}
