//! `--as`: a principal on the command line.

use querycop_policy::{CertificateName, Principal, Tls};

const KEYS: &[&str] = &[
    "user", "database", "group", "addr", "tls", "cert", "app", "backend", "claim.NAME",
];

/// Reads `key=value,…`.
pub(super) fn parse(text: &str) -> Result<Principal, String> {
    let mut principal = Principal::default();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part} is no key=value"))?;
        set(&mut principal, key.trim(), value.trim())?;
    }
    Ok(principal)
}

fn set(principal: &mut Principal, key: &str, value: &str) -> Result<(), String> {
    match key {
        "user" => principal.user = value.into(),
        "database" => principal.database = value.into(),
        "group" => principal.groups.push(value.into()),
        "backend" => principal.backend = value.into(),
        "app" => principal.application_name = Some(value.into()),
        "addr" => {
            let addr = value
                .parse()
                .map_err(|_| format!("{value} is no address"))?;
            principal.client_addr = Some(addr);
        }
        "tls" => {
            principal.tls = match value {
                "on" | "true" => Tls::On,
                "off" | "false" => Tls::Off,
                _ => return Err("tls is on or off".to_owned()),
            }
        }
        "cert" => {
            principal.certificate = Some(CertificateName {
                common_name: Some(value.into()),
                alternative_names: Vec::new(),
            });
        }
        _ => {
            let claim = key
                .strip_prefix("claim.")
                .ok_or_else(|| format!("unknown key {key}; known are {}", KEYS.join(", ")))?;
            add_claim(principal, claim, value);
        }
    }
    Ok(())
}

/// A claim; given more than once it is a list.
fn add_claim(principal: &mut Principal, claim: &str, value: &str) {
    use serde_json::Value;
    // What is no JSON is a text.
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    match principal.claims.get_mut(claim) {
        None => {
            principal.claims.insert(claim.into(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(single) => {
            let first = single.take();
            *single = Value::Array(vec![first, value]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_read() {
        let principal = parse(
            "user=ann,group=a,group=b,addr=10.1.2.3,tls=on,claim.level=3,claim.team=x,claim.team=y",
        )
        .unwrap();
        assert_eq!(&*principal.user, "ann");
        assert_eq!(principal.groups.len(), 2);
        assert_eq!(principal.tls, Tls::On);
        assert_eq!(principal.claims["level"], serde_json::json!(3));
        assert_eq!(principal.claims["team"], serde_json::json!(["x", "y"]));
        assert!(parse("usr=ann").unwrap_err().contains("known are user"));
        assert!(parse("ann").is_err());
        assert!(parse("addr=x").is_err());
    }
}
