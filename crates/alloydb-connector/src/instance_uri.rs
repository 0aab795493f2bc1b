//! The name of an instance, as the admin API spells it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// `projects/<PROJECT>/locations/<REGION>/clusters/<CLUSTER>/instances/<INSTANCE>`, parsed strictly.
///
/// The project may be domain-scoped (`google.com:my-project`). Nothing is trimmed, completed or
/// ignored: what isn't exactly of this form is a [`ParseInstanceUriError`]. Cheap to clone.
///
/// ```
/// use alloydb_connector::InstanceUri;
///
/// let instance: InstanceUri =
///     "projects/my-project/locations/us-central1/clusters/main/instances/primary".parse()?;
/// assert_eq!(instance.cluster(), "main");
/// # Ok::<(), alloydb_connector::ParseInstanceUriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceUri {
    text: Arc<str>,
    /// Where the project, location and cluster end in `text`; each begins after a fixed word.
    ends: [usize; 3],
}

const WORDS: [&str; 4] = ["projects/", "/locations/", "/clusters/", "/instances/"];

impl InstanceUri {
    /// The project, with its domain if it has one.
    pub fn project(&self) -> &str {
        &self.text[WORDS[0].len()..self.ends[0]]
    }

    /// The region, such as `us-central1`.
    pub fn location(&self) -> &str {
        &self.text[self.ends[0] + WORDS[1].len()..self.ends[1]]
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.text[self.ends[1] + WORDS[2].len()..self.ends[2]]
    }

    /// The instance's name within its cluster.
    pub fn instance(&self) -> &str {
        &self.text[self.ends[2] + WORDS[3].len()..]
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The cluster's URI: everything before `/instances/`.
    pub fn cluster_uri(&self) -> &str {
        &self.text[..self.ends[2]]
    }
}

impl FromStr for InstanceUri {
    type Err = ParseInstanceUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseInstanceUriError {
            input: text.to_owned(),
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [
            "projects",
            project,
            "locations",
            location,
            "clusters",
            cluster,
            "instances",
            instance,
        ] = parts[..]
        else {
            return Err(refuse());
        };
        if !is_project(project) || ![location, cluster, instance].into_iter().all(is_segment) {
            return Err(refuse());
        }
        let project_end = WORDS[0].len() + project.len();
        let location_end = project_end + WORDS[1].len() + location.len();
        let cluster_end = location_end + WORDS[2].len() + cluster.len();
        Ok(Self {
            text: text.into(),
            ends: [project_end, location_end, cluster_end],
        })
    }
}

/// A project is an identifier, a number, or `domain:identifier`.
fn is_project(text: &str) -> bool {
    match text.split_once(':') {
        Some((domain, project)) => is_segment(domain) && is_segment(project),
        None => is_segment(text),
    }
}

/// The URI goes into a URL's path and into a header, so only characters that mean nothing there
/// may come in; `.` and `..` would be resolved away.
fn is_segment(text: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(harmless)
}

impl fmt::Display for InstanceUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for InstanceUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, formatter)
    }
}

impl AsRef<str> for InstanceUri {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// A text that isn't an instance URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid instance URI {input:?}, expected \
     projects/<PROJECT>/locations/<REGION>/clusters/<CLUSTER>/instances/<INSTANCE>"
)]
pub struct ParseInstanceUriError {
    input: String,
}

impl ParseInstanceUriError {
    /// The text as it was given.
    pub fn input(&self) -> &str {
        &self.input
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_uri_is_taken_apart() {
        let uri: InstanceUri = "projects/p/locations/l/clusters/c1/instances/i-1"
            .parse()
            .unwrap();
        assert_eq!(uri.project(), "p");
        assert_eq!(uri.location(), "l");
        assert_eq!(uri.cluster(), "c1");
        assert_eq!(uri.instance(), "i-1");
        assert_eq!(uri.cluster_uri(), "projects/p/locations/l/clusters/c1");
    }

    #[test]
    fn a_domain_scoped_project_is_one_project() {
        let uri: InstanceUri = "projects/google.com:proj/locations/l/clusters/c/instances/i"
            .parse()
            .unwrap();
        assert_eq!(uri.project(), "google.com:proj");
    }

    #[test]
    fn what_other_connectors_let_through_is_refused_with_the_expected_form() {
        for input in [
            "",
            "p:r:c:i",
            "xprojects/p/locations/l/clusters/c/instances/i",
            "/projects/p/locations/l/clusters/c/instances/i",
            "projects/p/locations/l/clusters/c/instances/i/",
            "projects/p/locations/l/clusters/c/instances/i/extra",
            "projects/p/locations/l/clusters/c/instances/i:5432",
            "projects/p/locations/l/clusters/c1/instances/x/clusters/c/instances/i",
            "projects//locations/l/clusters/c/instances/i",
            "projects///locations/l/clusters/c/instances/i",
            "projects/a:b:c/locations/l/clusters/c/instances/i",
            "projects/:p/locations/l/clusters/c/instances/i",
            "projects/p:/locations/l/clusters/c/instances/i",
            "projects/p/locations/l:l/clusters/c/instances/i",
            "projects/p/locations/l/clusters/c/instances/",
            "projects/p/locations/l/clusters/../instances/i",
            "projects/p/locations/l/clusters/c/instances/i?x=1",
            "projects/p/locations/l/clusters/c/instances/i%2F",
            " projects/p/locations/l/clusters/c/instances/i",
            "projects/p/locations/l/clusters/c/instances/i\n",
            "projects/p/zones/l/clusters/c/instances/i",
        ] {
            let error = input.parse::<InstanceUri>().unwrap_err();
            assert_eq!(error.input(), input);
            let text = error.to_string();
            assert!(text.contains(&format!("{input:?}")), "{text}");
            assert!(
                text.contains("projects/<PROJECT>/locations/<REGION>"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in ".{0,120}") {
            if let Ok(uri) = text.parse::<InstanceUri>() {
                prop_assert_eq!(uri.as_str(), text);
            }
        }

        #[test]
        fn parts_come_back_as_they_went_in(
            project in "([a-z]{1,9}\\.com:)?[a-z][a-z0-9-]{0,20}",
            location in "[a-z][a-z0-9-]{0,20}",
            cluster in "[a-z][a-z0-9-]{0,20}",
            instance in "[a-z][a-z0-9-]{0,20}",
        ) {
            let text = format!(
                "projects/{project}/locations/{location}/clusters/{cluster}/instances/{instance}"
            );
            let uri: InstanceUri = text.parse().unwrap();
            prop_assert_eq!(uri.project(), project);
            prop_assert_eq!(uri.location(), location);
            prop_assert_eq!(uri.cluster(), cluster);
            prop_assert_eq!(uri.instance(), instance);
            prop_assert_eq!(uri.to_string(), text);
        }
    }
}
