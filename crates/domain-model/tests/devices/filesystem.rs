//! `<filesystem>` and `<lease>`.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn a_virtiofs_directory_is_kept() {
    check_same(
        "<filesystem type='mount' accessmode='passthrough' model='virtio'>
  <driver type='virtiofs' queue='1024' packed='on'/>
  <binary path='/usr/bin/daemon' xattr='on'>
    <cache mode='always'/>
    <sandbox mode='chroot'/>
    <lock posix='on' flock='off'/>
    <thread_pool size='0'/>
    <openfiles max='1000'/>
  </binary>
  <idmap>
    <uid start='0' target='1000' count='1'/>
    <uid start='1' target='100000' count='65535'/>
    <gid start='0' target='1000' count='1'/>
  </idmap>
  <source dir='/srv'/>
  <target dir='tag'/>
  <readonly/>
</filesystem>",
    );
    check_same(
        "<filesystem type='mount'>\n  <driver type='virtiofs'/>\n  <source socket='/run/fs.sock'/>\n  \
         <target dir='tag'/>\n</filesystem>",
    );
}

#[test]
fn modes_have_four_digits() {
    check(
        "<filesystem accessmode='mapped' multidevs='remap' fmode='640' dmode='0750'>\
         <driver type='path' wrpolicy='immediate'/><source dir='/srv'/><target dir='tag'/></filesystem>",
        "<filesystem type='mount' accessmode='mapped' multidevs='remap' fmode='0640' dmode='0750'>
  <driver type='path' wrpolicy='immediate'/>
  <source dir='/srv'/>
  <target dir='tag'/>
</filesystem>",
    );
    let mode = |mode: &str| {
        format!("<filesystem fmode='{mode}'><source dir='/srv'/><target dir='tag'/></filesystem>")
    };
    check_problem(&mode("0888"), Code::BadValue, "octal");
    check_problem(&mode("1000"), Code::BadValue, "at most `0777`");
}

#[test]
fn sources_of_containers_are_kept() {
    for (kind, source) in [
        ("block", "dev='/dev/vg/root'"),
        ("file", "file='/images/root.img'"),
        ("template", "name='small'"),
        ("ram", "usage='1024' units='KiB'"),
        ("bind", "dir='/other'"),
        ("volume", "pool='pool' volume='root'"),
    ] {
        check_same(&format!(
            "<filesystem type='{kind}'>\n  <source {source}/>\n  <target dir='/'/>\n  \
             <space_hard_limit unit='bytes'>4096</space_hard_limit>\n</filesystem>"
        ));
    }
}

#[test]
fn both_ends_are_needed() {
    check_problem("<filesystem><target dir='tag'/></filesystem>", Code::NotFound, "`<source>`");
    check_problem("<filesystem><source dir='/srv'/></filesystem>", Code::NotFound, "`<target>`");
}

#[test]
fn leases_are_kept() {
    check_same(
        "<lease>
  <lockspace>area</lockspace>
  <key>guest</key>
  <target path='/leases/guest' offset='512'/>
</lease>",
    );
    check_problem("<lease><target path='/leases/guest'/></lease>", Code::MissingElement, "`<key>`");
    check_problem("<lease><key>guest</key></lease>", Code::MissingElement, "`<target>`");
}
