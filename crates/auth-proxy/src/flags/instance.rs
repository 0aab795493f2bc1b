//! An instance as it was named, with its query, to its listener and its own settings.

use std::net::IpAddr;
use std::path::PathBuf;

use alloydb_connector::IpType;

use super::mistake::Mistake;
use super::query::Query;
use super::resolve::impersonation;
use super::{instance_name, literal, paths};
use crate::settings::{Bind, Credential, Identity, Instance, InstanceName, ListenerTls};

/// What counts for an instance that says nothing else.
pub(crate) struct Defaults {
    pub(crate) address: IpAddr,
    pub(crate) first_port: i64,
    /// Empty for TCP.
    pub(crate) unix_directory: String,
    pub(crate) public_ip: bool,
    pub(crate) psc: bool,
    pub(crate) auto_iam_authn: bool,
    pub(crate) credential: Credential,
    pub(crate) tls: Option<ListenerTls>,
}

/// The keys that have a meaning.
const KEYS: &[&str] = &[
    "address",
    "port",
    "unix-socket",
    "unix-socket-path",
    "auto-iam-authn",
    "public-ip",
    "psc",
    "credentials-file",
    "impersonate-service-account",
    "tls-cert-file",
    "tls-key-file",
];

/// Reads the instances, each with its query.
pub(crate) fn read(
    texts: &[String],
    defaults: &Defaults,
    notices: &mut Vec<String>,
) -> Result<Vec<Instance>, Mistake> {
    let mut instances = Vec::new();
    let mut places = Vec::new();
    for text in texts {
        let (instance, place) = read_one(text, defaults, notices)?;
        instances.push(instance);
        places.push(place);
    }
    let binds = assign_ports(places, defaults.first_port);
    let bound = instances.into_iter().zip(binds);
    Ok(bound.map(|(unbound, bind)| unbound.bound(bind)).collect())
}

/// Where a listener is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// On TCP; a port that isn't given is counted.
    Tcp(IpAddr, Option<i64>),
    /// On a Unix socket.
    Unix(Bind),
}

/// Gives ports to those that have none: the first one to the first of them, and so on. Ports that
/// were given count for nothing, even if the count comes to them.
fn assign_ports(places: Vec<Place>, first: i64) -> Vec<Bind> {
    let mut next = first;
    let bind = |place| match place {
        Place::Unix(bind) => bind,
        Place::Tcp(address, Some(port)) => Bind::Tcp { address, port },
        Place::Tcp(address, None) => {
            let port = next;
            next = next.saturating_add(1);
            Bind::Tcp { address, port }
        }
    };
    places.into_iter().map(bind).collect()
}

/// An instance without its listener.
struct Unbound {
    name: InstanceName,
    ip_type: IpType,
    auto_iam_authn: bool,
    identity: Option<Identity>,
    tls: Option<ListenerTls>,
}

impl Unbound {
    fn bound(self, bind: Bind) -> Instance {
        Instance {
            name: self.name,
            bind,
            ip_type: self.ip_type,
            auto_iam_authn: self.auto_iam_authn,
            identity: self.identity,
            tls: self.tls,
        }
    }
}

fn read_one(
    text: &str,
    defaults: &Defaults,
    notices: &mut Vec<String>,
) -> Result<(Unbound, Place), Mistake> {
    let (label, query) = text.split_once('?').unwrap_or((text, ""));
    let name = instance_name::parse(label, notices)?;
    let query = Query::parse(query).ok_or_else(|| Mistake::Query(query.to_owned()))?;
    for key in query.keys().filter(|key| !KEYS.contains(key)) {
        notices.push(format!(
            "Ignoring {key} of {label}: there is no such query parameter"
        ));
    }
    let own = Own { label, query };
    own.check_exclusive()?;
    let place = own.place(&name, defaults)?;
    let auto_iam_authn = own.switch("auto-iam-authn")?;
    let unbound = Unbound {
        ip_type: own.ip_type(defaults)?,
        auto_iam_authn: auto_iam_authn.unwrap_or(defaults.auto_iam_authn),
        identity: own.identity(defaults)?,
        tls: own.tls(defaults, &place)?,
        name,
    };
    Ok((unbound, place))
}

/// What an instance says itself.
struct Own<'a> {
    /// The instance, for errors.
    label: &'a str,
    query: Query,
}

impl Own<'_> {
    fn check_exclusive(&self) -> Result<(), Mistake> {
        for (first, second) in [
            ("address", "unix-socket"),
            ("port", "unix-socket"),
            ("address", "unix-socket-path"),
            ("port", "unix-socket-path"),
            ("unix-socket", "unix-socket-path"),
        ] {
            if self.query.has(first) && self.query.has(second) {
                return Err(Mistake::QueryExclusive {
                    instance: self.label.to_owned(),
                    first,
                    second,
                });
            }
        }
        Ok(())
    }

    fn place(&self, name: &InstanceName, defaults: &Defaults) -> Result<Place, Mistake> {
        let address = match self.text("address")? {
            Some(text) => Some(text.parse().map_err(|_| Mistake::QueryAddress {
                instance: self.label.to_owned(),
                value: text.to_owned(),
            })?),
            None => None,
        };
        let port = match self.text("port")? {
            Some(text) => Some(literal::decimal(text).map_err(|cause| Mistake::QueryPort {
                instance: self.label.to_owned(),
                value: text.to_owned(),
                cause,
            })?),
            None => None,
        };
        // 0 is how the original says that there is none.
        let port = port.filter(|port| *port != 0);
        let directory = self.text("unix-socket")?.unwrap_or_default();
        let path = self.text("unix-socket-path")?.unwrap_or_default();
        let tcp = Place::Tcp(address.unwrap_or(defaults.address), port);
        Ok(if address.is_some() || port.is_some() {
            tcp
        } else if !path.is_empty() {
            Place::Unix(paths::exactly(path))
        } else if !directory.is_empty() {
            Place::Unix(paths::under(directory, name))
        } else if !defaults.unix_directory.is_empty() {
            Place::Unix(paths::under(&defaults.unix_directory, name))
        } else {
            tcp
        })
    }

    /// What an instance asks for goes before what counts for all, and `psc` before `public-ip`.
    fn ip_type(&self, defaults: &Defaults) -> Result<IpType, Mistake> {
        let public_ip = self.switch("public-ip")?;
        let psc = self.switch("psc")?;
        Ok(if psc == Some(true) {
            IpType::Psc
        } else if public_ip == Some(true) {
            IpType::Public
        } else if psc.unwrap_or(defaults.psc) {
            IpType::Psc
        } else if public_ip.unwrap_or(defaults.public_ip) {
            IpType::Public
        } else {
            IpType::Private
        })
    }

    /// A credential of the instance's own is not impersonating for others unless it is told to.
    fn identity(&self, defaults: &Defaults) -> Result<Option<Identity>, Mistake> {
        let file = self
            .text("credentials-file")?
            .filter(|text| !text.is_empty());
        let accounts = self.text("impersonate-service-account")?;
        if file.is_none() && accounts.is_none() {
            return Ok(None);
        }
        Ok(Some(Identity {
            credential: match file {
                Some(file) => Credential::File(PathBuf::from(file)),
                None => defaults.credential.clone(),
            },
            impersonation: accounts.and_then(impersonation),
        }))
    }

    fn tls(&self, defaults: &Defaults, place: &Place) -> Result<Option<ListenerTls>, Mistake> {
        let certificate = self.text("tls-cert-file")?;
        let key = self.text("tls-key-file")?;
        match (certificate, key) {
            (None, None) => Ok(match place {
                Place::Tcp(..) => defaults.tls.clone(),
                Place::Unix(_) => None,
            }),
            (Some(""), Some("")) => Ok(None),
            (None | Some(""), _) | (_, None | Some("")) => Err(Mistake::QueryTlsHalf {
                instance: self.label.to_owned(),
            }),
            (Some(certificate), Some(key)) => match place {
                Place::Tcp(..) => Ok(Some(ListenerTls {
                    certificate: PathBuf::from(certificate),
                    key: PathBuf::from(key),
                })),
                Place::Unix(_) => Err(Mistake::QueryTlsOnUnix {
                    instance: self.label.to_owned(),
                }),
            },
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<&str>, Mistake> {
        self.query.single(key).map_err(|_| Mistake::QueryRepeated {
            instance: self.label.to_owned(),
            key,
        })
    }

    /// A switch; without a value it is on.
    fn switch(&self, key: &'static str) -> Result<Option<bool>, Mistake> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "" | "true" | "t" => Ok(Some(true)),
            "false" | "f" => Ok(Some(false)),
            _ => Err(Mistake::QuerySwitch {
                instance: self.label.to_owned(),
                key,
                value: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_without_a_port_are_counted() {
        let local: IpAddr = [127, 0, 0, 1].into();
        let bind = |port| Bind::Tcp {
            address: local,
            port,
        };
        let places =
            |ports: &[Option<i64>]| ports.iter().map(|port| Place::Tcp(local, *port)).collect();
        let counted = assign_ports(places(&[None, Some(6000), None]), 5432);
        assert_eq!(counted, [bind(5432), bind(6000), bind(5433)]);
        // 0 lets the system choose, but it is counted all the same.
        assert_eq!(assign_ports(places(&[None, None]), 0), [bind(0), bind(1)]);
        assert_eq!(assign_ports(places(&[None, None]), -1), [bind(-1), bind(0)]);
        assert_eq!(
            assign_ports(places(&[None, Some(5432)]), 5432),
            [bind(5432), bind(5432)]
        );
    }
}
