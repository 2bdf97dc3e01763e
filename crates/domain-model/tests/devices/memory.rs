//! `<memory>` and `<nvram>`.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn every_model_is_kept() {
    check_same(
        "<memory model='dimm' access='private' discard='yes'>
  <source>
    <nodemask>1-3</nodemask>
    <pagesize unit='KiB'>2048</pagesize>
  </source>
  <target>
    <size unit='KiB'>524288</size>
    <node>0</node>
  </target>
  <address type='dimm' slot='0' base='0x100000000'/>
</memory>",
    );
    check_same(
        "<memory model='nvdimm' access='shared'>
  <uuid>00112233-4455-6677-8899-aabbccddeeff</uuid>
  <source>
    <path>/dev/dax0.0</path>
    <alignsize unit='KiB'>2048</alignsize>
    <pmem/>
  </source>
  <target>
    <size unit='KiB'>524288</size>
    <node>1</node>
    <label>
      <size unit='KiB'>128</size>
    </label>
    <readonly/>
  </target>
</memory>",
    );
    check_same(
        "<memory model='virtio-pmem' access='shared'>
  <source>
    <path>/images/pmem</path>
  </source>
  <target>
    <size unit='KiB'>524288</size>
    <address base='0x140000000'/>
  </target>
</memory>",
    );
    check_same(
        "<memory model='virtio-mem'>
  <source>
    <nodemask>0</nodemask>
  </source>
  <target dynamicMemslots='yes'>
    <size unit='KiB'>2097152</size>
    <node>0</node>
    <block unit='KiB'>2048</block>
    <requested unit='KiB'>1048576</requested>
    <current unit='KiB'>524288</current>
    <address base='0x150000000'/>
  </target>
</memory>",
    );
    check_same(
        "<memory model='sgx-epc'>
  <source>
    <nodemask>0-1</nodemask>
  </source>
  <target>
    <size unit='KiB'>65536</size>
  </target>
</memory>",
    );
}

#[test]
fn sizes_are_written_in_kib() {
    check(
        "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>",
        "<memory model='dimm'>\n  <target>\n    <size unit='KiB'>1048576</size>\n  </target>\n</memory>",
    );
    check(
        "<memory model='dimm'><target><size unit='b'>1025</size></target></memory>",
        "<memory model='dimm'>\n  <target>\n    <size unit='KiB'>2</size>\n  </target>\n</memory>",
    );
}

#[test]
fn what_libvirt_refuses_is_refused() {
    let memory = |attributes: &str, inner: &str| {
        format!("<memory {attributes}>{inner}<target><size>1</size></target></memory>")
    };
    check_problem(&memory("", ""), Code::MissingAttribute, "`model`");
    check_problem(&memory("model='nvdimm'", ""), Code::MissingElement, "`<path>`");
    check_problem(&memory("model='virtio-pmem'", ""), Code::MissingElement, "`<path>`");
    check_problem(&memory("model='drum'", ""), Code::BadValue, "`dimm`");
    check_problem("<memory model='dimm'/>", Code::MissingElement, "`<size>`");
}

#[test]
fn nvram_has_an_address() {
    check_same("<nvram>\n  <address type='spapr-vio' reg='0x00003000'/>\n</nvram>");
}
