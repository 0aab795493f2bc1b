//! What is wrong with a description, all of it at once.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::backend::{Backend, BackendUrlError};
use crate::description::{Cluster, Description};
use crate::names::{ClusterName, InstanceName, NameError};

/// Something in the description that can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// The backend's URL.
    #[error(transparent)]
    Backend(#[from] BackendUrlError),
    /// No cluster, or a cluster without instances.
    #[error("{0} has no {1}")]
    Empty(String, &'static str),
    /// A name of the wrong form.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two things of one name.
    #[error("{0} is there twice")]
    Twice(String),
    /// An instance without an address.
    #[error("{0} has no private, public or PSC address")]
    Address(String),
    /// An address outside of this machine.
    #[error("{0} has the address {1}, which is not on loopback")]
    NotLoopback(String, std::net::IpAddr),
    /// Two instances on one address.
    #[error("{0} and {1} share the address {2}")]
    Shared(String, String, std::net::IpAddr),
    /// No e-mail address.
    #[error("\"{0}\" is no e-mail address")]
    Email(String),
    /// A principal that isn't there.
    #[error("{key} names {email}, which is no principal")]
    Principal {
        /// Where.
        key: &'static str,
        /// Who.
        email: String,
    },
    /// A role's name that is longer than PostgreSQL's.
    #[error("the role \"{0}\" has more than 63 bytes")]
    LongRole(String),
}

/// A state file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It can't be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not TOML, or has keys that nobody knows.
    #[error("{}: {cause}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        cause: Box<toml::de::Error>,
    },
}

/// Finds them all.
pub(crate) fn find(description: &Description) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Err(error) = Backend::from_url(&description.backend) {
        mistakes.push(error.into());
    }
    if description.clusters.is_empty() {
        mistakes.push(Mistake::Empty("the emulator".to_owned(), "cluster"));
    }
    let mut names = HashSet::new();
    let mut owners = Vec::new();
    for cluster in &description.clusters {
        if !names.insert(cluster.name.clone()) {
            mistakes.push(Mistake::Twice(cluster.name.clone()));
        }
        of_cluster(cluster, &mut owners, &mut mistakes);
    }
    for (at, (address, name)) in owners.iter().enumerate() {
        let before = owners.iter().take(at);
        if let Some((_, other)) = before.clone().find(|(other, _)| other == address) {
            mistakes.push(Mistake::Shared(other.clone(), name.clone(), *address));
        }
    }
    of_principals(description, &mut mistakes);
    mistakes
}

fn of_cluster(
    cluster: &Cluster,
    owners: &mut Vec<(std::net::IpAddr, String)>,
    mistakes: &mut Vec<Mistake>,
) {
    if let Err(error) = cluster.name.parse::<ClusterName>() {
        return mistakes.push(error.into());
    }
    if cluster.instances.is_empty() {
        mistakes.push(Mistake::Empty(cluster.name.clone(), "instance"));
    }
    let mut seen = HashSet::new();
    for instance in &cluster.instances {
        let name = format!("{}/instances/{}", cluster.name, instance.name);
        if let Err(error) = name.parse::<InstanceName>() {
            mistakes.push(error.into());
        }
        if !seen.insert(&instance.name) {
            mistakes.push(Mistake::Twice(name.clone()));
        }
        let own = [
            instance.private_address,
            instance
                .public_address
                .filter(|address| Some(*address) != instance.private_address),
            instance.standby_address,
        ];
        // One that is reached by PSC has no other.
        let addresses = [
            instance.private_address,
            instance.public_address,
            instance.psc_address,
        ];
        if addresses.iter().all(Option::is_none) {
            mistakes.push(Mistake::Address(name.clone()));
        }
        owners.extend(
            own.into_iter()
                .flatten()
                .map(|address| (address, name.clone())),
        );
        for address in own.into_iter().chain([instance.psc_address]).flatten() {
            if !address.is_loopback() {
                mistakes.push(Mistake::NotLoopback(name.clone(), address));
            }
        }
    }
    for role in cluster.iam_users.iter().flatten() {
        of_role(role, mistakes);
    }
}

fn of_role(role: &str, mistakes: &mut Vec<Mistake>) {
    if role.len() > querycop_wire::startup::MAX_NAME_LEN {
        mistakes.push(Mistake::LongRole(role.to_owned()));
    }
}

fn of_principals(description: &Description, mistakes: &mut Vec<Mistake>) {
    let mut known = HashSet::new();
    for principal in &description.principals {
        let email = principal.email.as_str();
        let strange = |character: char| character.is_whitespace() || "\"'$/\\".contains(character);
        if !email.contains('@') || email.contains(strange) {
            mistakes.push(Mistake::Email(email.to_owned()));
        }
        if !known.insert(email) {
            mistakes.push(Mistake::Twice(email.to_owned()));
        }
        of_role(email.trim_end_matches(".gserviceaccount.com"), mistakes);
    }
    let named = [
        (
            "default_principal",
            description.default_principal.as_deref(),
        ),
        (
            "metadata_service_account",
            description.metadata_service_account.as_deref(),
        ),
    ];
    let named = named
        .into_iter()
        .filter_map(|(key, email)| Some((key, email?)));
    let acting = description
        .principals
        .iter()
        .flat_map(|principal| &principal.may_act_as);
    for (key, email) in named.chain(acting.map(|email| ("may_act_as", email.as_str()))) {
        if !known.contains(email) {
            mistakes.push(Mistake::Principal {
                key,
                email: email.to_owned(),
            });
        }
    }
}
