//! Storage pools of libvirt, for disks of the type `volume`.

use std::collections::BTreeMap;

use domain_model::storage::{Auth, AuthSecret, Secret};
use domain_model::values::Uuid;
use domain_model::xml::Text as _;
use domain_model::{Document, Node};
use serde::{Deserialize, Serialize};

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct StoragePool {
    /// libvirt's word for its kind, such as `dir` or `iscsi`.
    pub kind: String,
    /// Whether it is in use, so that its volumes are there.
    pub active: bool,
    /// The directory with its volumes.
    pub target: Option<String>,
    /// The server that has it, and its port.
    pub server: Option<(String, Option<u32>)>,
    /// The device or iSCSI target that it is on.
    pub device: Option<String>,
    /// The user that the server knows, and whose password it asks for.
    pub user: Option<(String, PoolSecret)>,
    /// Its volumes, by name; not all need be known.
    pub volumes: BTreeMap<String, StorageVolume>,
}

/// The password of a pool's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolSecret {
    /// By the UUID of the secret.
    Uuid(String),
    /// By what the secret is for.
    Usage(String),
}

/// A volume of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageVolume {
    /// What it is.
    pub kind: VolumeKind,
    /// Its path on the host.
    pub path: String,
}

/// What a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// A file.
    File,
    /// A block device.
    Block,
    /// A directory.
    Dir,
    /// Something that only its server can show.
    Network,
}

impl StoragePool {
    /// Reads libvirt's description of a pool; whether it is active, and which volumes it has, is not in there.
    pub fn read(xml: &str) -> Option<StoragePool> {
        let document = Document::parse("pool", xml).ok()?;
        let pool = document.root();
        let source = child(pool, "source");
        let of_source =
            |name: &str, attribute: &str| Some(child(source?, name)?.attribute(attribute)?.into_owned());
        let target = child(pool, "target").and_then(|target| child(target, "path"));
        let server = of_source("host", "name")
            .map(|name| (name, of_source("host", "port").and_then(|port| port.parse().ok())));
        Some(StoragePool {
            kind: pool.attribute("type")?.into_owned(),
            target: target.map(|path| path.text().into_owned()),
            server,
            device: of_source("device", "path"),
            user: source.and_then(|source| user(child(source, "auth")?)),
            ..StoragePool::default()
        })
    }

    /// The credentials that the pool's server asks for.
    pub(crate) fn auth(&self) -> Option<Auth> {
        let (username, secret) = self.user.as_ref()?;
        let secret = match secret {
            PoolSecret::Uuid(uuid) => Secret::Uuid(Uuid::parse(uuid).ok()?),
            PoolSecret::Usage(usage) => Secret::Usage(usage.clone()),
        };
        let secret = AuthSecret { secret: Some(secret), ..AuthSecret::default() };
        Some(Auth { username: username.clone(), secret, ..Auth::default() })
    }
}

fn user(auth: Node<'_>) -> Option<(String, PoolSecret)> {
    let secret = child(auth, "secret")?;
    let uuid = secret.attribute("uuid").map(|uuid| PoolSecret::Uuid(uuid.into_owned()));
    let usage = || Some(PoolSecret::Usage(secret.attribute("usage")?.into_owned()));
    Some((auth.attribute("username")?.into_owned(), uuid.or_else(usage)?))
}

fn child<'d>(node: Node<'d>, name: &str) -> Option<Node<'d>> {
    node.children().find(|child| child.is_element() && child.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_says_where_it_is_and_who_may_use_it() {
        let pool = StoragePool::read(
            "<pool type='iscsi'><name>p</name><source><host name='server' port='3261'/><device path='iqn.x'/>\
             <auth type='chap' username='me'><secret usage='mine'/></auth></source>\
             <target><path>/dev/disk/by-path</path></target></pool>",
        )
        .unwrap();
        assert_eq!((pool.kind.as_str(), pool.target.as_deref()), ("iscsi", Some("/dev/disk/by-path")));
        assert_eq!(pool.server, Some(("server".to_owned(), Some(3261))));
        assert_eq!(pool.device.as_deref(), Some("iqn.x"));
        let auth = pool.auth().unwrap();
        assert_eq!(
            (auth.username.as_str(), auth.secret.secret),
            ("me", Some(Secret::Usage("mine".to_owned())))
        );
        assert_eq!(StoragePool::read("<pool type='dir'/>").unwrap().server, None);
        assert_eq!(StoragePool::read("<pool>"), None);
    }
}
