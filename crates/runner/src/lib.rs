//! Starts, probes and supervises QEMU processes; swappable in tests.
