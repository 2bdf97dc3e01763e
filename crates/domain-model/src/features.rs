//! `<features>`: what the machine offers.
