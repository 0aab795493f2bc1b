//! Principals: who is meant by a name.

use ipnet::IpNet;

use super::value::{boolean_of, globs_of, items_of, texts_of};
use crate::principal::Tls;
use crate::who::Whom;
use crate::yaml::{Fields, Node, Place, Reading, Value, advice_or};

pub(super) const KEYS: &[&str] = &[
    "users",
    "groups",
    "databases",
    "backends",
    "certificates",
    "networks",
    "application_names",
    "claims",
    "tls",
];

/// Who is meant by a name, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Principals {
    whom: Vec<Whom>,
    places: Vec<Place>,
    used: Vec<bool>,
}

impl Principals {
    pub(super) fn read(node: Option<Node>, reading: &mut Reading) -> Self {
        let mut principals = Self::default();
        let Some(node) = node else { return principals };
        let Value::Map(entries) = node.value else {
            reading.mistake(node.place, "principals is a map from names to who is meant");
            return principals;
        };
        for (key, node) in entries {
            let Some(fields) = Fields::of(node, "a principal", KEYS, reading) else {
                continue;
            };
            let mut whom = whom(fields, reading);
            if whom == Whom::default() {
                reading.mistake(
                    key.place,
                    format!(
                        "{} says of nobody who it is: a rule for everybody has no `for`",
                        key.name
                    ),
                );
            }
            whom.name = key.name.into();
            principals.whom.push(whom);
            principals.places.push(key.place);
            principals.used.push(false);
        }
        principals
    }

    /// The places of names.
    pub(super) fn find(&mut self, node: Node, reading: &mut Reading) -> Vec<usize> {
        let mut found = Vec::new();
        for (place, name) in texts_of(node, "principals", reading) {
            let index = self.whom.iter().position(|whom| *whom.name == *name);
            let Some(index) = index else {
                let known = self.whom.iter().map(|whom| &*whom.name);
                let advice = advice_or(&name, known, "say under principals who it is");
                reading.mistake(place, format!("there is no principal {name}; {advice}"));
                continue;
            };
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
            found.push(index);
        }
        found
    }

    pub(super) fn warn_of_unused(&self, reading: &mut Reading) {
        for ((whom, place), used) in self.whom.iter().zip(&self.places).zip(&self.used) {
            if !used {
                reading.warning(*place, format!("no rule is for {}", whom.name));
            }
        }
    }

    pub(super) fn into_whom(self) -> Vec<Whom> {
        self.whom
    }
}

fn whom(mut fields: Fields, reading: &mut Reading) -> Whom {
    let globs = |fields: &mut Fields, key: &'static str, reading: &mut Reading| {
        fields
            .take(key)
            .map(|(_, node)| globs_of(node, key, reading))
            .unwrap_or_default()
    };
    let mut whom = Whom {
        users: globs(&mut fields, "users", reading),
        groups: globs(&mut fields, "groups", reading),
        databases: globs(&mut fields, "databases", reading),
        backends: globs(&mut fields, "backends", reading),
        certificates: globs(&mut fields, "certificates", reading),
        application_names: globs(&mut fields, "application_names", reading),
        ..Whom::default()
    };
    if let Some((_, node)) = fields.take("networks") {
        for (place, text) in texts_of(node, "networks", reading) {
            match network(&text) {
                Ok(network) => whom.networks.push(network),
                Err(mistake) => reading.mistake(place, mistake),
            }
        }
    }
    if let Some((_, node)) = fields.take("claims") {
        whom.claims = claims(node, reading);
    }
    if let Some((_, node)) = fields.take("tls") {
        whom.tls =
            boolean_of(&node, "tls", reading).map(|tls| if tls { Tls::On } else { Tls::Off });
    }
    fields.finish(reading);
    whom
}

/// A network as `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(addr) = text.parse::<std::net::IpAddr>() {
        return Ok(addr.into());
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| format!("{text} is no network: write it as 10.0.0.0/8 or 2001:db8::/32"))?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!(
            "{text} has bits beyond its length: {} is meant",
            network.trunc()
        ))
    }
}

fn claims(node: Node, reading: &mut Reading) -> Vec<(Box<str>, Vec<serde_json::Value>)> {
    let Value::Map(entries) = node.value else {
        reading.mistake(node.place, "claims is a map from names of claims to values");
        return Vec::new();
    };
    entries
        .into_iter()
        .map(|(key, node)| {
            let values = items_of(node, "the claim", reading)
                .into_iter()
                .filter_map(|item| claim(&item, reading))
                .collect();
            (key.name.into(), values)
        })
        .collect()
}

pub(super) fn claim(node: &Node, reading: &mut Reading) -> Option<serde_json::Value> {
    match &node.value {
        Value::Boolean(boolean) => Some((*boolean).into()),
        Value::Integer(integer) => Some((*integer).into()),
        Value::Float(float) => Some((*float).into()),
        Value::Text(text) => Some(text.as_str().into()),
        Value::Null | Value::List(_) | Value::Map(_) => {
            reading.mistake(node.place, "a claim is a text, a number, true or false");
            None
        }
    }
}
