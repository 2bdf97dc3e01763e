//! Command lines and the domains they become.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use domain_model::Domain;
use domain_model::storage::Format;
use qemu_argv::dialect::Era;
use qemu_argv::import::{Files, NoFiles, era, format_of, import};

fn read(line: &str) -> (Domain, Vec<String>) {
    let (domain, problems) = import(line, Era::Modern, &NoFiles);
    (domain, problems.into_iter().map(|problem| problem.message).collect())
}

/// The words of `<qemu:commandline>`.
fn kept(domain: &Domain) -> Vec<&str> {
    domain.qemu_commandline.iter().flat_map(|line| &line.args).map(|arg| arg.value.as_str()).collect()
}

/// Reads a command line with these options: what is expected is in the XML, and nothing is left over.
fn check_options(options: &str, expected: &[&str]) {
    let (domain, problems) = read(&format!("qemu-system-x86_64 -nodefaults -display none {options}"));
    let xml = domain.write();
    for text in expected {
        assert!(xml.contains(text), "{options} lacks {text}:\n{xml}");
    }
    assert!(kept(&domain).is_empty() && problems.is_empty(), "{options}: {:?} {problems:?}", kept(&domain));
}

#[test]
fn options_become_elements() {
    check_options("-m 1.5G", &["<memory unit='KiB'>1572864</memory>"]);
    check_options("-m size=512,slots=2,maxmem=2G", &["<maxMemory slots='2' unit='KiB'>2097152</maxMemory>"]);
    check_options("-smp 4", &["<vcpu>4</vcpu>", "<topology sockets='1' cores='4' threads='1'/>"]);
    check_options(
        "-smp 2,maxcpus=8,sockets=2,cores=2,threads=2",
        &["<vcpu current='2'>8</vcpu>", "sockets='2' cores='2' threads='2'"],
    );
    check_options("-smp 8,sockets=2,threads=2", &["<topology sockets='2' cores='2' threads='2'/>"]);
    check_options("-enable-kvm", &["<domain type='kvm'"]);
    check_options("-accel kvm,dirty-ring-size=4096", &["<dirty-ring state='on' size='4096'/>"]);
    check_options("-M q35,accel=kvm,kernel-irqchip=split", &["machine='q35'", "<ioapic driver='qemu'/>"]);
    check_options("-machine acpi=off", &["<type arch='x86_64' machine='pc'>hvm</type>"]);
    check_options(
        "-cpu host,-vmx,migratable=off",
        &["mode='host-passthrough'", "migratable='off'", "<feature policy='disable' name='vmx'/>"],
    );
    check_options("-cpu max", &["mode='maximum'"]);
    check_options(
        "-cpu EPYC,+topoext,kvm=off,hv_vendor_id=abc",
        &["<model>EPYC</model>", "<hidden state='on'/>", "<vendor_id state='on' value='abc'/>"],
    );
    check_options(
        "-rtc base=localtime,clock=vm,driftfix=slew",
        &["<clock offset='localtime'>", "<timer name='rtc' tickpolicy='catchup' track='guest'/>"],
    );
    check_options("-rtc base=2006-06-17T16:01:21", &["<clock offset='absolute' start='1150560081'/>"]);
    check_options("-no-hpet", &["<timer name='hpet' present='no'/>"]);
    check_options(
        "-boot order=nd,menu=on,splash-time=3000",
        &["<boot dev='network'/>", "<boot dev='cdrom'/>", "<bootmenu enable='yes' timeout='3000'/>"],
    );
    check_options(
        "-kernel vmlinuz -initrd rd -append 'a b'",
        &["<kernel>vmlinuz</kernel>", "<initrd>rd</initrd>", "<cmdline>a b</cmdline>"],
    );
    check_options("-no-reboot", &["<on_reboot>destroy</on_reboot>"]);
    check_options("-global PIIX4_PM.disable_s3=1", &["<suspend-to-mem enabled='no'/>"]);
    check_options(
        "-usb",
        &["<controller type='usb' index='0' model='piix3-uhci'>", "slot='0x01' function='0x2'"],
    );
    check_options(
        "-device qemu-xhci,id=x -device usb-tablet,bus=x.0,port=2.1",
        &["<input type='tablet' bus='usb'>", "<address type='usb' bus='0' port='2.1'/>"],
    );
    check_options(
        "-device qemu-xhci -device usb-host,vendorid=0x1234,productid=0x5678",
        &["<vendor id='0x1234'/>", "<product id='0x5678'/>"],
    );
    check_options(
        "-device vfio-pci,host=0000:03:00.1",
        &["<address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/>"],
    );
    check_options(
        "-vga qxl -vnc 127.0.0.1:4,share=force-shared",
        &["<model type='qxl'/>", "port='5904'", "sharePolicy='force-shared'"],
    );
    check_options(
        "-vga virtio -spice port=5930,addr=127.0.0.1,disable-ticketing=on",
        &["<graphics type='spice' port='5930' autoport='no' listen='127.0.0.1'"],
    );
    check_options(
        "-audiodev pa,id=s,server=/run/p -device intel-hda -device hda-micro,audiodev=s",
        &["<codec type='micro'/>", "<audio id='1'/>", "type='pulseaudio' serverName='/run/p'"],
    );
    check_options(
        "-serial tcp:localhost:4444,server,nowait",
        &["<source mode='bind' host='localhost' service='4444'/>"],
    );
    check_options(
        "-serial unix:/run/s,server=on,wait=off -parallel file:/tmp/p",
        &["<source mode='bind' path='/run/s'/>", "<parallel type='file'>"],
    );
    check_options(
        "-chardev pty,id=a,logfile=/l -device isa-serial,chardev=a",
        &["<serial type='pty'>", "<log file='/l'/>"],
    );
    check_options(
        "-vga std -spice port=5901,disable-ticketing=on -device virtio-serial-pci,id=v -chardev spicevmc,id=c,name=vdagent -device virtserialport,bus=v.0,nr=3,chardev=c,name=com.redhat.spice.0",
        &[
            "<target type='virtio' name='com.redhat.spice.0'/>",
            "<address type='virtio-serial' controller='0' bus='0' port='3'/>",
        ],
    );
    check_options(
        "-chardev socket,id=t,path=/run/swtpm -tpmdev emulator,id=t0,chardev=t -device tpm-crb,tpmdev=t0",
        &["<tpm model='tpm-crb'>", "<source type='unix' mode='connect' path='/run/swtpm'/>"],
    );
    check_options(
        "-object memory-backend-memfd,id=m,size=128M,share=on -machine memory-backend=m -chardev socket,id=c,path=/run/fs -device vhost-user-fs-pci,chardev=c,tag=data",
        &[
            "<source type='memfd'/>",
            "<access mode='shared'/>",
            "<driver type='virtiofs'/>",
            "<source socket='/run/fs'/>",
            "<target dir='data'/>",
        ],
    );
    check_options(
        "-virtfs local,path=/srv,mount_tag=t,security_model=none,readonly=on",
        &["accessmode='squash'", "<source dir='/srv'/>", "<readonly/>"],
    );
    check_options("-device virtio-balloon-pci", &["<memballoon model='virtio'>"]);
    check_options("-device vhost-vsock-pci,guest-cid=5", &["<cid auto='no' address='5'/>"]);
    check_options("-device ib700 -watchdog-action pause", &["<watchdog model='ib700' action='pause'/>"]);
    check_options(
        "-netdev bridge,id=n,br=virbr0 -device e1000,netdev=n,mac=52:54:00:00:00:01",
        &["<interface type='bridge'>", "<source bridge='virbr0'/>", "<model type='e1000'/>"],
    );
    check_options(
        "-netdev tap,id=n,ifname=tap0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n",
        &["<target dev='tap0' managed='no'/>", "<driver name='vhost'/>"],
    );
    check_options(
        "-net nic,model=rtl8139 -net user",
        &["<interface type='user'>", "<model type='rtl8139'/>"],
    );
    check_options("-overcommit mem-lock=on -mem-prealloc", &["<locked/>", "<allocation mode='immediate'/>"]);
    check_options("-object iothread,id=iothread2", &["<iothreads>1</iothreads>", "<iothread id='2'/>"]);
}

#[test]
fn images_become_disks() {
    check_options(
        "-cdrom a.iso",
        &["device='cdrom'", "<source file='a.iso'/>", "<target dev='hdc' bus='ide'/>"],
    );
    check_options("-M q35 -hda /dev/sdb", &["<source dev='/dev/sdb'/>", "bus='sata'"]);
    check_options(
        "-drive file=a,format=qcow2,if=virtio,cache=none,aio=native,discard=on",
        &["cache='none' io='native' discard='unmap'", "<target dev='vda' bus='virtio'/>"],
    );
    check_options(
        "-drive file=nbd:h:10809:exportname=x,format=raw,if=virtio",
        &["<source protocol='nbd' name='x'>", "<host name='h' port='10809'/>"],
    );
    check_options(
        "-drive file=a,,b,format=raw,if=none,id=d -device virtio-blk-pci,drive=d,bootindex=0,serial=S",
        &["<source file='a,b'/>", "<boot order='1'/>", "<serial>S</serial>"],
    );
    check_options(
        "-blockdev driver=file,filename=/a,node-name=f -blockdev driver=qcow2,file=f,node-name=q -device ide-hd,drive=q,bus=ide.1,unit=1",
        &["type='qcow2'", "<address type='drive' controller='0' bus='1' target='0' unit='1'/>"],
    );
    check_options(
        r#"-blockdev '{"driver":"qcow2","node-name":"t","file":{"driver":"file","filename":"/t"},"backing":{"driver":"raw","file":{"driver":"file","filename":"/b"}}}' -device virtio-blk-pci,drive=t"#,
        &["<backingStore type='file'>", "<format type='raw'/>", "<source file='/b'/>"],
    );
    check_options(
        "-device virtio-scsi-pci,id=s -drive if=none,id=c,media=cdrom,file=c.iso -device scsi-cd,drive=c,bus=s.0,scsi-id=4",
        &["model='virtio-scsi'", "target='4' unit='0'"],
    );
    check_options(
        "-object iothread,id=io -drive if=none,id=d,format=raw,file=/d -device virtio-blk-pci,drive=d,iothread=io,num-queues=4",
        &["<iothreads>1</iothreads>", "queues='4'", "iothread='1'"],
    );
    check_options(
        "-drive if=pflash,unit=0,format=raw,readonly=on,file=/c.fd -drive if=pflash,unit=1,format=raw,file=/v.fd",
        &["<loader readonly='yes' type='pflash'>/c.fd</loader>", "<nvram>/v.fd</nvram>"],
    );
    check_options("-bios /b.bin", &["<loader type='rom'>/b.bin</loader>"]);
}

#[test]
fn what_has_no_place_is_kept() {
    let check = |options: &str, expected: &[&str]| {
        let (domain, problems) = read(&format!("qemu-system-x86_64 -nodefaults -display none {options}"));
        assert_eq!(kept(&domain), expected, "{options}:\n{}", domain.write());
        assert!(!problems.is_empty(), "{options}: nobody is told");
    };
    check("-trace a -foo", &["-trace", "a", "-foo"]);
    check("-device edu", &["-device", "edu,addr=0x2"]);
    check("-device '{\"driver\":\"edu\"}'", &["-device", "{\"addr\":\"0x2\",\"driver\":\"edu\"}"]);
    // A device stays with its controller, and a controller with its devices.
    check(
        "-device pcie-root-port,id=p -device isa-foo,bus=p",
        &["-device", "pcie-root-port,id=p,addr=0x2", "-device", "isa-foo,bus=p"],
    );
    check(
        "-device nvme,drive=n -drive if=none,id=n,file=a,format=raw",
        &["-device", "nvme,drive=n,addr=0x2", "-drive", "if=none,id=n,file=a,format=raw"],
    );
    // The card of `-nic` would be made before the domain's devices.
    check(
        "-nic user,hostfwd=tcp::1-:2,model=e1000",
        &["-netdev", "user,id=nic2,hostfwd=tcp::1-:2", "-device", "e1000,netdev=nic2,addr=0x2.0x0"],
    );
    // Without Spice there is nobody at the other end, and without shared memory no folder.
    check(
        "-chardev spicevmc,id=c,name=vdagent -device isa-serial,chardev=c",
        &["-chardev", "spicevmc,id=c,name=vdagent", "-device", "isa-serial,chardev=c"],
    );
    check(
        "-chardev socket,id=c,path=/s -device vhost-user-fs-pci,chardev=c,tag=t",
        &["-chardev", "socket,id=c,path=/s", "-device", "vhost-user-fs-pci,chardev=c,tag=t,addr=0x2"],
    );
    check("-machine nvdimm=on,graphics=off", &["-machine", "nvdimm=on,graphics=off"]);
    check("-cpu max,l3-cache=off", &["-global", "x86_64-cpu.l3-cache=off"]);
    check("-boot once=d", &["-boot", "once=d"]);
    check(
        "-drive file=a,format=raw,if=virtio,throttling.bps-total=1",
        &["-drive", "file=a,format=raw,if=virtio,throttling.bps-total=1"],
    );
}

#[test]
fn a_property_without_a_place_changes_its_device() {
    let (domain, problems) =
        read("qemu-system-x86_64 -nodefaults -device virtio-rng-pci,id=r,x-foo=3,y=on,z=w");
    let xml = domain.write();
    assert!(xml.contains("<alias name='ua-r'/>"), "{xml}");
    for text in [
        "<qemu:device alias='ua-r'>",
        "<qemu:property name='x-foo' type='unsigned' value='3'/>",
        "<qemu:property name='y' type='bool' value='true'/>",
        "<qemu:property name='z' type='string' value='w'/>",
    ] {
        assert!(xml.contains(text), "{xml}");
    }
    assert_eq!(problems, ["`x-foo`, `y`, `z` has no place in the domain; it goes to QEMU as it is"]);
}

#[test]
fn what_qemu_adds_unasked_is_spelt_out() {
    let check = |line: &str, expected: &[&str], absent: &[&str]| {
        let xml = read(line).0.write();
        for text in expected {
            assert!(xml.contains(text), "{line} lacks {text}:\n{xml}");
        }
        for text in absent {
            assert!(!xml.contains(text), "{line} has {text}:\n{xml}");
        }
    };
    let card = "<model type='e1000'/>";
    check(
        "qemu-system-x86_64 -display none",
        &[card, "<model type='vga'/>", "device='cdrom'", "device='floppy'", "<serial", "<parallel"],
        &["<graphics"],
    );
    check("qemu-system-x86_64 -nographic", &[card, "<serial type='stdio'>"], &["<graphics"]);
    check("qemu-system-x86_64", &["<graphics type='vnc'", "listen='127.0.0.1'"], &[]);
    check("qemu-system-x86_64 -M q35 -display none", &["<model type='e1000e'/>"], &["device='floppy'", card]);
    check(
        "qemu-system-x86_64 -nodefaults -nic none",
        &["<memballoon model='none'/>", "index='0' model='none'"],
        &["<video>", "<interface", "<serial"],
    );
    check("qemu-system-x86_64 -nodefaults -vnc :1", &["<model type='none'/>", "listen='0.0.0.0'"], &[]);
    check(
        "qemu-system-aarch64 -M virt -nodefaults",
        &["<type arch='aarch64' machine='virt'>hvm</type>"],
        &["<video>"],
    );
}

#[test]
fn files_are_asked_for() {
    struct Two;
    impl Files for Two {
        fn text(&self, path: &str) -> Result<String, String> {
            match path {
                "a.cfg" => {
                    Ok("[drive \"d\"]\n file = \"x\"\n if = \"virtio\"\n[memory]\n size = \"64\"\n"
                        .to_owned())
                }
                _ => Err("it is not there".to_owned()),
            }
        }

        fn format(&self, path: &str) -> Option<Format> {
            (path == "x").then_some(Format::Vmdk)
        }
    }
    let (domain, problems) = import("qemu-system-x86_64 -nodefaults -readconfig a.cfg", Era::Modern, &Two);
    let xml = domain.write();
    assert!(problems.is_empty(), "{problems:?}");
    assert!(xml.contains("type='vmdk'") && xml.contains("<memory unit='KiB'>65536</memory>"), "{xml}");
    let (_, problems) = import("qemu-system-x86_64 -readconfig b.cfg", Era::Modern, &Two);
    assert!(problems.iter().any(|problem| problem.is_error()), "{problems:?}");
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    let check = |head: &[u8], expected| assert_eq!(format_of(head), expected, "{head:?}");
    check(b"QFI\xfb\0\0\0\x03", Some(Format::Qcow2));
    check(b"QFI\xfb\0\0\0\x01", Some(Format::Qcow));
    check(b"KDMV", Some(Format::Vmdk));
    check(&[0; 512], Some(Format::Raw));
    check(b"short", None);
}

#[test]
fn old_command_lines_are_told_from_new_ones() {
    let check = |line: &str, expected| assert_eq!(era(line), expected, "{line}");
    check("qemu -M pc -net nic,vlan=0 -net user,vlan=0", Era::Historic);
    check("qemu -drive file=a,if=ide,index=0,cache=off", Era::Historic);
    check("qemu-system-x86_64 -pcidevice host=1:2.3", Era::Historic);
    check("qemu-system-x86_64 -net nic -net user", Era::Modern);
    check("qemu-system-x86_64 -nic user", Era::Modern);
}
