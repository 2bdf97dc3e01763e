//! Reading libvirt's `cpu_map` files.

use domain_model::values::CpuSet;
use domain_model::xml::Text as _;
use domain_model::xml::text::parse_c_number;
use domain_model::{Document, Node, SyntaxError};

use super::{CpuMap, CpuidBits, FeatureSet, MapFeature, MapModel, MapVendor, Signature};

/// Why a CPU map could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CpuMapError {
    /// A file that the index names is not there.
    #[error("the CPU map has no file `{0}`")]
    Missing(String),
    /// A file is no XML.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// A file is not as expected.
    #[error("in `{file}` of the CPU map: {what}")]
    Layout {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
}

/// The most files that an index may name; libvirt's has some 200.
const MAX_FILES: usize = 4096;

impl CpuMap {
    /// Reads a map of libvirt's layout, which is an `index.xml` that names further files. `file` gives the text of a
    /// file of the map's folder, by its name.
    ///
    /// # Errors
    /// A file is missing or not as expected.
    pub fn read(file: &mut dyn FnMut(&str) -> Option<String>) -> Result<CpuMap, CpuMapError> {
        let index = document("index.xml", file)?;
        let mut map = CpuMap::default();
        for arch in elements(index.root(), "arch") {
            let is_arm = match arch.attribute("name").as_deref() {
                Some("x86") => false,
                Some("arm") => true,
                _ => continue,
            };
            let groups = elements(arch, "group").flat_map(|group| elements(group, "include"));
            for include in elements(arch, "include").chain(groups).take(MAX_FILES) {
                let name = include.attribute("filename").unwrap_or_default();
                let document = document(&name, file)?;
                if is_arm {
                    let features = elements(document.root(), "feature");
                    let names = features.filter_map(|feature| feature.attribute("name"));
                    map.arm_features.extend(names.map(|name| name.into_owned()));
                } else {
                    map.add(&document)?;
                }
            }
        }
        Ok(map)
    }

    /// Adds what one file describes.
    fn add(&mut self, file: &Document) -> Result<(), CpuMapError> {
        let problem = |what: String| CpuMapError::Layout { file: file.name().to_owned(), what };
        for node in file.root().children().filter(Node::is_element) {
            let name = node.attribute("name").map(|name| name.into_owned());
            let name = name.ok_or_else(|| problem(format!("a `<{}>` has no name", node.name())))?;
            match node.name() {
                "vendor" => {
                    let id = node.attribute("string").unwrap_or_default().into_owned();
                    self.vendors.push(MapVendor { name, id });
                }
                "feature" => {
                    let migratable = node.attribute("migratable").as_deref() != Some("no");
                    self.features.push(MapFeature { name, migratable, cpuid: cpuid(node) });
                }
                "model" => {
                    let model = self.read_model(name, node).map_err(problem)?;
                    self.models.push(model);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_model(&self, name: String, node: Node<'_>) -> Result<MapModel, String> {
        let mut model = MapModel::default();
        if let Some(ancestor) = elements(node, "model").next() {
            let ancestor = ancestor.attribute("name").unwrap_or_default();
            let known = self.model(&ancestor);
            model = known.ok_or_else(|| format!("the model `{ancestor}` is not known"))?.clone();
        }
        model.name = name;
        let says = |element: &str, attribute: &str, value: &str| {
            elements(node, element).any(|node| node.attribute(attribute).as_deref() == Some(value))
        };
        model.for_guests = says("decode", "guest", "on");
        model.compared_here = says("check", "partial", "compat");
        if let Some(vendor) = elements(node, "vendor").find_map(|vendor| vendor.attribute("name")) {
            model.vendor = Some(vendor.into_owned());
        }
        let signatures: Vec<Signature> = elements(node, "signature").filter_map(signature).collect();
        if !signatures.is_empty() {
            model.signatures = signatures;
        }
        for feature in elements(node, "feature") {
            let name = feature.attribute("name").unwrap_or_default();
            if feature.attribute("removed").as_deref() == Some("yes") {
                model.removed.push(name.into_owned());
                continue;
            }
            // What a model got after it had been released is said for each guest by itself (libvirt 10.1).
            if feature.attribute("added").as_deref() == Some("yes") {
                continue;
            }
            let place = self.feature(&name).ok_or_else(|| format!("the feature `{name}` is not known"))?;
            model.features.insert(place);
            model.removed.retain(|removed| *removed != name);
        }
        Ok(model)
    }

    /// The set of the features with these names; names that the map does not know are left out.
    pub(crate) fn set<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> FeatureSet {
        let mut set = FeatureSet::default();
        names.into_iter().filter_map(|name| self.feature(name)).for_each(|place| set.insert(place));
        set
    }
}

fn document(name: &str, file: &mut dyn FnMut(&str) -> Option<String>) -> Result<Document, CpuMapError> {
    // A name is one of this folder, whatever the index says.
    let text = if name.contains('/') { None } else { file(name) };
    let text = text.ok_or_else(|| CpuMapError::Missing(name.to_owned()))?;
    Ok(Document::parse(name, text)?)
}

fn elements<'d>(node: Node<'d>, name: &'d str) -> impl Iterator<Item = Node<'d>> {
    node.children().filter(move |child| child.is_element() && child.name() == name)
}

fn cpuid(feature: Node<'_>) -> Option<CpuidBits> {
    let node = elements(feature, "cpuid").next()?;
    let number = |name| parse_c_number(&node.attribute(name)?).and_then(|number| u32::try_from(number).ok());
    let registers = ["eax", "ebx", "ecx", "edx"].map(|name| number(name).unwrap_or(0));
    Some(CpuidBits { leaf: number("eax_in")?, subleaf: number("ecx_in").unwrap_or(0), registers })
}

fn signature(node: Node<'_>) -> Option<Signature> {
    let number = |name| node.attribute(name).and_then(|text| text.parse::<u32>().ok());
    let steppings = match node.attribute("stepping") {
        Some(text) => {
            let set = CpuSet::parse(&text).ok()?;
            set.iter().filter_map(|stepping| 1_u16.checked_shl(stepping)).fold(0, |all, bit| all | bit)
        }
        None => u16::MAX,
    };
    Some(Signature { family: number("family")?, model: number("model")?, steppings })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<CpuMap, CpuMapError> {
        CpuMap::read(&mut |wanted| {
            files.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned())
        })
    }

    const INDEX: &str = "<cpus><arch name='x86'><include filename='a.xml'/><group name='g'>\
        <include filename='b.xml'/></group></arch><arch name='arm'><include filename='c.xml'/></arch><arch name='z80'><include filename='d.xml'/></arch></cpus>";
    const ARM: &str = "<cpus><feature name='sve'/><model name='m'/></cpus>";
    const BASICS: &str = "<cpus><vendor name='Acme' string='AcmeAcmeAcme'/>\
        <feature name='one'><cpuid eax_in='1' eax='1'/></feature>\
        <feature name='two' migratable='no'><cpuid eax_in='1' eax='2'/></feature></cpus>";

    #[test]
    fn a_model_takes_over_what_its_ancestor_has() {
        let models = "<cpus><model name='old'><check partial='compat'/><decode host='on' guest='on'/>\
            <signature family='6' model='5' stepping='2-3'/><vendor name='Acme'/><feature name='one'/>\
            <feature name='two' removed='yes'/><feature name='three' added='yes'/></model>\
            <model name='old-v1'><decode host='on' guest='off'/><model name='old'/><feature name='two'/></model></cpus>";
        let map =
            read(&[("index.xml", INDEX), ("a.xml", BASICS), ("b.xml", models), ("c.xml", ARM)]).unwrap();
        assert_eq!(map.arm_features, ["sve"]);
        let (old, new) = (map.model("old").unwrap(), map.model("old-v1").unwrap());
        assert!(old.for_guests && old.compared_here && !new.for_guests && !new.compared_here);
        assert_eq!(map.names(&old.features).collect::<Vec<_>>(), ["one"]);
        assert_eq!(map.names(&new.features).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((&old.removed, &new.removed), (&vec!["two".to_owned()], &Vec::new()));
        assert_eq!(new.vendor.as_deref(), Some("Acme"));
        assert!(new.has_signature(Signature::new(6, 5, 3)) && !new.has_signature(Signature::new(6, 5, 4)));
        assert_eq!(map.vendor("AcmeAcmeAcme"), Some("Acme"));
        assert!(map.is_migratable("one") && !map.is_migratable("two") && map.is_migratable("three"));
    }

    #[test]
    fn what_is_wrong_with_a_map_is_said() {
        let check = |index: &str, a: &str, expected: &str| {
            let error = read(&[("index.xml", index), ("a.xml", a), ("b.xml", "<cpus/>"), ("c.xml", ARM)])
                .unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("<cpus><arch name='x86'><include filename='../x'/></arch></cpus>", "", "no file `../x`");
        check("<cpus", "", "index.xml");
        check(INDEX, "<cpus><model/></cpus>", "a `<model>` has no name");
        check(INDEX, "<cpus><model name='m'><model name='n'/></model></cpus>", "the model `n` is not known");
        check(
            INDEX,
            "<cpus><model name='m'><feature name='f'/></model></cpus>",
            "the feature `f` is not known",
        );
    }
}
