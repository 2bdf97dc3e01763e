//! `<launch_security>`: encrypted guests.
