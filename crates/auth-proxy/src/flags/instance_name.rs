//! How an instance is called: a URI, leniently as the original takes it, or a DNS name.

use super::mistake::{InstanceHint, Mistake};
use crate::settings::InstanceName;

/// What may stand before a DNS name to say that it is one.
const DNS: &str = "dns:";

/// Reads a name. What stood around the URI and is left off is told in a notice.
pub(crate) fn parse(text: &str, notices: &mut Vec<String>) -> Result<InstanceName, Mistake> {
    let refuse = |hint| Mistake::Instance {
        text: text.to_owned(),
        hint,
    };
    if let Some(name) = text.strip_prefix(DNS) {
        return dns_name(name).ok_or_else(|| refuse(InstanceHint::Dns));
    }
    if !text.contains('/') {
        let name = dns_name(text).filter(|_| text.contains('.'));
        return name.ok_or_else(|| refuse(InstanceHint::Form));
    }
    // The original looks for the URI anywhere in the text, so that an address of the API is one too.
    let starts = text.match_indices("projects/").map(|(start, _)| start);
    let mut problem = InstanceHint::Form;
    for start in starts {
        let uri = without_tail(&text[start..]);
        match uri.parse() {
            Ok(parsed) => {
                if uri != text {
                    notices.push(format!("Taking {text:?} as {uri}"));
                }
                return Ok(InstanceName::Uri(parsed));
            }
            Err(error) => problem = InstanceHint::Uri(error),
        }
    }
    Err(refuse(problem))
}

/// Leaves off what the original lets through behind an instance: its API knows no such instance.
fn without_tail(text: &str) -> &str {
    let last = text.rfind("/instances/").unwrap_or_default();
    let end = text[last..]
        .find(':')
        .map_or(text.len(), |colon| last + colon);
    text[..end].trim_end_matches(['/', ' ', '\t', '\r', '\n'])
}

fn dns_name(text: &str) -> Option<InstanceName> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(harmless)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = name
        .rsplit('.')
        .next()?
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    let is_name = name.len() <= 253 && !is_address && name.split('.').all(is_label);
    is_name.then(|| InstanceName::Dns(name.to_owned()))
}
