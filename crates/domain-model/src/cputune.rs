//! `<cputune>`: where and how much the processors run.
