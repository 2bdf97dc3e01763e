//! `<os>`: what the guest is and boots.
