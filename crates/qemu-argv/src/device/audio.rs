//! `<audio>`: where sound goes on the host, `-audiodev`.

use domain_model::device::audio::{Audio, AudioBackend};
use domain_model::xml::Tagged;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;

impl QemuDevice for Audio {
    fn alias(device: &Device<Self>, _: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("audio{}", device.spec.id)
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let (driver, plain) = match &device.spec.backend {
            AudioBackend::None(streams) => ("none", streams.input.is_none() && streams.output.is_none()),
            AudioBackend::Spice(streams) => ("spice", streams.input.is_none() && streams.output.is_none()),
            other => (other.tag(), false),
        };
        if !plain || device.spec.timer_period.is_some() {
            cx.not_yet(&format!("this setting of `<audio type='{driver}'>`"), device.origin, out);
            return;
        }
        let props = Props::plain(device.origin).set("id", device.alias);
        out.props("-audiodev", props.set_at("driver", driver, device.at("@type")));
    }
}
