//! `<blkiotune>`: block I/O weights and limits.
