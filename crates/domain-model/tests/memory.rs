//! How much memory a large domain takes.

#![allow(unsafe_code)] // An allocator that counts cannot be made without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use domain_model::{Document, Domain};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; counting touches no memory but the counters.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller promises what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the memory is from `alloc` above, which is the system's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test alone, because others in the same process would be counted too.
#[test]
fn a_thousand_disks_take_less_than_ten_times_their_text() {
    let disk = |index: usize| {
        format!(
            "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2' discard='unmap'/>\n      \
             <source file='/var/lib/images/disk{index}.qcow2'/>\n      <target dev='sd{index}' bus='scsi'/>\n      \
             <address type='drive' controller='{}' bus='0' target='0' unit='{}'/>\n    </disk>\n",
            index / 64,
            index % 64,
        )
    };
    let disks: String = (0..1000).map(disk).collect();
    let text = format!("<domain type='kvm'>\n  <devices>\n{disks}  </devices>\n</domain>\n");
    let start = NOW.load(Ordering::Relaxed);
    let times =
        || (MOST.swap(NOW.load(Ordering::Relaxed), Ordering::Relaxed) - start) as f64 / text.len() as f64;
    times();
    let document = Document::parse("test", text.as_str()).unwrap();
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty());
    let reading = times();
    let written = domain.into_xml();
    let writing = times();
    assert!(written.contains("disk999.qcow2"));
    assert!(
        reading < 10.0 && writing < 10.0,
        "reading takes {reading:.1} times the text, writing {writing:.1}"
    );
    eprintln!("reading takes {reading:.1} times the text, writing {writing:.1}");
}
