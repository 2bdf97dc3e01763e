//! How long domains take to read and write.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use domain_model::{Document, Domain};

fn main() {
    divan::main();
}

/// A guest of about 5 KB, such as `virt-install` makes.
fn guest() -> String {
    with_disks(1)
}

/// The same guest with any number of disks.
fn with_disks(count: usize) -> String {
    let disks: String = (0..count)
        .map(|index| {
            format!(
                "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2' discard='unmap'/>\n      \
                 <source file='/var/lib/images/disk{index}.qcow2'/>\n      \
                 <target dev='sd{}' bus='scsi'/>\n      \
                 <address type='drive' controller='{}' bus='0' target='0' unit='{}'/>\n    </disk>\n",
                letters(index),
                index / 64,
                index % 64,
            )
        })
        .collect();
    include_str!("guest.xml").replacen("    <controller", &format!("{disks}    <controller"), 1)
}

/// The letters of a disk's name: `a` to `z`, `aa` and so on.
fn letters(mut index: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'a' + u8::try_from(index % 26).unwrap()));
        match (index / 26).checked_sub(1) {
            Some(rest) => index = rest,
            None => return letters.into_iter().rev().collect(),
        }
    }
}

#[divan::bench]
fn parse_guest(bencher: divan::Bencher) {
    let text = guest();
    bencher.bench(|| Document::parse("guest.xml", text.as_str()).unwrap());
}

#[divan::bench]
fn read_guest(bencher: divan::Bencher) {
    let text = guest();
    bencher.bench(|| Domain::read(&Document::parse("guest.xml", text.as_str()).unwrap()));
}

#[divan::bench]
fn write_guest(bencher: divan::Bencher) {
    let (domain, _) = Domain::read(&Document::parse("guest.xml", guest()).unwrap());
    bencher.bench(|| domain.write());
}

#[divan::bench(args = [10, 100, 1000, 10_000])]
fn read_disks(bencher: divan::Bencher, count: usize) {
    let text = with_disks(count);
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .bench(|| Domain::read(&Document::parse("guest.xml", text.as_str()).unwrap()));
}
