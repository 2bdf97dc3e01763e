//! `<numatune>`: where memory comes from on the host.
