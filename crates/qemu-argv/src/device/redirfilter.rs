//! `<redirfilter>` on the QEMU side: a property of each redirected device.

use domain_model::device::redirfilter::{RedirRule, Redirfilter};
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;

impl QemuDevice for Redirfilter {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("redirfilter{index}")
    }

    fn args(_: &Resolved<'_, Self>, _: &Context<'_>, _: &mut Args) {}
}

/// Adds the rules to a redirected device, if the domain has some.
pub(super) fn filter(props: Props, cx: &Context<'_>) -> Props {
    match cx.domain.devices.redirfilters.first() {
        Some(filter) if !filter.spec.rules.is_empty() => {
            let rules: Vec<String> = filter.spec.rules.iter().map(rule).collect();
            props.set_at("filter", rules.join("|"), filter.meta.origin)
        }
        _ => props,
    }
}

/// `CLASS:VENDOR:PRODUCT:VERSION:ALLOW`; `-1` fits everything.
fn rule(rule: &RedirRule) -> String {
    let any = || "-1".to_owned();
    format!(
        "{}:{}:{}:{}:{}",
        rule.class.map_or_else(any, |class| class.to_text()),
        rule.vendor.map_or_else(any, |vendor| vendor.to_text()),
        rule.product.map_or_else(any, |product| product.to_text()),
        rule.version.map_or_else(any, |version| format!("{:#06x}", version.bcd())),
        u8::from(rule.allow == YesNo::Yes)
    )
}
