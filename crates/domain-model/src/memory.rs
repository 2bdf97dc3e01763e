//! `<memory>`: how much memory, and how it is backed.
