//! Which principals a name of the file stands for.

use ipnet::IpNet;

use crate::pattern::Glob;
use crate::principal::{CertificateName, Principal, Tls};

/// Which principals a name of the file stands for: all lists must match, one entry of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Whom {
    pub(crate) name: Box<str>,
    pub(crate) users: Vec<Glob>,
    pub(crate) groups: Vec<Glob>,
    pub(crate) databases: Vec<Glob>,
    pub(crate) backends: Vec<Glob>,
    pub(crate) certificates: Vec<Glob>,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) application_names: Vec<Glob>,
    pub(crate) claims: Vec<(Box<str>, Vec<serde_json::Value>)>,
    pub(crate) tls: Option<Tls>,
}

impl Whom {
    pub(crate) fn matches(&self, principal: &Principal) -> bool {
        let one = |globs: &[Glob], text: &str| {
            globs.is_empty() || globs.iter().any(|glob| glob.matches(text))
        };
        one(&self.users, &principal.user)
            && one(&self.databases, &principal.database)
            && one(&self.backends, &principal.backend)
            && some(&self.groups, principal.groups.iter().map(|group| &**group))
            && some(
                &self.certificates,
                principal
                    .certificate
                    .iter()
                    .flat_map(CertificateName::names),
            )
            && some(
                &self.application_names,
                principal.application_name.iter().map(|name| &**name),
            )
            && self.matches_network(principal)
            && self.matches_claims(principal)
            && self.tls.is_none_or(|tls| tls == principal.tls)
    }

    fn matches_network(&self, principal: &Principal) -> bool {
        // A Unix socket is in no network. An IPv4 address in an IPv6 one is itself.
        self.networks.is_empty()
            || principal.client_addr.is_some_and(|addr| {
                let addr = addr.to_canonical();
                self.networks.iter().any(|network| network.contains(&addr))
            })
    }

    /// A claim that is a list matches if one of its items does.
    fn matches_claims(&self, principal: &Principal) -> bool {
        self.claims.iter().all(|(name, wanted)| {
            let Some(claim) = principal.claims.get(name) else {
                return false;
            };
            let items = claim
                .as_array()
                .map_or(std::slice::from_ref(claim), Vec::as_slice);
            items
                .iter()
                .any(|item| wanted.iter().any(|wanted| is_claimed(wanted, item)))
        })
    }
}

fn some<'t>(globs: &[Glob], mut texts: impl Iterator<Item = &'t str>) -> bool {
    globs.is_empty() || texts.any(|text| globs.iter().any(|glob| glob.matches(text)))
}

/// Texts match with `*`; anything else is the same or not.
fn is_claimed(wanted: &serde_json::Value, claim: &serde_json::Value) -> bool {
    match (wanted.as_str(), claim.as_str()) {
        (Some(wanted), Some(claim)) => Glob::new(wanted).matches(claim),
        _ => wanted == claim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Principal {
        Principal {
            user: "ann".into(),
            database: "shop".into(),
            groups: vec!["staff".into(), "analysts".into()],
            client_addr: Some("::ffff:10.1.2.3".parse().unwrap()),
            claims: [
                ("hd".into(), serde_json::json!("example.com")),
                ("roles".into(), serde_json::json!(["reader", "writer"])),
                ("admin".into(), serde_json::json!(false)),
            ]
            .into(),
            ..Principal::default()
        }
    }

    #[test]
    fn every_list_must_match_and_one_entry_of_it() {
        let whom = Whom {
            users: vec![Glob::new("bob"), Glob::new("a*")],
            groups: vec![Glob::new("analysts")],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..Whom::default()
        };
        assert!(whom.matches(&principal()));
        let elsewhere = Principal {
            client_addr: Some("192.0.2.1".parse().unwrap()),
            ..principal()
        };
        assert!(!whom.matches(&elsewhere));
        let through_a_socket = Principal {
            client_addr: None,
            ..principal()
        };
        assert!(!whom.matches(&through_a_socket));
        let of_no_group = Principal {
            groups: Vec::new(),
            ..principal()
        };
        assert!(!whom.matches(&of_no_group));
    }

    #[test]
    fn claims_are_compared_by_their_type() {
        let with = |name: &str, value: serde_json::Value| Whom {
            claims: vec![(name.into(), vec![value])],
            ..Whom::default()
        };
        assert!(with("hd", serde_json::json!("*.com")).matches(&principal()));
        assert!(with("roles", serde_json::json!("writer")).matches(&principal()));
        assert!(with("admin", serde_json::json!(false)).matches(&principal()));
        assert!(!with("admin", serde_json::json!("false")).matches(&principal()));
        assert!(!with("none", serde_json::json!("x")).matches(&principal()));
    }
}
