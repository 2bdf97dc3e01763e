//! `<sysinfo>`: what SMBIOS says.
