//! `<backingStore>` and `<mirror>`: images below and beside a disk's.

use crate::storage::{FileSource, Format, ImageFormat, Source, SourceKind};
use crate::xml::{Element, Meta, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};
use crate::{values, words};

words! {
    /// `job` of `<mirror>`: what is going on.
    pub enum MirrorJob {
        /// A copy of the disk is made.
        Copy = "copy",
        /// The disk's image is merged into one below.
        ActiveCommit = "active-commit",
    }

    /// `ready` of `<mirror>`: how far the job is.
    pub enum MirrorState {
        /// Both sides are equal.
        Yes = "yes",
        /// It is being given up.
        Abort = "abort",
        /// The disk is moving to the other side.
        Pivot = "pivot",
    }
}

/// `<backingStore>`: the image below another, or without a source the statement that there is none.
/// Since libvirt 1.2.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackingStore {
    /// Where the image is; `None` ends the chain.
    pub source: Option<Source>,
    /// `index`: the number of the image in the chain, as old versions of libvirt wrote it.
    pub index: Option<u32>,
    /// `<format>`: the format of the image.
    pub format: Option<ImageFormat>,
    /// `<backingStore>`: the image further below.
    pub backing_store: Option<Box<BackingStore>>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<mirror>`: the other side of a running job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mirror {
    /// Where the image is.
    pub source: Source,
    /// `file`: the path, as old versions of libvirt want it.
    pub old_file: Option<String>,
    /// `format`: the format, as old versions of libvirt want it.
    pub old_format: Option<Format>,
    /// What is going on; a copy if it is not said.
    pub job: Option<MirrorJob>,
    /// How far the job is; not ready if it is not said.
    pub ready: Option<MirrorState>,
    /// `<format>`: the format of the image.
    pub format: Option<ImageFormat>,
    /// `<backingStore>`: the image below.
    pub backing_store: Option<Box<BackingStore>>,
    /// Where it was written.
    pub meta: Meta,
}

/// The word of a source's kind, for elements that need not have one.
#[derive(Debug, Clone)]
struct KindWord(SourceKind);

impl Text for KindWord {
    fn parse(text: &str) -> Result<Self, TextError> {
        SourceKind::from_tag(text).map(KindWord).ok_or_else(|| TextError::words(SourceKind::TAGS))
    }

    fn print(&self, out: &mut String) {
        out.push_str(self.0.tag());
    }
}

/// Names a `type` that may be missing.
fn describe_kind<X: Xml>(xml: &mut X, source: &Option<Source>) -> Option<Source> {
    let mut kind = source.as_ref().map(|source| KindWord(source.kind.clone()));
    xml.attribute("type", &mut kind);
    kind.map(|kind| Source { kind: kind.0, ..Source::default() })
}

impl Element for BackingStore {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        let kind = describe_kind(xml, &self.source);
        if X::READS {
            self.source = kind;
        }
        xml.lenient("index", &mut self.index);
        let Some(source) = &mut self.source else { return };
        xml.child("format", &mut self.format);
        let has_source = source.describe(xml);
        values::need_element(xml, has_source, "backingStore", "source");
        xml.child("backingStore", &mut self.backing_store);
        let has_format = self.format.as_ref().is_some_and(|format| format.kind.is_some());
        values::need_element(xml, has_format, "backingStore", "format");
    }
}

impl Element for Mirror {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.source.kind);
        xml.attribute("file", &mut self.old_file);
        xml.attribute("format", &mut self.old_format);
        xml.attribute("job", &mut self.job);
        xml.attribute("ready", &mut self.ready);
        xml.child("format", &mut self.format);
        self.source.describe(xml);
        xml.child("backingStore", &mut self.backing_store);
        if X::READS && self.source.is_empty() {
            match (&mut self.source.kind, &self.old_file) {
                (SourceKind::File(FileSource { path, .. }), Some(file)) => *path = Some(file.clone()),
                _ => {
                    let message = "`<mirror>` needs a `<source>`";
                    xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
                }
            }
        }
    }
}
