//! The images of a disk, from the one the guest sees down.

use domain_model::Domain;
use domain_model::device::disk::{BackingStore, Disk, DiskBus, DiskDevice};
use domain_model::storage::{DataStore, Format, Source, SourceKind};
use domain_model::xml::text::OnOff;

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::Props;
use crate::storage::{Backing, Image};

/// The number of the first node of each disk, and the one behind all of them.
///
/// libvirt counts from 1, from the last disk to the first, and in each disk from the image that the guest
/// sees down to the lowest; after them come the disk's throttle filters.
pub(crate) fn node_numbers(domain: &Domain) -> (Vec<u32>, u32) {
    let mut next = 1u32;
    let mut numbers: Vec<u32> = domain
        .devices
        .disks
        .iter()
        .rev()
        .map(|disk| {
            let first = next;
            next = next.saturating_add(nodes(&disk.spec));
            first
        })
        .collect();
    numbers.reverse();
    (numbers, next)
}

/// How many numbers a disk takes.
fn nodes(disk: &Disk) -> u32 {
    if disk.target.bus == Some(DiskBus::Sd) || matches!(disk.source.kind, SourceKind::VhostUser(_)) {
        return 0;
    }
    let data_store = |source: &Source| u32::from(source.data_store.is_some());
    let below: u32 =
        stores(disk).filter_map(|store| store.source.as_ref()).map(|source| 1 + data_store(source)).sum();
    let filters = u32::try_from(disk.throttle_filters.len()).unwrap_or(u32::MAX);
    (1 + data_store(&disk.source) + below).saturating_add(filters)
}

/// How many images with smaller numbers than this one are handed over as descriptors, which is the number of the set
/// that its own descriptors are.
pub(crate) fn fdset(domain: &Domain, node: &str) -> u32 {
    let is_passed =
        |source: &&Source| matches!(&source.kind, SourceKind::File(file) if file.fdgroup.is_some());
    let number = |node: &str| node.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
    let (Some(wanted), (firsts, _)) = (number(node), node_numbers(domain)) else { return 0 };
    let disks = domain.devices.disks.iter().zip(firsts);
    let images = disks.flat_map(|(disk, first)| {
        let top = std::iter::once(&disk.spec.source);
        let below = stores(&disk.spec).filter_map(|store| store.source.as_ref());
        let sources = top.chain(below).flat_map(|source| {
            std::iter::once(source).chain(source.data_store.as_deref().map(|store| &store.source))
        });
        sources.zip(first..)
    });
    let before = images.filter(|(source, number)| *number < wanted && is_passed(source)).count();
    u32::try_from(before).unwrap_or(u32::MAX)
}

/// The images below the one that the guest sees, and behind them the statement that there are no more.
fn stores(disk: &Disk) -> impl Iterator<Item = &BackingStore> {
    std::iter::successors(disk.backing_store.as_deref(), |store| store.backing_store.as_deref())
}

/// The image that the guest sees.
pub(super) fn top<'a>(device: &Resolved<'a, Disk>, name: String) -> Image<'a> {
    let disk = device.spec;
    let driver = disk.driver.as_ref();
    Image {
        name,
        source: &disk.source,
        format: driver.and_then(|driver| driver.format).unwrap_or(Format::Raw),
        metadata_cache: driver.and_then(|driver| driver.metadata_cache_max_size),
        auth: disk.auth(),
        encryption: disk.encryption(),
        data_file: None,
        readonly: disk.readonly,
        driver,
        is_top: true,
        is_cdrom: disk.device() == DiskDevice::Cdrom,
        is_floppy: disk.device() == DiskDevice::Floppy,
        meta: &device.device().meta,
    }
}

/// Adds the nodes of a disk, the lowest first, and gives the name of the one that the drive shows.
///
/// A drive without a medium has none.
pub(super) fn args(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let disk = device.spec;
    if disk.source.is_empty() {
        return None;
    }
    let mut number = cx.first_node(device.index);
    let mut next_name = || {
        let name = format!("libvirt-{number}");
        number = number.saturating_add(1);
        name
    };
    let driver = disk.driver.as_ref();
    let mut layers = vec![Layer::new(top(device, next_name()), &mut next_name, cx)];
    let mut is_complete = false;
    for store in stores(disk) {
        let Some(source) = &store.source else {
            is_complete = true;
            break;
        };
        let format = store.format.as_ref();
        let image = Image {
            name: next_name(),
            source,
            format: format.and_then(|format| format.kind).unwrap_or(Format::Raw),
            metadata_cache: format.and_then(|format| format.metadata_cache_max_size),
            auth: source.auth.as_deref(),
            encryption: source.encryption.as_deref(),
            data_file: None,
            readonly: true,
            driver,
            is_top: false,
            is_cdrom: false,
            is_floppy: disk.device() == DiskDevice::Floppy,
            meta: &store.meta,
        };
        layers.push(Layer::new(image, &mut next_name, cx));
    }
    let mut backing = if is_complete { Backing::Nothing } else { Backing::Unknown };
    for layer in layers.iter().rev() {
        if let Some(data_file) = &layer.data_file {
            data_file.args(Backing::Unknown, cx, out);
        }
        layer.image.args(backing, cx, out);
        backing = Backing::Image(&layer.image);
    }
    let top = layers.first()?;
    Some(filters(device, top.image.node(cx), &mut next_name, out))
}

/// An image, and where its data is if that is somewhere else.
struct Layer<'a> {
    image: Image<'a>,
    data_file: Option<Image<'a>>,
}

impl<'a> Layer<'a> {
    fn new(mut image: Image<'a>, next_name: &mut dyn FnMut() -> String, cx: &Context<'_>) -> Self {
        let data_file =
            image.source.data_store.as_deref().map(|store| data_image(store, &image, next_name()));
        image.data_file = data_file.as_ref().map(|data| data.node(cx));
        Layer { image, data_file }
    }
}

/// The raw file with the data of a qcow2 image.
fn data_image<'a>(store: &'a DataStore, image: &Image<'a>, name: String) -> Image<'a> {
    let format = store.format.as_ref().and_then(|format| format.kind).unwrap_or(Format::Raw);
    Image {
        name,
        source: &store.source,
        format,
        metadata_cache: None,
        auth: store.source.auth.as_deref(),
        encryption: store.source.encryption.as_deref(),
        data_file: None,
        meta: &store.meta,
        is_cdrom: false,
        ..image.clone()
    }
}

/// Adds the nodes above the images, and gives the name of the last one.
fn filters(
    device: &Resolved<'_, Disk>,
    mut node: String,
    next_name: &mut dyn FnMut() -> String,
    out: &mut Args,
) -> String {
    let disk = device.spec;
    if disk.driver.as_ref().and_then(|driver| driver.copy_on_read) == Some(OnOff::On) {
        let name = format!("libvirt-CoR-{}", disk.target.dev);
        let props = Props::new("driver", "copy-on-read", device.at("driver/@copy_on_read"))
            .set("node-name", &name)
            .set("file", node)
            .set("discard", "unmap");
        out.props("-blockdev", props);
        node = name;
    }
    for filter in &disk.throttle_filters {
        let name = format!("{}-filter", next_name());
        let props = Props::new("driver", "throttle", filter.meta.origin)
            .set("node-name", &name)
            .set_at("throttle-group", crate::throttle::group_id(&filter.group), filter.meta.at("@group"))
            .set("file", node);
        out.props("-blockdev", props);
        node = name;
    }
    node
}
