//! `<seclabel>`: labels of mandatory access control.
