//! `<pm>`: suspend to memory and disk.
