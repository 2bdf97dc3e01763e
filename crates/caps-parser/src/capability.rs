//! The table of capabilities: a name and a rule each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rule::Rule;

/// Makes the enum, its names and its rules out of the table below. A row is a variant, libvirt's name for the capability
/// and the rule that decides it:
///
/// ```text
/// capabilities! {
///     VirtioTxAlg "virtio-tx-alg" DeviceProp("virtio-net-pci", "tx");
/// }
/// ```
///
/// gives `Capability::VirtioTxAlg`, whose `name()` is `virtio-tx-alg`, and which a QEMU has whose virtio-net-pci has a
/// property `tx`. Rows are sorted by name (in the order of bytes: upper case first), so that a name is found by bisection.
macro_rules! capabilities {
    ($($variant:ident $name:literal $rule:expr;)*) => {
        /// Something a QEMU can or cannot do. See [`Capability::rule`] for what decides each.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Capability {
            $(#[doc = concat!("`", $name, "`: `", stringify!($rule), "`")] $variant,)*
        }

        static TABLE: &[(Capability, &str)] = &[$((Capability::$variant, $name),)*];

        impl Capability {
            /// Every capability, sorted by name.
            pub const ALL: &'static [Capability] = &[$(Capability::$variant,)*];

            /// libvirt's name: `virtio-tx-alg`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What decides whether a QEMU has it.
            pub const fn rule(self) -> Rule {
                use Rule::*;
                match self {
                    $(Self::$variant => $rule,)*
                }
            }
        }
    };
}

// Names are libvirt's. Today's rules are those of libvirt 11.3.0; rules on options and their grammar are those of libvirt of
// February 2011, and for what came between the version in which QEMU got the feature. What libvirt assumes of every QEMU
// it still supports is written here as a version, so that one rule answers for the help text of 0.9 and the QMP of 11.
capabilities! {
    Release010 "0.10" Since(0, 10, 0);
    VgaDevice "VGA" Device("VGA");
    VgaVgamemMb "VGA.vgamem_mb" DeviceProp("VGA", "vgamem_mb");
    Aarch64Off "aarch64-off" ByHand;
    AcpiErst "acpi-erst" Device("acpi-erst");
    AcpiIndex "acpi-index"
        AnyDeviceProp(&["virtio-blk-pci", "virtio-net-pci", "virtio-scsi-pci", "virtio-blk-ccw",
            "virtio-net-ccw", "virtio-scsi-ccw", "virtio-gpu-pci", "virtio-gpu-device", "virtio-balloon-pci",
            "virtio-balloon-ccw", "virtio-balloon-device", "virtio-gpu-ccw"], "acpi-index");
    ActiveCommit "active-commit" All(&[Command("block-commit"), Since(2, 0, 0)]);
    AddFd "add-fd" Command("add-fd");
    AesKeyWrap "aes-key-wrap" GroupParam("machine", "aes-key-wrap");
    AioIoUring "aio.io_uring" Schema("blockdev-add/arg-type/+file/aio/^io_uring");
    Am53c974 "am53c974" Device("am53c974");
    ArmMaxCpu "arm-max-cpu" Type("max-arm-cpu");
    Audiodev "audiodev" Any(&[Option("audiodev"), Since(4, 0, 0)]);
    Balloon "balloon" Mention("-balloon");
    BalloonEvent "balloon-event" Event("BALLOON_CHANGE");
    BitmapMerge "bitmap-merge" Schema("transaction/arg-type/actions/+block-dirty-bitmap-merge");
    BlkSgIo "blk-sg-io" Since(0, 11, 0);
    BlockCommit "block-commit" Command("block-commit");
    BlockExportAdd "block-export-add" Command("block-export-add");
    BlockJobAsync "block-job-async" Command("block-job-cancel");
    BlockJobSync "block-job-sync" Command("block_job_cancel");
    BlockWriteThreshold "block-write-threshold" Command("block-set-write-threshold");
    Blockdev "blockdev" All(&[Command("blockdev-del"), Since(4, 2, 0)]);
    BlockdevBackup "blockdev-backup" Command("blockdev-backup");
    BlockdevDel "blockdev-del" Command("blockdev-del");
    BlockdevFileDynamicAutoReadOnly "blockdev-file-dynamic-auto-read-only"
        Schema("blockdev-add/arg-type/+file/$dynamic-auto-read-only");
    BlockdevHostdevScsi "blockdev-hostdev-scsi" All(&[Command("blockdev-del"), Since(4, 2, 0)]);
    BlockdevReopen "blockdev-reopen" Command("blockdev-reopen");
    BlockdevSetActive "blockdev-set-active" Command("blockdev-set-active");
    BlockdevSnapshotSync "blockdev-snapshot-sync" Command("blockdev-snapshot-sync");
    BlockdevSnapshotAllowWriteOnlyOverlay "blockdev-snapshot.allow-write-only-overlay"
        Schema("blockdev-snapshot/$allow-write-only-overlay");
    BlockdevNbdTlsHostname "blockdev.nbd.tls-hostname" Schema("blockdev-add/arg-type/+nbd/tls-hostname");
    Blockio "blockio" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw", "virtio-blk-s390"], "logical_block_size");
    BlockjobBackingMaskProtocol "blockjob.backing-mask-protocol"
        All(&[Schema("block-commit/arg-type/backing-mask-protocol"),
            Schema("block-stream/arg-type/backing-mask-protocol")]);
    BochsDisplay "bochs-display" Device("bochs-display");
    BootIndex "boot-index" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw", "virtio-blk-s390"], "bootindex");
    BootMenu "boot-menu" Any(&[Mention(",menu=on"), Since(1, 2, 0)]);
    BootStrict "boot-strict" GroupParam("boot-opts", "strict");
    Bridge "bridge" Any(&[All(&[OptionArg("netdev", "bridge"), Since(0, 13, 0)]), Since(1, 2, 0)]);
    CacheDirectsync "cache-directsync" Any(&[OptionArg("drive", "directsync"), Since(1, 2, 0)]);
    CacheUnsafe "cache-unsafe" Any(&[OptionArg("drive", "unsafe"), Since(1, 2, 0)]);
    CalcDirtyRate "calc-dirty-rate" Command("calc-dirty-rate");
    CanonicalCpuFeatures "canonical-cpu-features"
        Any(&[ObjectProp("max-x86_64-cpu", "unavailable-features"), ObjectProp("max-arm-cpu",
            "unavailable-features")]);
    CcidEmulated "ccid-emulated" Device("ccid-card-emulated");
    CcidPassthru "ccid-passthru" Device("ccid-card-passthru");
    ChangeBackingFile "change-backing-file" Command("change-backing-file");
    Chardev "chardev" Any(&[Mention("-chardev"), Since(1, 2, 0)]);
    ChardevFdPass "chardev-fd-pass" Since(2, 12, 0);
    ChardevFileAppend "chardev-file-append" Schema("chardev-add/arg-type/backend/+file/data/append");
    ChardevLogfile "chardev-logfile" Schema("chardev-add/arg-type/backend/+file/data/logfile");
    ChardevReconnect "chardev-reconnect" Schema("chardev-add/arg-type/backend/+socket/data/reconnect");
    ChardevReconnectMs "chardev-reconnect-miliseconds"
        Schema("chardev-add/arg-type/backend/+socket/data/reconnect-ms");
    ChardevSpicevmc "chardev-spicevmc" Mention("-chardev spicevmc");
    ChardevJson "chardev.json" ByHand;
    ChardevQemuVdagent "chardev.qemu-vdagent"
        First(&[Schema("chardev-add/arg-type/backend/+qemu-vdagent"), Chardev("qemu-vdagent")]);
    CirrusVga "cirrus-vga" Device("cirrus-vga");
    CompatDeprecated "compat-deprecated" Since(6, 0, 0);
    ConfidentialGuestSupport "confidential-guest-support" MachineProp("none", "confidential-guest-support");
    CpuCache "cpu-cache" ObjectProp("max-x86_64-cpu", "l3-cache");
    CpuHost "cpu-host" Since(0, 11, 0);
    CpuMax "cpu-max" CpuModel("max");
    CpuUnavailableFeatures "cpu-unavailable-features"
        Any(&[ObjectProp("max-x86_64-cpu", "unavailable-features"), ObjectProp("max-arm-cpu",
            "unavailable-features")]);
    CpuKvmNoAdjvtime "cpu.kvm-no-adjvtime"
        Any(&[ObjectProp("max-x86_64-cpu", "kvm-no-adjvtime"), ObjectProp("max-arm-cpu", "kvm-no-adjvtime")]);
    CpuMigratable "cpu.migratable"
        Any(&[ObjectProp("max-x86_64-cpu", "migratable"), ObjectProp("max-arm-cpu", "migratable")]);
    CryptodevBackendLkcf "cryptodev-backend-lkcf" Object("cryptodev-backend-lkcf");
    DbusVmstate "dbus-vmstate" Object("dbus-vmstate");
    Dc390 "dc390" Device("dc390");
    DeaKeyWrap "dea-key-wrap" GroupParam("machine", "dea-key-wrap");
    DebugThreads "debug-threads" GroupParam("name", "debug-threads");
    DeviceOption "device" Any(&[Mention("-device"), Since(1, 2, 0)]);
    DeviceDelEvent "device-del-event" Event("DEVICE_DELETED");
    DeviceQxlVga "device-qxl-vga" Device("qxl-vga");
    DeviceSpicevmc "device-spicevmc" All(&[Device("spicevmc"), Not(&Mention("-chardev spicevmc"))]);
    DeviceTrayMovedEvent "device-tray-moved-event" Event("DEVICE_TRAY_MOVED");
    DeviceVideoPrimary "device-video-primary" Since(1, 6, 0);
    DeviceJson "device.json" Schema("device_add/$json-cli");
    DeviceJsonHotplug "device.json+hotplug" Schema("device_add/$json-cli-hotplug");
    DirtyrateParamMode "dirtyrate-param.mode" Schema("calc-dirty-rate/arg-type/mode");
    DisableS3 "disable-s3" TypeProp("PIIX4_PM", "disable_s3");
    DisableS4 "disable-s4" TypeProp("PIIX4_PM", "disable_s4");
    DiskShareRw "disk-share-rw" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "share-rw");
    DiskWriteCache "disk-write-cache" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "write-cache");
    Display "display" Any(&[Option("display"), Since(1, 2, 0)]);
    DisplayDbus "display-dbus" Schema("query-display-options/ret-type/+dbus");
    DisplayReload "display-reload" Command("display-reload");
    DmiToPciBridge "dmi-to-pci-bridge" Device("i82801b11-bridge");
    Domid "domid" All(&[Mention("-domid"), Not(&Mention("-xen-domid"))]);
    Drive "drive" Any(&[Mention("-drive"), Since(1, 2, 0)]);
    DriveAio "drive-aio" Any(&[All(&[Mention("-drive"), Mention("aio=threads|native")]), Since(1, 2, 0)]);
    DriveBoot "drive-boot" Mention("boot=on");
    DriveCacheV2 "drive-cache-v2"
        Any(&[All(&[Mention("-drive"), Mention("cache="), Not(&Mention("cache=on|off"))]), Since(1, 2, 0)]);
    DriveCopyOnRead "drive-copy-on-read" Any(&[OptionArg("drive", "copy-on-read"), Since(1, 2, 0)]);
    DriveDetectZeroes "drive-detect-zeroes" GroupParam("drive", "detect-zeroes");
    DriveDiscard "drive-discard" GroupParam("drive", "discard");
    DriveFormat "drive-format" Any(&[All(&[Mention("-drive"), Mention("format=")]), Since(1, 2, 0)]);
    DriveIotune "drive-iotune" Any(&[OptionArg("drive", "bps="), Since(1, 2, 0)]);
    DriveIotuneGroup "drive-iotune-group" GroupParam("drive", "throttling.group");
    DriveIotuneMax "drive-iotune-max" GroupParam("drive", "throttling.bps-total-max");
    DriveIotuneMaxLength "drive-iotune-max-length" GroupParam("drive", "throttling.bps-total-max-length");
    DriveMirror "drive-mirror" Command("drive-mirror");
    DriveNvme "drive-nvme" Schema("blockdev-add/arg-type/+nvme");
    DriveReadonly "drive-readonly"
        Any(&[Mention("-device"), All(&[Mention("-drive"), Mention("readonly=")]), Since(1, 2, 0)]);
    DriveSerial "drive-serial" Any(&[Mention("serial=s"), Since(1, 2, 0)]);
    Dtb "dtb" Any(&[Option("dtb"), Since(1, 2, 0)]);
    DumpCompleted "dump-completed" Event("DUMP_COMPLETED");
    DumpGuestCore "dump-guest-core"
        Any(&[OptionArg("machine", "dump-guest-core=on|off"), GroupParam("machine", "dump-guest-core")]);
    DumpGuestMemory "dump-guest-memory" Command("dump-guest-memory");
    E1000 "e1000" Device("e1000");
    EglHeadless "egl-headless" Schema("query-display-options/ret-type/+egl-headless");
    EglHeadlessRendernode "egl-headless.rendernode" Schema("query-display-options/ret-type/+egl-headless/rendernode");
    EnableFips "enable-fips" ByHand;
    EnableKqemu "enable-kqemu" Mention("-enable-kqemu");
    EnableKvm "enable-kvm" Any(&[Mention("-enable-kvm"), Since(1, 2, 0)]);
    Fsdev "fsdev" Any(&[Mention("-fsdev"), Since(1, 2, 0)]);
    FsdevReadonly "fsdev-readonly" Any(&[OptionArg("fsdev", "readonly"), Since(1, 2, 0)]);
    FsdevWriteout "fsdev-writeout" Any(&[OptionArg("fsdev", "writeout"), Since(1, 2, 0)]);
    FsdevCreatemode "fsdev.createmode" GroupParam("fsdev", "fmode");
    FsdevMultidevs "fsdev.multidevs" GroupParam("fsdev", "multidevs");
    FwCfg "fw_cfg" Group("fw_cfg");
    GicVersion "gic-version" All(&[Arch(&["aarch64", "arm"]), Since(2, 6, 0)]);
    GlusterDebugLevel "gluster.debug_level" Schema("blockdev-add/arg-type/+gluster/debug");
    GpexPcihost "gpex-pcihost" Type("gpex-pcihost");
    HdaDuplex "hda-duplex" Device("hda-duplex");
    HdaMicro "hda-micro" Device("hda-micro");
    HdaOutput "hda-output" Device("hda-output");
    HostPciMultidomain "host-pci-multidomain" Any(&[OptionArg("pcidevice", "host=[seg:]bus"), Since(1, 2, 0)]);
    Hvf "hvf" Hvf;
    I440fxPciHole64Size "i440fx-pci-hole64-size" TypeProp("i440FX-pcihost", "pci-hole64-size");
    I8042 "i8042" Type("i8042");
    Ich9Ahci "ich9-ahci" Device("ich9-ahci");
    Ich9DisableS3 "ich9-disable-s3" TypeProp("ICH9-LPC", "disable_s3");
    Ich9DisableS4 "ich9-disable-s4" TypeProp("ICH9-LPC", "disable_s4");
    Ich9IntelHda "ich9-intel-hda" Device("ich9-intel-hda");
    Ich9UsbEhci1 "ich9-usb-ehci1" Device("ich9-usb-ehci1");
    IdeCd "ide-cd" Device("ide-cd");
    IdeDriveWwn "ide-drive.wwn" AnyDeviceProp(&["ide-drive", "ide-hd"], "wwn");
    IncomingDefer "incoming-defer" Since(2, 5, 0);
    IncrementalBackup "incremental-backup" ByHand;
    InputLinux "input-linux" Object("input-linux");
    IntelIommu "intel-iommu" Device("intel-iommu");
    IntelIommuAwBits "intel-iommu.aw-bits" DeviceProp("intel-iommu", "aw-bits");
    IntelIommuCachingMode "intel-iommu.caching-mode" DeviceProp("intel-iommu", "caching-mode");
    IntelIommuDeviceIotlb "intel-iommu.device-iotlb" DeviceProp("intel-iommu", "device-iotlb");
    IntelIommuDmaTranslation "intel-iommu.dma-translation" DeviceProp("intel-iommu", "dma-translation");
    IntelIommuEim "intel-iommu.eim" DeviceProp("intel-iommu", "eim");
    IntelIommuIntremap "intel-iommu.intremap" DeviceProp("intel-iommu", "intremap");
    Ioh3420 "ioh3420" Device("ioh3420");
    Iommufd "iommufd" Object("iommufd");
    Iothread "iothread" Object("iothread");
    IothreadPollMaxNs "iothread.poll-max-ns" ObjectProp("iothread", "poll-max-ns");
    IothreadThreadPoolMax "iothread.thread-pool-max" Schema("object-add/arg-type/+iothread/thread-pool-max");
    Ipv6Migration "ipv6-migration" Since(1, 1, 0);
    IsaSerial "isa-serial" Device("isa-serial");
    IscsiPasswordSecret "iscsi.password-secret" Schema("blockdev-add/arg-type/+iscsi/password-secret");
    Ivshmem "ivshmem" Device("ivshmem");
    IvshmemDoorbell "ivshmem-doorbell" Device("ivshmem-doorbell");
    IvshmemPlain "ivshmem-plain" Device("ivshmem-plain");
    KernelIrqchip "kernel-irqchip" GroupParam("machine", "kernel-irqchip");
    KernelIrqchipSplit "kernel-irqchip.split" Since(2, 6, 0);
    Kqemu "kqemu" Mention("-no-kqemu");
    Kvm "kvm" Any(&[Kvm, All(&[Mention("-no-kvm"), Before(1, 2, 0)])]);
    KvmPitLostTickPolicy "kvm-pit-lost-tick-policy" TypeProp("kvm-pit", "lost_tick_policy");
    Loadparm "loadparm" GroupParam("machine", "loadparm");
    Lsi "lsi" Device("lsi53c895a");
    MachineHpet "machine-hpet" GroupParam("machine", "hpet");
    MachineI8042Opt "machine-i8042-opt" ObjectProp("generic-pc-machine", "i8042");
    MachineIommu "machine-iommu" GroupParam("machine", "iommu");
    MachineOpt "machine-opt" Any(&[Option("machine"), Since(1, 2, 0)]);
    MachineUsbOpt "machine-usb-opt" Since(1, 3, 0);
    MachineVmportOpt "machine-vmport-opt" Type("vmport");
    MachinePseriesCapCcfAssist "machine.pseries.cap-ccf-assist" MachineProp("pseries", "cap-ccf-assist");
    MachinePseriesCapCfpc "machine.pseries.cap-cfpc" MachineProp("pseries", "cap-cfpc");
    MachinePseriesCapHptMaxPageSize "machine.pseries.cap-hpt-max-page-size"
        MachineProp("pseries", "cap-hpt-max-page-size");
    MachinePseriesCapHtm "machine.pseries.cap-htm" MachineProp("pseries", "cap-htm");
    MachinePseriesCapIbs "machine.pseries.cap-ibs" MachineProp("pseries", "cap-ibs");
    MachinePseriesCapNestedHv "machine.pseries.cap-nested-hv" MachineProp("pseries", "cap-nested-hv");
    MachinePseriesCapSbbc "machine.pseries.cap-sbbc" MachineProp("pseries", "cap-sbbc");
    MachinePseriesMaxCpuCompat "machine.pseries.max-cpu-compat" MachineProp("pseries", "max-cpu-compat");
    MachinePseriesResizeHpt "machine.pseries.resize-hpt" MachineProp("pseries", "resize-hpt");
    MachineVirtAia "machine.virt.aia" MachineProp("virt", "aia");
    MachineVirtIommu "machine.virt.iommu" MachineProp("virt", "iommu");
    MachineVirtRas "machine.virt.ras" MachineProp("virt", "ras");
    Mch "mch" Type("mch");
    MchExtendedTsegMbytes "mch.extended-tseg-mbytes" TypeProp("mch", "extended-tseg-mbytes");
    Megasas "megasas" Device("megasas");
    MemMerge "mem-merge" GroupParam("machine", "mem-merge");
    MemPath "mem-path" Any(&[Mention("-mem-path"), Since(1, 2, 0)]);
    MemoryBackendFile "memory-backend-file" Object("memory-backend-file");
    MemoryBackendFileAlign "memory-backend-file.align" ObjectProp("memory-backend-file", "align");
    MemoryBackendFileDiscardData "memory-backend-file.discard-data" ObjectProp("memory-backend-file", "discard-data");
    MemoryBackendFilePmem "memory-backend-file.pmem" ObjectProp("memory-backend-file", "pmem");
    MemoryBackendFilePreallocThreads "memory-backend-file.prealloc-threads"
        ObjectProp("memory-backend-file", "prealloc-threads");
    MemoryBackendFileReserve "memory-backend-file.reserve" ObjectProp("memory-backend-file", "reserve");
    MemoryBackendFileXUseCanonicalPathForRamblockId "memory-backend-file.x-use-canonical-path-for-ramblock-id"
        ObjectProp("memory-backend-file", "x-use-canonical-path-for-ramblock-id");
    MemoryBackendMemfd "memory-backend-memfd" Object("memory-backend-memfd");
    MemoryBackendMemfdHugetlb "memory-backend-memfd.hugetlb" ObjectProp("memory-backend-memfd", "hugetlb");
    MemoryBackendRam "memory-backend-ram" Object("memory-backend-ram");
    MigrateIncomingExitOnError "migrate-incoming.exit-on-error" Schema("migrate-incoming/arg-type/exit-on-error");
    MigrateKvmStdio "migrate-kvm-stdio" All(&[Before(0, 10, 0), KvmRelease(1), Not(&KvmRelease(79))]);
    MigrateQemuExec "migrate-qemu-exec" Any(&[Since(0, 10, 0), KvmRelease(80)]);
    MigrateQemuFd "migrate-qemu-fd" Since(0, 12, 0);
    MigrateQemuTcp "migrate-qemu-tcp" Any(&[Since(0, 10, 0), KvmRelease(79)]);
    MigrateQemuUnix "migrate-qemu-unix" Since(0, 12, 0);
    MigrateRdma "migrate-rdma" Migration("rdma-pin-all");
    MigrationEvent "migration-event" Event("MIGRATION");
    MigrationFileDropCache "migration-file-drop-cache" Schema("blockdev-add/arg-type/+file/drop-cache");
    MigrationParamBandwidth "migration-param.bandwidth" Schema("migrate-set-parameters/arg-type/max-bandwidth");
    MigrationParamBlockBitmapMapping "migration-param.block-bitmap-mapping"
        Schema("migrate-set-parameters/arg-type/block-bitmap-mapping/bitmaps");
    MigrationParamDowntime "migration-param.downtime" Schema("migrate-set-parameters/arg-type/downtime-limit");
    MigrationParamXbzrleCacheSize "migration-param.xbzrle-cache-size"
        Schema("migrate-set-parameters/arg-type/xbzrle-cache-size");
    MigrationBlockedReasons "migration.blocked-reasons" Schema("query-migrate/ret-type/blocked-reasons");
    Mlock "mlock" Any(&[GroupParam("realtime", "mlock"), Group("overcommit")]);
    MonitorJson "monitor-json" Since(0, 13, 0);
    Mptsas1068 "mptsas1068" Device("mptsas1068");
    MsgTimestamp "msg-timestamp" GroupParam("msg", "timestamp");
    Name "name" Any(&[Mention("-name"), Since(1, 2, 0)]);
    NameGuest "name-guest" GroupParam("name", "guest");
    NameProcess "name-process" Any(&[All(&[Mention("-name"), Mention(",process=")]), Since(1, 2, 0)]);
    NbdBitmap "nbd-bitmap"
        Any(&[Schema("nbd-server-add/arg-type/bitmap"), Schema("block-export-add/arg-type/+nbd/bitmaps")]);
    NbdServer "nbd-server" Command("nbd-server-start");
    NbdTls "nbd-tls" Schema("nbd-server-start/arg-type/tls-creds");
    Ncr53c90 "ncr53c90" Arch(&["sparc", "m68k", "mips"]);
    NecUsbXhci "nec-usb-xhci" Device("nec-usb-xhci");
    NecUsbXhciPorts "nec-usb-xhci-ports" DeviceProp("nec-usb-xhci", "p3");
    Nesting "nesting" Mention("-enable-nesting");
    Netdev "netdev" Any(&[All(&[Mention("-netdev"), Since(0, 13, 0)]), Since(1, 2, 0)]);
    NetdevStreamReconnectMs "netdev-stream-reconnect-miliseconds" Schema("netdev_add/arg-type/+stream/reconnect-ms");
    NetdevJson "netdev.json" Schema("netdev_add/arg-type/type/^dgram");
    NetdevStream "netdev.stream" First(&[Schema("netdev_add/arg-type/+stream"), Netdev("stream")]);
    NetdevStreamReconnect "netdev.stream.reconnect" Schema("netdev_add/arg-type/+stream/reconnect");
    NetdevUser "netdev.user" First(&[Schema("netdev_add/arg-type/+user"), Netdev("user")]);
    NetdevVhostVdpa "netdev.vhost-vdpa" First(&[Schema("netdev_add/arg-type/+vhost-vdpa"), Netdev("vhost-vdpa")]);
    NoAcpi "no-acpi" All(&[Option("no-acpi"), Not(&Arch(&["aarch64", "arm", "ppc64", "s390x", "riscv64"]))]);
    NoHpet "no-hpet" Mention("-no-hpet");
    NoKvmPit "no-kvm-pit" Mention("-no-kvm-pit-reinjection");
    NoReboot "no-reboot" Any(&[Mention("-no-reboot"), Since(1, 2, 0)]);
    NoShutdown "no-shutdown"
        Any(&[All(&[Option("no-shutdown"), Any(&[Before(0, 14, 0), Since(0, 15, 1)])]), Since(1, 2, 0)]);
    NoUserConfig "no-user-config" Any(&[Option("no-user-config"), Since(1, 2, 0)]);
    Nodefconfig "nodefconfig" Mention("-nodefconfig");
    Numa "numa" Group("numa");
    NumaDist "numa.dist" Schema("set-numa-node/arg-type/+dist");
    NumaHmat "numa.hmat" Schema("set-numa-node/arg-type/+hmat-lb");
    Nvdimm "nvdimm" Device("nvdimm");
    NvdimmUnarmed "nvdimm.unarmed" DeviceProp("nvdimm", "unarmed");
    Nvram "nvram" Type("spapr-nvram");
    ObjectQapified "object.qapified" Schema("object-add/arg-type/qom-type/^secret");
    Overcommit "overcommit" Group("overcommit");
    PcDimm "pc-dimm" Device("pc-dimm");
    PciBootindex "pci-bootindex"
        Any(&[All(&[DeviceProp("pci-assign", "bootindex"), DeviceProp("virtio-blk-pci", "bootindex")]),
            DeviceProp("kvm-pci-assign", "bootindex")]);
    PciBridge "pci-bridge" Device("pci-bridge");
    PciConfigfd "pci-configfd" AnyDeviceProp(&["pci-assign", "kvm-pci-assign"], "configfd");
    PciDevice "pci-device" Mention("-pcidevice");
    PciMultibus "pci-multibus" Arch(&["x86_64", "i386"]);
    PciMultifunction "pci-multifunction" Since(0, 13, 0);
    PciOhci "pci-ohci" Device("pci-ohci");
    PciSerial "pci-serial" Device("pci-serial");
    PciePciBridge "pcie-pci-bridge" Device("pcie-pci-bridge");
    PcieRootPort "pcie-root-port" Device("pcie-root-port");
    PcieRootPortHotplug "pcie-root-port.hotplug" DeviceProp("pcie-root-port", "hotplug");
    Piix3UsbUhci "piix3-usb-uhci" Device("piix3-usb-uhci");
    Piix4UsbUhci "piix4-usb-uhci" Device("piix4-usb-uhci");
    Piix4AcpiRootPciHotplug "piix4.acpi-root-pci-hotplug" TypeProp("PIIX4_PM", "acpi-root-pci-hotplug");
    Pl011 "pl011" Type("pl011");
    PrManagerHelper "pr-manager-helper" Object("pr-manager-helper");
    Pvpanic "pvpanic" Device("pvpanic");
    PvpanicPci "pvpanic-pci" Device("pvpanic-pci");
    Pvscsi "pvscsi" Device("pvscsi");
    Pxb "pxb" Device("pxb");
    PxbPcie "pxb-pcie" Device("pxb-pcie");
    Q35PciHole64Size "q35-pci-hole64-size" TypeProp("q35-pcihost", "pci-hole64-size");
    Qcow2DiscardNoUnref "qcow2-discard-no-unref" Schema("blockdev-add/arg-type/+qcow2/discard-no-unref");
    Qcow2Luks "qcow2-luks" Schema("blockdev-add/arg-type/+qcow2/encrypt/+luks/key-secret");
    QemuXhci "qemu-xhci" Device("qemu-xhci");
    QomListProperties "qom-list-properties" Command("qom-list-properties");
    QueryCpuDefinitions "query-cpu-definitions" Command("query-cpu-definitions");
    QueryCpuModelBaseline "query-cpu-model-baseline" Command("query-cpu-model-baseline");
    QueryCpuModelComparison "query-cpu-model-comparison" Command("query-cpu-model-comparison");
    QueryCpuModelExpansion "query-cpu-model-expansion" Command("query-cpu-model-expansion");
    QueryCpuModelExpansionDeprecatedProps "query-cpu-model-expansion.deprecated-props"
        Schema("query-cpu-model-expansion/ret-type/deprecated-props");
    QueryCpuModelExpansionMigratable "query-cpu-model-expansion.migratable" ByHand;
    QueryCpusFast "query-cpus-fast" Command("query-cpus-fast");
    QueryCurrentMachine "query-current-machine" Command("query-current-machine");
    QueryDirtyRate "query-dirty-rate" Command("query-dirty-rate");
    QueryDisplayOptions "query-display-options" Command("query-display-options");
    QueryHotpluggableCpus "query-hotpluggable-cpus" Command("query-hotpluggable-cpus");
    QueryNamedBlockNodes "query-named-block-nodes" Command("query-named-block-nodes");
    QueryNamedBlockNodesFlat "query-named-block-nodes.flat" Schema("query-named-block-nodes/arg-type/flat");
    QueryQmpSchema "query-qmp-schema" Command("query-qmp-schema");
    QueryStats "query-stats" Command("query-stats");
    QueryStatsSchemas "query-stats-schemas" Command("query-stats-schemas");
    Qxl "qxl" Device("qxl");
    QxlVgaMaxOutputs "qxl-vga.max_outputs" DeviceProp("qxl-vga", "max_outputs");
    QxlVgaVgamemMb "qxl-vga.vgamem_mb" DeviceProp("qxl-vga", "vgamem_mb");
    QxlVgaVram64SizeMb "qxl-vga.vram64_size_mb" DeviceProp("qxl-vga", "vram64_size_mb");
    QxlMaxOutputs "qxl.max_outputs" DeviceProp("qxl", "max_outputs");
    QxlVgamemMb "qxl.vgamem_mb" DeviceProp("qxl", "vgamem_mb");
    QxlVram64SizeMb "qxl.vram64_size_mb" DeviceProp("qxl", "vram64_size_mb");
    Ramfb "ramfb" Device("ramfb");
    RbdEncryption "rbd-encryption" Schema("blockdev-add/arg-type/+rbd/encrypt");
    RbdEncryptionLayering "rbd-encryption-layering" Schema("blockdev-add/arg-type/+rbd/encrypt/parent");
    RbdEncryptionLuksAny "rbd-encryption-luks-any" Schema("blockdev-add/arg-type/+rbd/encrypt/format/^luks-any");
    RebootTimeout "reboot-timeout"
        Any(&[OptionArg("boot", "reboot-timeout=rb_time"), GroupParam("boot-opts", "reboot-timeout")]);
    RngBuiltin "rng-builtin" Object("rng-builtin");
    RngEgd "rng-egd" Object("rng-egd");
    RngRandom "rng-random" Object("rng-random");
    Rombar "rombar" Since(0, 12, 0);
    RotationRate "rotation-rate" DeviceProp("scsi-hd", "rotation_rate");
    Rtc "rtc" Any(&[Mention("-rtc "), Since(1, 2, 0)]);
    RtcResetReinjection "rtc-reset-reinjection" Command("rtc-reset-reinjection");
    RtcTdHack "rtc-td-hack" Mention("-rtc-td-hack");
    Rtl8139 "rtl8139" Device("rtl8139");
    RunWithAsyncTeardown "run-with.async-teardown" GroupParam("run-with", "async-teardown");
    RunWithExitWithParent "run-with.exit-with-parent" GroupParam("run-with", "exit-with-parent");
    S390PvGuest "s390-pv-guest" Object("s390-pv-guest");
    S390Sclp "s390-sclp" Type("sclpconsole");
    SavevmMonitorNodes "savevm-monitor-nodes" Schema("human-monitor-command/$savevm-monitor-nodes");
    Sclplmconsole "sclplmconsole" Device("sclplmconsole");
    ScreendumpDevice "screendump_device" Schema("screendump/arg-type/device");
    ScreenshotFormatPng "screenshot-format-png" Schema("screendump/arg-type/format/^png");
    ScsiBlock "scsi-block" Device("scsi-block");
    ScsiCd "scsi-cd" Device("scsi-cd");
    ScsiDiskChannel "scsi-disk.channel" AnyDeviceProp(&["scsi-hd", "scsi-disk"], "channel");
    ScsiDiskDeviceId "scsi-disk.device_id" DeviceProp("scsi-hd", "device_id");
    ScsiDiskWwn "scsi-disk.wwn" AnyDeviceProp(&["scsi-disk", "scsi-hd"], "wwn");
    ScsiGeneric "scsi-generic" Device("scsi-generic");
    ScsiGenericBootindex "scsi-generic.bootindex" DeviceProp("scsi-generic", "bootindex");
    Sdl "sdl" Any(&[Schema("query-display-options/ret-type/+sdl"), All(&[Mention("-sdl"), Before(1, 2, 0)])]);
    SdlGl "sdl-gl" All(&[Schema("query-display-options/ret-type/+sdl"), Schema("query-display-options/ret-type/gl")]);
    SeamlessMigration "seamless-migration"
        Any(&[OptionArg("spice", "seamless-migration="), Event("SPICE_MIGRATE_COMPLETED")]);
    SeccompBlacklist "seccomp-blacklist" GroupParam("sandbox", "elevateprivileges");
    SeccompSandbox "seccomp-sandbox" Group("sandbox");
    Secret "secret" Object("secret");
    SetAction "set-action" Command("set-action");
    SevGuest "sev-guest" All(&[Object("sev-guest"), Sev]);
    SevGuestKernelHashes "sev-guest-kernel-hashes" Schema("object-add/arg-type/+sev-guest/kernel-hashes");
    SevInjectLaunchSecret "sev-inject-launch-secret" Command("sev-inject-launch-secret");
    SevSnpGuest "sev-snp-guest" All(&[Object("sev-snp-guest"), Sev]);
    Sga "sga" Device("sga");
    SgxEpc "sgx-epc" All(&[Device("sgx-epc"), Sgx]);
    Shim "shim" MachineProp("none", "shim");
    SmbiosType "smbios-type" Any(&[Mention("-smbios type"), Since(1, 2, 0)]);
    Smm "smm" All(&[Arch(&["x86_64", "i386"]), Since(2, 4, 0)]);
    SmpClusters "smp-clusters" Schema("query-hotpluggable-cpus/ret-type/props/cluster-id");
    SmpDies "smp-dies" Schema("query-hotpluggable-cpus/ret-type/props/die-id");
    SmpTopology "smp-topology"
        Any(&[All(&[Mention("cores="), Mention("threads="), Mention("sockets=")]),
            Since(1, 2, 0)]);
    SnapshotInternalQmp "snapshot-internal-qmp" Command("snapshot-save");
    SpaprPciHostBridge "spapr-pci-host-bridge" Device("spapr-pci-host-bridge");
    SpaprPciHostBridgeNumaNode "spapr-pci-host-bridge.numa_node" DeviceProp("spapr-pci-host-bridge", "numa_node");
    SpaprTpmProxy "spapr-tpm-proxy" Device("spapr-tpm-proxy");
    SpaprVty "spapr-vty" Device("spapr-vty");
    Spice "spice" Any(&[Group("spice"), All(&[Mention("-spice"), Before(1, 2, 0)])]);
    SpiceFileXferDisable "spice-file-xfer-disable" GroupParam("spice", "disable-agent-file-xfer");
    SpiceGl "spice-gl" GroupParam("spice", "gl");
    SpicePasswordSecret "spice-password-secret" GroupParam("spice", "password-secret");
    SpiceRendernode "spice-rendernode" GroupParam("spice", "rendernode");
    SpiceUnix "spice-unix" GroupParam("spice", "unix");
    Spiceport "spiceport" Any(&[OptionArg("chardev", "spiceport"), Since(1, 5, 0)]);
    SplashTimeout "splash-timeout" GroupParam("boot-opts", "splash-time");
    StorageWerror "storage.werror" DeviceProp("scsi-hd", "werror");
    SystemWakeup "system_wakeup" Command("system_wakeup");
    Tcg "tcg" First(&[Type("tcg-accel"), Accelerator("tcg")]);
    Tdf "tdf" Mention("-tdf");
    ThreadContext "thread-context" Object("thread-context");
    TlsCredsX509 "tls-creds-x509" Object("tls-creds-x509");
    TpmCrb "tpm-crb" TpmModel("tpm-crb");
    TpmEmulator "tpm-emulator" TpmType("emulator");
    TpmPassthrough "tpm-passthrough" TpmType("passthrough");
    TpmSpapr "tpm-spapr" Any(&[TpmModel("tpm-spapr"), Type("tpm-spapr")]);
    TpmTis "tpm-tis" TpmModel("tpm-tis");
    Transaction "transaction" Command("transaction");
    UsbAudio "usb-audio" Device("usb-audio");
    UsbEhci "usb-ehci" Device("usb-ehci");
    UsbHostBootindex "usb-host.bootindex" DeviceProp("usb-host", "bootindex");
    UsbHostGuestResetsAll "usb-host.guest-resets-all" DeviceProp("usb-host", "guest-resets-all");
    UsbHostHostdevice "usb-host.hostdevice" DeviceProp("usb-host", "hostdevice");
    UsbHub "usb-hub" Device("usb-hub");
    UsbKbd "usb-kbd" Device("usb-kbd");
    UsbMtp "usb-mtp" Device("usb-mtp");
    UsbNet "usb-net" Device("usb-net");
    UsbRedir "usb-redir" Device("usb-redir");
    UsbRedirBootindex "usb-redir.bootindex" DeviceProp("usb-redir", "bootindex");
    UsbRedirFilter "usb-redir.filter" DeviceProp("usb-redir", "filter");
    UsbSerial "usb-serial" Device("usb-serial");
    UsbStorage "usb-storage" Device("usb-storage");
    UsbStorageRemovable "usb-storage.removable" DeviceProp("usb-storage", "removable");
    UsbStorageWerror "usb-storage.werror" DeviceProp("usb-storage", "werror");
    Uuid "uuid" Any(&[Mention("-uuid"), Since(1, 2, 0)]);
    VfioAp "vfio-ap" Device("vfio-ap");
    VfioCcw "vfio-ccw" Device("vfio-ccw");
    VfioPci "vfio-pci" Device("vfio-pci");
    VfioPciBootindex "vfio-pci.bootindex" DeviceProp("vfio-pci", "bootindex");
    VfioPciDisplay "vfio-pci.display" DeviceProp("vfio-pci", "display");
    VfioPciFd "vfio-pci.fd" DeviceProp("vfio-pci", "fd");
    VgaOption "vga" Any(&[All(&[Mention("-vga"), Not(&Mention("-std-vga"))]), Since(1, 2, 0)]);
    VgaNone "vga-none" Any(&[All(&[MentionInLine("-vga", "|none"), Not(&Mention("-std-vga"))]), Since(1, 2, 0)]);
    VgaQxl "vga-qxl"
        Any(&[All(&[MentionBehind("-vga", "|qxl"), Not(&Mention("-std-vga"))]), All(&[Device("qxl"), Since(1, 2, 0)])]);
    VhostNet "vhost-net"
        Any(&[All(&[KvmFork, Mention(",vhost=")]), Since(1, 2, 0)]);
    VhostScsi "vhost-scsi" Device("vhost-scsi");
    VhostUserBlk "vhost-user-blk" Device("vhost-user-blk");
    VhostUserFs "vhost-user-fs" Device("vhost-user-fs-device");
    VhostUserFsBootindex "vhost-user-fs.bootindex" DeviceProp("vhost-user-fs-device", "bootindex");
    VhostUserGpu "vhost-user-gpu" Device("vhost-user-gpu");
    VhostUserMultiqueue "vhost-user-multiqueue" Since(2, 4, 0);
    VhostUserVga "vhost-user-vga" Device("vhost-user-vga");
    VhostVsock "vhost-vsock" Device("vhost-vsock-device");
    VirtioBalloonPciDeflateOnOom "virtio-balloon-pci.deflate-on-oom"
        AnyDeviceProp(&["virtio-balloon-pci", "virtio-balloon-ccw", "virtio-balloon-device"], "deflate-on-oom");
    VirtioBalloonFreePageReporting "virtio-balloon.free-page-reporting"
        AnyDeviceProp(&["virtio-balloon-pci", "virtio-balloon-ccw", "virtio-balloon-device"], "free-page-reporting");
    VirtioBlkPciEventIdx "virtio-blk-pci.event_idx"
        AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw", "virtio-blk-s390"], "event_idx");
    VirtioBlkPciIoeventfd "virtio-blk-pci.ioeventfd"
        AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw", "virtio-blk-s390"], "ioeventfd");
    VirtioBlkPciScsi "virtio-blk-pci.scsi" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "scsi");
    VirtioBlkPciScsiDefaultDisabled "virtio-blk-pci.scsi.default.disabled"
        Any(&[DeviceDefault("virtio-blk-pci", "scsi", "false"), DeviceDefault("virtio-blk-ccw", "scsi", "false")]);
    VirtioBlkVhostVdpa "virtio-blk-vhost-vdpa" Schema("blockdev-add/arg-type/+virtio-blk-vhost-vdpa/$fdset");
    VirtioBlkIothreadMapping "virtio-blk.iothread-mapping"
        AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "iothread-vq-mapping");
    VirtioBlkNumQueues "virtio-blk.num-queues" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "num-queues");
    VirtioBlkQueueSize "virtio-blk.queue-size" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "queue-size");
    VirtioCcw "virtio-ccw" Device("virtio-blk-ccw");
    VirtioCcwLoadparm "virtio-ccw.loadparm" DeviceProp("virtio-blk-ccw", "loadparm");
    VirtioCrypto "virtio-crypto" AnyDevice(&["virtio-crypto-pci", "virtio-crypto-device"]);
    VirtioGpu "virtio-gpu" AnyDevice(&["virtio-gpu-pci", "virtio-gpu-device"]);
    VirtioGpuCcw "virtio-gpu-ccw" Device("virtio-gpu-ccw");
    VirtioGpuGlPci "virtio-gpu-gl-pci" Device("virtio-gpu-gl-pci");
    VirtioGpuBlob "virtio-gpu.blob" AnyDeviceProp(&["virtio-gpu-pci", "virtio-gpu-device", "virtio-gpu-ccw"], "blob");
    VirtioGpuMaxOutputs "virtio-gpu.max_outputs" AnyDeviceProp(&["virtio-gpu-pci", "virtio-gpu-ccw"], "max_outputs");
    VirtioGpuVirgl "virtio-gpu.virgl"
        AnyDeviceProp(&["virtio-gpu-pci", "virtio-gpu-device", "virtio-gpu-ccw"], "virgl");
    VirtioInputHost "virtio-input-host" AnyDevice(&["virtio-input-host-device", "virtio-input-host-pci"]);
    VirtioIommuPci "virtio-iommu-pci" Device("virtio-iommu-pci");
    VirtioIommuBootBypass "virtio-iommu.boot-bypass" DeviceProp("virtio-iommu-pci", "boot-bypass");
    VirtioKeyboard "virtio-keyboard" AnyDevice(&["virtio-keyboard-device", "virtio-keyboard-pci"]);
    VirtioKeyboardCcw "virtio-keyboard-ccw" Device("virtio-keyboard-ccw");
    VirtioMemCcw "virtio-mem-ccw" Device("virtio-mem-ccw");
    VirtioMemPci "virtio-mem-pci" Device("virtio-mem-pci");
    VirtioMemPciDynamicMemslots "virtio-mem-pci.dynamic-memslots" DeviceProp("virtio-mem-pci", "dynamic-memslots");
    VirtioMemPciPrealloc "virtio-mem-pci.prealloc" DeviceProp("virtio-mem-pci", "prealloc");
    VirtioMmio "virtio-mmio" Type("virtio-mmio");
    VirtioMouse "virtio-mouse" AnyDevice(&["virtio-mouse-device", "virtio-mouse-pci"]);
    VirtioMouseCcw "virtio-mouse-ccw" Device("virtio-mouse-ccw");
    VirtioNet "virtio-net" AnyDevice(&["virtio-net-pci", "virtio-net-ccw", "virtio-net-device"]);
    VirtioNetPciEventIdx "virtio-net-pci.event_idx"
        AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw", "virtio-net-s390"], "event_idx");
    VirtioNetFailover "virtio-net.failover" DeviceProp("virtio-net-pci", "failover");
    VirtioNetHostMtu "virtio-net.host_mtu" AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw"], "host_mtu");
    VirtioNetRss "virtio-net.rss" AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw"], "rss");
    VirtioNetRxQueueSize "virtio-net.rx_queue_size"
        AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw"], "rx_queue_size");
    VirtioNetTxQueueSize "virtio-net.tx_queue_size"
        AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw"], "tx_queue_size");
    VirtioPciDisableLegacy "virtio-pci-disable-legacy" DeviceProp("virtio-blk-pci", "disable-legacy");
    VirtioPciNonTransitional "virtio-pci-non-transitional"
        AnyDevice(&["virtio-blk-pci-transitional", "virtio-blk-pci-non-transitional",
            "virtio-net-pci-transitional", "virtio-net-pci-non-transitional", "vhost-scsi-pci-transitional",
            "vhost-scsi-pci-non-transitional", "virtio-rng-pci-transitional",
            "virtio-rng-pci-non-transitional", "virtio-9p-pci-transitional", "virtio-9p-pci-non-transitional",
            "virtio-balloon-pci-transitional", "virtio-balloon-pci-non-transitional",
            "vhost-vsock-pci-transitional", "vhost-vsock-pci-non-transitional",
            "virtio-scsi-pci-transitional", "virtio-scsi-pci-non-transitional",
            "virtio-serial-pci-transitional", "virtio-serial-pci-non-transitional"]);
    VirtioPmemPci "virtio-pmem-pci" Device("virtio-pmem-pci");
    VirtioRng "virtio-rng" AnyDevice(&["virtio-rng-pci", "virtio-rng-ccw", "virtio-rng-device"]);
    VirtioS390 "virtio-s390" Device("virtio-blk-s390");
    VirtioScsiPci "virtio-scsi-pci" AnyDevice(&["virtio-scsi-pci", "virtio-scsi-ccw", "virtio-scsi-device"]);
    VirtioScsiPciIothread "virtio-scsi-pci.iothread"
        AnyDeviceProp(&["virtio-scsi-pci", "virtio-scsi-ccw"], "iothread");
    VirtioScsiIothreadMapping "virtio-scsi.iothread-mapping"
        AnyDeviceProp(&["virtio-scsi-pci", "virtio-scsi-ccw"], "iothread-vq-mapping");
    VirtioSound "virtio-sound" AnyDevice(&["virtio-sound-pci", "virtio-sound-device"]);
    VirtioTablet "virtio-tablet" AnyDevice(&["virtio-tablet-device", "virtio-tablet-pci"]);
    VirtioTabletCcw "virtio-tablet-ccw" Device("virtio-tablet-ccw");
    VirtioTxAlg "virtio-tx-alg" AnyDeviceProp(&["virtio-net-pci", "virtio-net-ccw", "virtio-net-s390"], "tx");
    VirtioVga "virtio-vga" Device("virtio-vga");
    VirtioVgaGl "virtio-vga-gl" Device("virtio-vga-gl");
    VirtioAts "virtio.ats" DeviceProp("virtio-blk-pci", "ats");
    VirtioIommuPlatform "virtio.iommu_platform"
        AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "iommu_platform");
    VirtioPacked "virtio.packed" AnyDeviceProp(&["virtio-blk-pci", "virtio-blk-ccw"], "packed");
    VirtualCssBridge "virtual-css-bridge" Type("virtual-css-bridge");
    VirtualCssBridgeCssidUnrestricted "virtual-css-bridge.cssid-unrestricted"
        TypeProp("virtual-css-bridge", "cssid-unrestricted");
    Vmcoreinfo "vmcoreinfo" Device("vmcoreinfo");
    Vmgenid "vmgenid" Device("vmgenid");
    VmwareSvga "vmware-svga" Device("vmware-svga");
    VmwareSvgaVgamemMb "vmware-svga.vgamem_mb" DeviceProp("vmware-svga", "vgamem_mb");
    Vnc "vnc" Any(&[Command("query-vnc"), All(&[Option("vnc"), Before(1, 2, 0)])]);
    VncColon "vnc-colon" Since(0, 9, 0);
    VncMultiServers "vnc-multi-servers" GroupParam("vnc", "vnc");
    VncOpts "vnc-opts" Group("vnc");
    VncPasswordSecret "vnc-password-secret" GroupParam("vnc", "password-secret");
    VncPowerControl "vnc-power-control" GroupParam("vnc", "power-control");
    VncSharePolicy "vnc-share-policy" Since(1, 1, 0);
    VncWebsocket "vnc-websocket" Since(1, 3, 1);
    VnetHdr "vnet-hdr" All(&[KvmFork, Any(&[Since(0, 10, 0), KvmRelease(74)])]);
    VserportChangeEvent "vserport-change-event" Event("VSERPORT_CHANGE");
    Vt82c686bUsbUhci "vt82c686b-usb-uhci" Type("vt82c686b-usb-uhci");
    Vxhs "vxhs" Schema("blockdev-add/arg-type/+vxhs");
    X3130Upstream "x3130-upstream" Device("x3130-upstream");
    X86MaxCpu "x86-max-cpu" Type("max-x86_64-cpu");
    XenDomid "xen-domid" Mention("-xen-domid");
    Xio3130Downstream "xio3130-downstream" Device("xio3130-downstream");
    Zpci "zpci" Device("zpci");
}

/// How far ahead of the last name the next of a sorted list is looked for.
const NEARBY: usize = 8;

impl Capability {
    /// The capabilities of these names, which are quickest to find when they are sorted.
    pub(crate) fn of_names<'a>(
        names: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = Result<Self, UnknownCapability>> {
        let mut rest = TABLE.iter();
        names.map(move |name| match rest.by_ref().take(NEARBY).find(|(_, known)| *known == name) {
            Some((capability, _)) => Ok(*capability),
            None => {
                let capability: Self = name.parse()?;
                rest = TABLE.get(capability.index().saturating_add(1)..).unwrap_or_default().iter();
                Ok(capability)
            }
        })
    }

    /// The position in [`Capability::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no capability's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown capability `{name}`{}", nearest.map(|it| format!(", did you mean `{it}`?")).unwrap_or_default())]
pub struct UnknownCapability {
    /// What was asked for.
    pub name: String,
    /// The capability with the most similar name, if one is similar.
    pub nearest: Option<Capability>,
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let at = TABLE.partition_point(|(_, known)| *known < name);
        match TABLE.get(at) {
            Some((capability, known)) if *known == name => Ok(*capability),
            _ => Err(UnknownCapability { name: name.chars().take(80).collect(), nearest: nearest(name) }),
        }
    }
}

/// The name with the fewest letters different, of those with at most a third.
fn nearest(name: &str) -> Option<Capability> {
    let wanted: Vec<char> = name.chars().take(80).collect();
    let limit = wanted.len().div_ceil(3);
    TABLE
        .iter()
        .map(|(capability, known)| (distance(&wanted, known), *capability))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, capability)| capability)
}

/// Levenshtein's edit distance.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (line, there) in b.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (cell, here) in row.iter_mut().zip(std::iter::once(None).chain(a.iter().map(Some))) {
            let above = *cell;
            if let Some(here) = here {
                let change = diagonal.saturating_add(usize::from(*here != there));
                left = change.min(above.min(left).saturating_add(1));
            }
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = crate::names::Text::deserialize(deserializer)?;
        name.0.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_find_their_rows() {
        assert!(TABLE.is_sorted_by(|(_, a), (_, b)| a < b));
        for (index, capability) in Capability::ALL.iter().enumerate() {
            assert_eq!(capability.index(), index);
            assert_eq!(capability.name().parse(), Ok(*capability));
        }
    }

    #[test]
    fn lists_of_names_are_read_in_any_order() {
        let read =
            |names: &str| -> Result<Vec<Capability>, _> { Capability::of_names(names.split(' ')).collect() };
        assert_eq!(
            read("0.10 zpci VGA VGA drive"),
            Ok(vec![
                Capability::Release010,
                Capability::Zpci,
                Capability::VgaDevice,
                Capability::VgaDevice,
                Capability::Drive
            ])
        );
        assert_eq!(read("drive nothing zpci").unwrap_err().name, "nothing");
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let check = |name: &str, expected: &str| {
            assert_eq!(name.parse::<Capability>().unwrap_err().to_string(), expected);
        };
        check("virtio-tx-algo", "unknown capability `virtio-tx-algo`, did you mean `virtio-tx-alg`?");
        check("vgaa", "unknown capability `vgaa`, did you mean `vga`?");
        check("completely-different-thing", "unknown capability `completely-different-thing`");
        check("", "unknown capability ``");
    }
}
