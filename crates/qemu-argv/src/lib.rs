//! QEMU's exact command line from a libvirt domain and a QEMU's capabilities.
