//! `<iothreads>`: threads that serve devices.
