//! libvirt's domain XML as a typed, lossless Rust model with positions.
