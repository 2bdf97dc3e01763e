//! `<source protocol=…>`: images behind a network protocol.

use std::collections::BTreeSet;

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `protocol` of a network source.
    pub enum Protocol {
        /// Network block device.
        Nbd = "nbd",
        /// RADOS block device of Ceph.
        Rbd = "rbd",
        /// Sheepdog; no hypervisor knows it any more.
        Sheepdog = "sheepdog",
        /// GlusterFS.
        Gluster = "gluster",
        /// iSCSI; since libvirt 1.0.4.
        Iscsi = "iscsi",
        /// HTTP.
        Http = "http",
        /// HTTP over TLS.
        Https = "https",
        /// FTP.
        Ftp = "ftp",
        /// FTP over TLS.
        Ftps = "ftps",
        /// TFTP.
        Tftp = "tftp",
        /// SSH's file transfer; since libvirt 9.8.
        Ssh = "ssh",
        /// Veritas HyperScale; since libvirt 3.8.
        Vxhs = "vxhs",
        /// NFS; since libvirt 7.0.
        Nfs = "nfs",
    }

    /// `transport` of a `<host>`.
    pub enum Transport {
        /// TCP, the default.
        Tcp = "tcp",
        /// A socket in the file system.
        Unix = "unix",
        /// Remote direct memory access.
        Rdma = "rdma",
    }
}

/// An image behind a network protocol; since libvirt 0.8.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkSource {
    /// The protocol; `None` only if it could not be read.
    pub protocol: Option<Protocol>,
    /// Which image: pool and image, volume and path, target and LUN, or path, as the protocol has it.
    /// Only NBD can do without.
    pub name: Option<String>,
    /// The query string of HTTP and HTTPS; since libvirt 6.2.
    pub query: Option<String>,
    /// Whether NBD and VxHS go over TLS; since libvirt 4.5.
    pub tls: Option<YesNo>,
    /// The name the server's certificate has to be for, if not that of the host; NBD only, since libvirt 8.2.
    pub tls_hostname: Option<String>,
    /// `<host>`: the servers.
    pub hosts: Vec<Host>,
    /// `<snapshot>`: the name of an RBD snapshot; since libvirt 1.2.11.
    pub snapshot: Option<String>,
    /// `<config>`: the path of a configuration file for the RBD client; since libvirt 1.2.11.
    pub config: Option<String>,
    /// `<initiator>`: the name with which an iSCSI client presents itself; since libvirt 4.7.
    pub initiator_iqn: Option<String>,
    /// `<ssl>`: whether the server's certificate is checked; the default is yes. Since libvirt 6.2.
    pub ssl_verify: Option<YesNo>,
    /// `<cookies>` of HTTP and HTTPS; since libvirt 6.2.
    pub cookies: Vec<Cookie>,
    /// `<readahead>` of HTTP and FTP, in bytes; since libvirt 6.2.
    pub readahead: Option<u64>,
    /// `<timeout>` of HTTP and FTP, in seconds; since libvirt 6.2.
    pub timeout: Option<u64>,
    /// `<identity>`: who is asking, for NFS and SSH.
    pub identity: Option<Identity>,
    /// `<knownHosts>`: the path of the file with the keys of SSH servers; since libvirt 9.8.
    pub known_hosts: Option<String>,
    /// `<reconnect>`: for how many seconds NBD tries to connect again; since libvirt 9.2.
    pub reconnect_delay: Option<u32>,
}

/// `<host>`: a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// How it is reached; TCP if it is not said.
    pub transport: Option<Transport>,
    /// Its name or address.
    pub name: Option<String>,
    /// Its port; each protocol has its default.
    pub port: Option<u32>,
    /// The path of its socket, for the transport `unix`.
    pub socket: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<cookie>` of HTTP and HTTPS; since libvirt 6.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value; secret.
    pub value: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<identity>`: who is asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// NFS: user name, or `+` and a user number.
    pub user: Option<String>,
    /// NFS: group name, or `+` and a group number.
    pub group: Option<String>,
    /// SSH: user name; since libvirt 9.8.
    pub username: Option<String>,
    /// SSH: path of the private key; since libvirt 9.8.
    pub keyfile: Option<String>,
    /// SSH: path of the key agent's socket; since libvirt 9.8.
    pub agentsock: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl NetworkSource {
    pub(super) fn describe_attributes<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("protocol", &mut self.protocol);
        xml.attribute("name", &mut self.name);
        xml.attribute("query", &mut self.query);
        xml.attribute("tls", &mut self.tls);
        xml.attribute("tlsHostname", &mut self.tls_hostname);
    }

    pub(super) fn describe_children<X: Xml>(&mut self, xml: &mut X) {
        xml.children("host", &mut self.hosts);
        xml.nested("snapshot", |xml| xml.attribute("name", &mut self.snapshot));
        xml.nested("config", |xml| xml.attribute("file", &mut self.config));
        describe_initiator(xml, &mut self.initiator_iqn);
        xml.nested("ssl", |xml| xml.attribute("verify", &mut self.ssl_verify));
        xml.nested("cookies", |xml| xml.children("cookie", &mut self.cookies));
        check_cookies(xml, &self.cookies);
        xml.nested("readahead", |xml| xml.optional("size", &mut self.readahead));
        xml.nested("timeout", |xml| xml.optional("seconds", &mut self.timeout));
        xml.nested("reconnect", |xml| xml.attribute("delay", &mut self.reconnect_delay));
        xml.nested("knownHosts", |xml| xml.needed("path", &mut self.known_hosts));
        xml.child("identity", &mut self.identity);
    }

    pub(super) fn check<X: Xml>(&self, xml: &mut X) {
        if let Some(identity) = &self.identity
            && self.protocol == Some(Protocol::Ssh)
            && identity.username.is_none()
        {
            let message = "`<identity>` needs the attribute `username` for the protocol `ssh`";
            xml.report(Diagnostic::error(Code::MissingAttribute, identity.meta.origin, message));
        }
        let missing = match self.protocol {
            None => "protocol",
            Some(protocol) if protocol != Protocol::Nbd && self.name.is_none() => "name",
            Some(_) => return,
        };
        let message = format!("a network source needs the attribute `{missing}`");
        xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
    }
}

/// Names `<initiator>`, which network sources and SCSI host devices share.
pub(crate) fn describe_initiator<X: Xml>(xml: &mut X, iqn: &mut Option<String>) {
    xml.nested("initiator", |xml| {
        xml.joined(&["iqn"]);
        xml.nested("iqn", |xml| xml.attribute("name", iqn));
    });
}

impl Element for Host {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("name", &mut self.name);
        xml.blamed_as(Code::BadNumber, |xml| xml.attribute("port", &mut self.port));
        xml.attribute("transport", &mut self.transport);
        xml.attribute("socket", &mut self.socket);
        if !X::READS {
            return;
        }
        let (code, message) = match (self.transport, &self.name, &self.socket) {
            (Some(Transport::Unix), _, None) => {
                (Code::MissingAttribute, "a host behind the transport `unix` needs the attribute `socket`")
            }
            (Some(Transport::Unix), _, Some(_)) => return,
            (_, _, Some(_)) => (Code::Conflict, "only hosts behind the transport `unix` have a `socket`"),
            (_, None, None) => (Code::MissingAttribute, "`<host>` needs the attribute `name`"),
            (_, Some(_), None) => return,
        };
        xml.report(Diagnostic::error(code, xml.at(""), message));
    }
}

impl Element for Cookie {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.text(&mut self.value);
        if X::READS && (self.name.is_empty() || self.value.as_ref().is_none_or(String::is_empty)) {
            let message = "a cookie needs a name and a value";
            xml.report(Diagnostic::error(Code::BadValue, xml.at(""), message));
        }
    }
}

/// Reports cookies of one name, while reading.
fn check_cookies<X: Xml>(xml: &mut X, cookies: &[Cookie]) {
    let mut names = BTreeSet::new();
    for cookie in cookies.iter().filter(|_| X::READS) {
        if !names.insert(&cookie.name) {
            let message = format!("the cookie `{}` occurs twice", cookie.name);
            xml.report(Diagnostic::error(Code::Conflict, cookie.meta.at("@name"), message));
        }
    }
}

impl Element for Identity {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("user", &mut self.user);
        xml.attribute("group", &mut self.group);
        xml.attribute("username", &mut self.username);
        xml.attribute("keyfile", &mut self.keyfile);
        xml.attribute("agentsock", &mut self.agentsock);
    }
}
