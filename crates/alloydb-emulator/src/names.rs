//! Names of clusters and instances, as the admin API writes them.

use std::fmt;
use std::str::FromStr;

/// `projects/P/locations/R/clusters/C`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName(String);

/// `projects/P/locations/R/clusters/C/instances/I`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName {
    text: String,
    cluster_len: usize,
}

/// A text that is no such name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no name of the form {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

const CLUSTER_FORM: &str = "projects/P/locations/R/clusters/C";
const INSTANCE_FORM: &str = "projects/P/locations/R/clusters/C/instances/I";

impl ClusterName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The project; `google.com:p` if it belongs to a domain.
    pub fn project(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }

    /// The name of an instance of this cluster.
    pub fn instance(&self, id: &str) -> Result<InstanceName, NameError> {
        format!("{}/instances/{id}", self.0).parse()
    }
}

impl InstanceName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The cluster's part of the name.
    pub fn cluster(&self) -> &str {
        self.text.get(..self.cluster_len).unwrap_or_default()
    }

    /// The last word.
    pub fn id(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, &["projects", "locations", "clusters"]) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError {
            text: text.to_owned(),
            expected: CLUSTER_FORM,
        })
    }
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError {
            text: text.to_owned(),
            expected: INSTANCE_FORM,
        };
        if !is_name(text, &["projects", "locations", "clusters", "instances"]) {
            return Err(refused());
        }
        let cluster_len = text.find("/instances/").ok_or_else(refused)?;
        Ok(Self {
            text: text.to_owned(),
            cluster_len,
        })
    }
}

/// Whether the text is pairs of these words and something that is neither empty nor strange: the
/// last word becomes an option of sessions and a part of files' names.
fn is_name(text: &str, words: &[&str]) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    let (pairs, rest) = parts.as_chunks::<2>();
    rest.is_empty()
        && pairs.len() == words.len()
        && pairs.iter().zip(words).all(|([word, value], expected)| {
            let colons = value.matches(':').count();
            let strange =
                |character: char| !character.is_ascii_alphanumeric() && !"-._:".contains(character);
            let is_plain = !value.is_empty() && !value.starts_with('.') && !value.contains(strange);
            word == expected && is_plain && colons <= usize::from(*word == "projects")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole() {
        let name = "projects/google.com:p/locations/r/clusters/c/instances/i";
        let parsed: InstanceName = name.parse().unwrap();
        assert_eq!(
            parsed.cluster(),
            "projects/google.com:p/locations/r/clusters/c"
        );
        assert_eq!(parsed.id(), "i");
        for wrong in [
            "",
            "/projects/p/locations/r/clusters/c/instances/i",
            "projects/p/locations/r/clusters/c/instances/i/",
            "projects/p/locations/r/clusters/c/instances/",
            "projects/p/locations/r/clusters/c/instances/i:5433",
            "projects/a:b:c/locations/r/clusters/c/instances/i",
            "projects/p/locations/r/clusters/c",
            "projects/p/locations/r/clusters/c/instances/a b",
            "projects/p/locations/r/clusters/../instances/i",
        ] {
            assert!(wrong.parse::<InstanceName>().is_err(), "{wrong}");
        }
        let cluster: ClusterName = parsed.cluster().parse().unwrap();
        assert_eq!(cluster.project(), "google.com:p");
        assert_eq!(cluster.instance("i"), Ok(parsed));
    }
}
