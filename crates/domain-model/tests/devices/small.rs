//! The families that have few elements: input, output, and what a board has once.

use domain_model::Code;

use super::{check, check_problem, check_same};

#[test]
fn inputs() {
    check_same("<input type='tablet' bus='usb'/>");
    check_same("<input type='keyboard' bus='virtio' model='virtio-non-transitional'/>");
    check_same(
        "<input type='passthrough' bus='virtio'>\n  <driver iommu='on' ats='off'/>\n  \
         <source evdev='/dev/input/event7'/>\n</input>",
    );
    check_same(
        "<input type='evdev'>\n  \
         <source dev='/dev/input/event4' grab='all' grabToggle='alt-alt' repeat='on'/>\n</input>",
    );
    check_problem("<input type='wheel'/>", Code::UnknownWord, "`wheel`");
    check_problem("<input type='mouse' bus='adb'/>", Code::UnknownWord, "`ps2`");
    check_problem("<input bus='usb'/>", Code::Malformed, "`type`");
    check_problem("<sound model='ich9'><codec/></sound>", Code::UnknownWord, "`type`");
    let tpm = |inside: &str| format!("<tpm><backend type='emulator' {inside}</backend></tpm>");
    check_problem(&tpm("persistent_state='x'>"), Code::Malformed, "`yes`");
    check_problem(&tpm("><encryption secret='x'/>"), Code::Malformed, "UUID");
    check_problem(&tpm("><active_pcr_banks><md5/></active_pcr_banks>"), Code::UnknownFeature, "`<md5>`");
    for kind in ["fdc", "sata", "ccid", "isa", "xenbus"] {
        let text = format!("<controller type='{kind}' model='x'/>");
        check_problem(&text, Code::UnknownWord, "no model");
    }
    let side = "<source mode='connect' host='h' service='1'/>";
    check_problem(
        &format!("<serial type='udp'>{side}{side}{side}</serial>"),
        Code::RepeatedElement,
        "two sides",
    );
}

#[test]
fn video_and_graphics() {
    check_same("<video>\n  <model type='none'/>\n</video>");
    check_same(
        "<video>\n  <model type='qxl' ram='131072' vram='32768' vram64='0' vgamem='8192' heads='2' primary='yes'>\n    \
         <resolution x='1280' y='800'/>\n  </model>\n</video>",
    );
    check_same(
        "<video>\n  <driver iommu='on' name='vhostuser'/>\n  <model type='virtio' heads='1' blob='on'>\n    \
         <acceleration accel3d='yes' rendernode='/dev/dri/renderD129'/>\n  </model>\n</video>",
    );
    check_same(
        "<graphics type='vnc' port='-1' autoport='yes' keymap='sv' sharePolicy='force-shared'>\n  \
         <listen type='socket' socket='/run/g/vnc.sock'/>\n</graphics>",
    );
    check_same(
        "<graphics type='spice' port='5907' tlsPort='5908' autoport='no' defaultMode='secure'>\n  \
         <listen type='address' address='198.51.100.9'/>\n  <channel name='main' mode='secure'/>\n  \
         <image compression='quic'/>\n  <clipboard copypaste='no'/>\n  <gl enable='no'/>\n</graphics>",
    );
    check_same("<graphics type='egl-headless'>\n  <gl rendernode='/dev/dri/renderD128'/>\n</graphics>");
    check_same("<graphics type='dbus' p2p='yes'>\n  <gl enable='yes'/>\n  <audio id='3'/>\n</graphics>");
    check_problem("<graphics type='x11'/>", Code::BadValue, "`x11`");
}

#[test]
fn sound_and_its_back_ends() {
    check_same("<sound model='usb' multichannel='yes'/>");
    check_same("<sound model='ich9'>\n  <codec type='output'/>\n  <audio id='2'/>\n</sound>");
    check_same("<sound model='virtio' streams='3'/>");
    check_same("<audio id='1' type='none'/>");
    check_same(
        "<audio id='4' type='pulseaudio' timerPeriod='900' serverName='sound.example'>\n  \
         <input mixingEngine='yes' fixedSettings='yes' voices='2'>\n    \
         <settings frequency='48000' channels='1' format='s32'/>\n  </input>\n  \
         <output streamName='guest' latency='40'/>\n</audio>",
    );
    check_problem("<sound model='gus'/>", Code::BadValue, "`gus`");
    check_problem("<audio id='0' type='none'/>", Code::BadValue, "id");
}

#[test]
fn what_a_board_has_once() {
    check_same("<watchdog model='diag288' action='inject-nmi'/>");
    check(
        "<memballoon model='virtio' freePageReporting='on' autodeflate='off'><driver packed='on'/><stats period='3'/></memballoon>",
        "<memballoon model='virtio' autodeflate='off' freePageReporting='on'>\n  <stats period='3'/>\n  \
         <driver packed='on'/>\n</memballoon>",
    );
    check_same("<panic model='pvpanic'/>");
    check_same("<panic/>");
    check_same("<vsock model='virtio-transitional'>\n  <cid auto='no' address='77'/>\n</vsock>");
    check_same(
        "<iommu model='intel'>\n  <driver intremap='on' caching_mode='off' iotlb='on' aw_bits='48'/>\n</iommu>",
    );
    check_same("<crypto model='virtio' type='qemu'>\n  <backend model='builtin' queues='2'/>\n</crypto>");
    check_same(
        "<pstore backend='acpi-erst'>\n  <path>/var/lib/g/pstore</path>\n  <size unit='KiB'>16</size>\n</pstore>",
    );
    check_same("<nvram>\n  <address type='spapr-vio' reg='0x00004000'/>\n</nvram>");
    check_problem("<panic model='drum'/>", Code::UnknownWord, "`drum`");
    check_problem("<hub type='pci'/>", Code::UnknownWord, "`usb`");
    let pstore = |size: &str| format!("<pstore backend='acpi-erst'><size unit='KiB'>{size}</size></pstore>");
    check_problem(&pstore("2"), Code::BadValue, "power of two");
    check_problem(&pstore("12"), Code::BadValue, "power of two");
    check_problem("<watchdog model='dog'/>", Code::BadValue, "`dog`");
    check_problem("<vsock><cid address='two'/></vsock>", Code::BadValue, "`two`");
}

#[test]
fn tpm_and_randomness() {
    check_same(
        "<tpm model='tpm-tis'>\n  <backend type='passthrough'>\n    <device path='/dev/tpm3'/>\n  </backend>\n</tpm>",
    );
    check_same(
        "<tpm model='tpm-crb'>\n  <backend type='emulator' version='2.0' persistent_state='yes' debug='5'>\n    \
         <active_pcr_banks>\n      <sha256/>\n      <sha512/>\n    </active_pcr_banks>\n    \
         <profile removeDisabled='check' name='local:strict'/>\n  </backend>\n</tpm>",
    );
    check_same(
        "<tpm model='tpm-spapr'>\n  <backend type='external'>\n    \
         <source type='unix' mode='connect' path='/run/g/tpm.sock'/>\n  </backend>\n</tpm>",
    );
    check_same(
        "<rng model='virtio-transitional'>\n  <rate bytes='512' period='250'/>\n  \
         <backend model='random'>/dev/hwrng</backend>\n  <driver iommu='on'/>\n</rng>",
    );
    check_same("<rng model='virtio'>\n  <backend model='builtin'/>\n</rng>");
    check_problem("<tpm model='tpm-tis'/>", Code::MissingElement, "`<backend>`");
    check_problem("<rng model='virtio'><backend model='dice'/></rng>", Code::BadValue, "`dice`");
}

#[test]
fn shared_memory_and_leases() {
    check_same(
        "<shmem name='ring' role='peer'>\n  <model type='ivshmem-plain'/>\n  <size unit='M'>8</size>\n</shmem>",
    );
    check_same(
        "<shmem name='bell'>\n  <model type='ivshmem-doorbell'/>\n  <server path='/run/g/shm.sock'/>\n  \
         <msi vectors='16' ioeventfd='off'/>\n</shmem>",
    );
    check_same(
        "<lease>\n  <lockspace>room</lockspace>\n  <key>door</key>\n  <target path='/lock/room' offset='512'/>\n</lease>",
    );
    check_problem("<shmem/>", Code::MissingAttribute, "`name`");
}

#[test]
fn addresses_of_channel_io() {
    let rng = |address: &str| {
        format!(
            "<rng model='virtio'><backend model='random'>/dev/random</backend><address type='ccw' {address}/></rng>"
        )
    };
    check_problem(&rng("cssid='0xfe' devno='1'"), Code::Malformed, "or none");
    check_problem(&rng("cssid='0xff' ssid='0' devno='1'"), Code::Malformed, "`cssid`");
    check_problem(&rng("cssid='0xfe' ssid='4' devno='1'"), Code::Malformed, "`ssid`");
    check_problem(&rng("cssid='0xfe' ssid='3' devno='0x10000'"), Code::Malformed, "`devno`");
}

#[test]
fn ipl_parameters_have_capital_letters() {
    let disk = |loadparm: &str| {
        format!(
            "<disk type='file' device='disk'>\n  <target dev='vda' bus='virtio'/>\n  <boot order='1' loadparm='{loadparm}'/>\n</disk>"
        )
    };
    check(&disk("ab. 1"), &disk("AB. 1"));
    check_problem(&disk("a_b"), Code::Malformed, "`loadparm`");
}

#[test]
fn a_missing_type_is_an_internal_error_of_libvirt() {
    for device in ["<hub/>", "<input bus='usb'/>"] {
        let (_, problems) = crate::read(device);
        assert!(problems.iter().any(|(code, _)| *code == Code::Malformed), "{device}: {problems:?}");
        let (_, problems) = crate::read(&device.replace('/', " type='?'/"));
        assert!(problems.iter().any(|(code, _)| *code == Code::UnknownWord), "{device}: {problems:?}");
    }
}

#[test]
fn default_says_nothing() {
    let (domain, problems) = crate::read("<video><model type='default'/></video>");
    let videos = &domain.devices.videos;
    assert_eq!((videos[0].spec.model.as_ref().unwrap().kind, problems.len()), (None, 0));
}
