//! What starting a guest makes of `<cpu>`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use caps_parser::facts::{Accel, Accelerator, CpuModel, CpuProp, CpuValue, Facts, HostCpu as Expanded};
use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Domain};
use qemu_argv::{Config, CpuMap, HostCpu, Inputs, Layout, Payload, RecordedHost};

/// Three models of one maker: the old one has a feature that its machine types disagree on.
fn map() -> CpuMap {
    let features = ["fa", "fb", "fc", "fd", "fe", "late", "cmt"]
        .map(|name| format!("<feature name='{name}'/>"))
        .concat();
    let model = |name: &str, number: u32, features: &[&str], more: &str| {
        let features: String = features.iter().map(|name| format!("<feature name='{name}'/>")).collect();
        format!(
            "<model name='{name}'><decode host='on' guest='on'/><signature family='6' model='{number}'/>\
             <vendor name='Acme'/>{features}{more}</model>"
        )
    };
    let models = [
        model("old", 1, &["fa"], "<check partial='compat'/><feature name='fe' removed='yes'/>"),
        model("middle", 2, &["fa", "fb"], "<check partial='compat'/>"),
        model("new", 3, &["fa", "fb", "fc"], "<feature name='late' added='yes'/>"),
    ];
    let file = format!(
        "<cpus><vendor name='Acme' string='AcmeAcmeAcme'/>{features}\
         <feature name='stuck' migratable='no'/>{}</cpus>",
        models.concat()
    );
    let index = "<cpus><arch name='x86'><include filename='all.xml'/></arch></cpus>";
    CpuMap::read(&mut |name| Some(if name == "index.xml" { index.to_owned() } else { file.clone() })).unwrap()
}

/// A QEMU that has some models, and says of the host's CPU what is given.
fn qemu(models: &[(&str, &[&str])], expanded: Option<&[(&str, CpuValue)]>) -> Capabilities {
    let cpus = models.iter().map(|(name, blockers)| CpuModel {
        name: (*name).to_owned(),
        usable: Some(blockers.is_empty()),
        blockers: blockers.iter().collect(),
        ..CpuModel::default()
    });
    let prop = |(name, value): &(&str, CpuValue)| CpuProp {
        name: (*name).to_owned(),
        value: value.clone(),
        migratable: Some(*name != "stuck"),
    };
    let host_cpu = expanded.map(|props| Expanded {
        model: "base".to_owned(),
        migratability: true,
        props: props.iter().map(prop).collect(),
        ..Expanded::default()
    });
    let accelerator = Accelerator { cpus: cpus.collect(), host_cpu, ..Accelerator::default() };
    let facts = Facts {
        arch: Some("x86_64".to_owned()),
        accelerators: [(Accel::Kvm, accelerator)].into(),
        ..Facts::default()
    };
    let mut caps = Capabilities::detect(facts, "a test");
    [Capability::Blockdev, Capability::Kvm, Capability::CpuMax]
        .into_iter()
        .for_each(|flag| caps.set(flag, true));
    caps
}

fn cpu_argument(cpu: &str, caps: &Capabilities, host: &RecordedHost, layout: Layout) -> String {
    let xml = format!(
        "<domain type='kvm'><name>guest</name><memory>65536</memory><vcpu>1</vcpu><os>\
         <type arch='x86_64' machine='pc'>hvm</type></os>{cpu}<devices><memballoon model='none'/></devices></domain>"
    );
    let document = Document::parse("test", xml).unwrap();
    let (domain, _) = Domain::read(&document);
    let config = Config { layout, ..Config::default() };
    let inputs = Inputs { caps, host, config: &config };
    let (resolved, _) = qemu_argv::resolve(&domain, inputs);
    let (line, problems) = qemu_argv::lower(&resolved, inputs);
    if let Some(problem) =
        problems.iter().find(|problem| problem.message.contains("CPU") || problem.message.contains('`'))
    {
        return format!("{}: {}", problem.code, problem.message);
    }
    let argument =
        line.args.iter().find(|arg| arg.flag == "-cpu" && matches!(arg.payload, Payload::Props(_)));
    argument.and_then(|arg| line.payload(arg, &mut |_| String::new())).unwrap_or_default()
}

/// What QEMU says of a host with these features; it has not heard of `fd` otherwise.
fn on(names: &[&'static str]) -> Vec<(&'static str, CpuValue)> {
    let mut props = vec![("vendor", CpuValue::Text("AcmeAcmeAcme".to_owned()))];
    let known = ["fa", "fb", "fc", "fe"].iter().filter(|name| !names.contains(name));
    props.extend(known.map(|name| (*name, CpuValue::Bool(false))));
    props.extend(names.iter().map(|name| (*name, CpuValue::Bool(true))));
    props
}

fn with_map() -> RecordedHost {
    RecordedHost { cpu_map: Some(Arc::new(map())), ..RecordedHost::default() }
}

#[test]
fn host_model_is_the_nearest_model_and_the_difference() {
    const ALL: &[(&str, &[&str])] = &[("old", &[]), ("middle", &[]), ("new", &[])];
    let check = |models: &[(&str, &[&str])], host: &[&'static str], cpu: &str, expected: &str| {
        let caps = qemu(models, Some(&on(host)));
        assert_eq!(cpu_argument(cpu, &caps, &with_map(), Layout::Libvirt), expected, "{cpu}");
    };
    let plain = "<cpu mode='host-model'/>";
    check(ALL, &["fa", "fb", "fc"], plain, "new");
    check(ALL, &["fa", "fb", "fd"], plain, "middle,fd=on");
    // What a model got later is said by itself, and not missed.
    check(ALL, &["fa", "fb", "fc", "late"], plain, "new,late=on");
    check(ALL, &["fa", "stuck"], plain, "middle,fb=off");
    check(
        ALL,
        &["fa", "fb", "fc", "fd"],
        "<cpu mode='host-model'><feature name='fc' policy='disable'/></cpu>",
        "new,fd=on,fc=off",
    );
    check(
        ALL,
        &["fa", "fb"],
        "<cpu mode='host-model'><model vendor_id='Twelve Chars'/></cpu>",
        "middle,vendor=Twelve Chars",
    );
    // QEMU lacks the best model, or its own idea of it has what the host has not.
    check(&[("old", &[]), ("middle", &[])], &["fa", "fb", "fc"], plain, "middle,fc=on");
    check(&[("new", &["fe"])], &["fa", "fb", "fc"], plain, "new,fe=off");
    check(ALL, &["fa", "fb"], "<cpu match='minimum'><model>old</model></cpu>", "middle");
}

#[test]
fn custom_models_are_translated_completed_and_checked() {
    const SOME: &[(&str, &[&str])] = &[("old", &[]), ("new", &["fc"]), ("max", &[])];
    let check = |host: &[&'static str], cpu: &str, expected: &str| {
        let caps = qemu(SOME, Some(&on(host)));
        assert_eq!(cpu_argument(cpu, &caps, &with_map(), Layout::Libvirt), expected, "{cpu}");
    };
    let all = &["fa", "fb", "fc"];
    check(all, "<cpu><model>old</model></cpu>", "old,fe=off");
    check(all, "<cpu><model>middle</model></cpu>", "new,fc=off");
    check(
        all,
        "<cpu><model fallback='forbid'>middle</model></cpu>",
        "unsupported-configuration: the QEMU of `a test` has no CPU model `middle`",
    );
    check(
        all,
        "<cpu><model>old</model><feature name='fb' policy='optional'/><feature name='fe' policy='optional'/></cpu>",
        "old,fb=on,fe=off",
    );
    check(
        all,
        "<cpu><model>old</model><feature name='wings'/></cpu>",
        "unsupported-configuration: `wings` is no feature of x86 CPUs",
    );
    check(
        &["fb"],
        "<cpu><model>old</model></cpu>",
        "cpu-incompatible: the host's CPU lacks what the guest needs: `fa`",
    );
    check(&["fb"], "<cpu check='none'><model>old</model></cpu>", "old,fe=off");
    check(
        all,
        "<cpu match='strict'><model>old</model></cpu>",
        "cpu-incompatible: the host's CPU has more than the guest's, which has to match it strictly: `fb`, `fc`",
    );
    check(
        all,
        "<cpu><model>old</model><feature name='fb' policy='forbid'/></cpu>",
        "cpu-incompatible: the host's CPU has what the guest must not see: `fb`",
    );
    check(
        all,
        "<cpu><model>old</model><vendor>Other</vendor></cpu>",
        "cpu-incompatible: the host's CPU is made by `Acme`",
    );
    check(all, "<cpu><model>max</model></cpu>", "host-fact: libvirt has no CPU model `max`");
    // Newer models are QEMU's to judge.
    check(all, "<cpu><model>new</model></cpu>", "cpu-incompatible: the host lacks features of `new`: `fc`");
    // What QEMU never heard of is off anyway.
    check(
        all,
        "<cpu><model>new</model><feature name='fc' policy='disable'/><feature name='fd' policy='disable'/></cpu>",
        "new,fc=off",
    );
}

#[test]
fn a_host_may_be_known_without_qemu_and_a_qemu_without_libvirt() {
    let models: &[(&str, &[&str])] = &[("old", &[]), ("middle", &[])];
    let features = ["fd", "cmt", "stuck"].map(str::to_owned).to_vec();
    let cpu = HostCpu { model: "middle".to_owned(), vendor: Some("Acme".to_owned()), features };
    let host = RecordedHost { cpu: Some(cpu), ..with_map() };
    let plain = "<cpu mode='host-model'/>";
    assert_eq!(cpu_argument(plain, &qemu(models, None), &host, Layout::Libvirt), "middle,fd=on");

    // The features of the host's CPU count besides those that QEMU gives.
    let features = ["fa", "late"].map(str::to_owned).to_vec();
    let cpu = HostCpu { model: String::new(), vendor: Some("Acme".to_owned()), features };
    let host = RecordedHost { cpu: Some(cpu), ..with_map() };
    assert_eq!(cpu_argument(plain, &qemu(models, None), &host, Layout::Libvirt), "middle,late=on,fb=off");
    let old = "<cpu><model>old</model></cpu>";
    assert_eq!(cpu_argument(old, &qemu(models, Some(&on(&["fb"]))), &host, Layout::Libvirt), "old,fe=off");

    let bare = RecordedHost::default();
    let caps = qemu(models, Some(&on(&["fa", "fc", "stuck"])));
    let check = |cpu: &str, layout, expected: &str| {
        assert_eq!(cpu_argument(cpu, &caps, &bare, layout), expected, "{cpu}");
    };
    check(plain, Layout::Run, "base,vendor=AcmeAcmeAcme,fa=on,fc=on");
    check(
        "<cpu mode='host-model'><feature name='fc' policy='disable'/></cpu>",
        Layout::Run,
        "base,vendor=AcmeAcmeAcme,fa=on,fc=off",
    );
    let unknown =
        "unsupported-configuration: what this CPU is depends on the host's CPU, and that is not known";
    check(plain, Layout::Libvirt, unknown);
    assert_eq!(cpu_argument(plain, &qemu(models, None), &bare, Layout::Run), unknown);
}
