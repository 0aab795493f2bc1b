//! DNS names that stand for instances: the TXT record holds the URI.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::{BoxFuture, InstanceUri};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// For one lookup with all its attempts.
const DEADLINE: Duration = Duration::from_secs(15);

/// Looks up TXT records.
pub trait Resolve: Send + Sync + 'static {
    /// The values of a name's TXT records.
    ///
    /// # Errors
    ///
    /// Whatever kept them from being found.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>>;
}

/// What a resolver says when it has no answer.
pub type ResolveError = Box<dyn StdError + Send + Sync>;

/// A name leads to no instance.
#[derive(Debug, Error)]
pub(crate) enum LookupError {
    #[error("the TXT record of {name} can't be looked up")]
    Resolve {
        name: String,
        #[source]
        cause: ResolveError,
    },
    #[error("the lookup of the TXT record of {name} took longer than {after:?}")]
    Timeout { name: String, after: Duration },
    #[error("no TXT record of {name} holds an instance URI; it has {found}")]
    NoInstance { name: String, found: String },
}

/// The resolver that the operating system is set up for.
#[derive(Default)]
pub struct SystemResolver {
    resolver: OnceCell<TokioResolver>,
}

impl SystemResolver {
    async fn look_up(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        let resolver = self.resolver.get_or_try_init(build).await?;
        // With its dot: the search list is for hosts.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        let answer = resolver.txt_lookup(absolute).await?;
        let texts = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(txt) => {
                    let bytes: Vec<u8> = txt.txt_data.concat();
                    Some(String::from_utf8_lossy(&bytes).into_owned())
                }
                _ => None,
            });
        Ok(texts.collect())
    }
}

async fn build() -> Result<TokioResolver, ResolveError> {
    let mut builder = TokioResolver::builder_tokio()?;
    // How often is asked is the user's choice: an answer that is kept would make it longer.
    builder.options_mut().cache_size = 0;
    Ok(builder.build()?)
}

impl Resolve for SystemResolver {
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
        Box::pin(self.look_up(name))
    }
}

/// The instance that a name leads to: of its values in alphabetical order the first that is a URI.
pub(crate) async fn look_up(
    resolver: &Arc<dyn Resolve>,
    name: &str,
) -> Result<InstanceUri, LookupError> {
    let looked_up = timeout(DEADLINE, resolver.txt(name)).await;
    let values = looked_up.map_err(|_| LookupError::Timeout {
        name: name.to_owned(),
        after: DEADLINE,
    })?;
    let mut values = values.map_err(|cause| LookupError::Resolve {
        name: name.to_owned(),
        cause,
    })?;
    values.sort_unstable();
    let instance = values.iter().find_map(|value| value.trim().parse().ok());
    instance.ok_or_else(|| LookupError::NoInstance {
        name: name.to_owned(),
        found: format!("{values:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of db.example.
    struct Fixed(Vec<String>);

    impl Resolve for Fixed {
        fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
            let found = (name == "db.example").then(|| self.0.clone());
            Box::pin(std::future::ready(
                found.ok_or_else(|| "no such name".into()),
            ))
        }
    }

    fn resolver(values: &[&str]) -> Arc<dyn Resolve> {
        Arc::new(Fixed(
            values.iter().map(|&value| value.to_owned()).collect(),
        ))
    }

    #[tokio::test]
    async fn the_first_value_that_is_a_uri_wins() {
        let values = [
            "v=spf1 -all",
            "projects/p/locations/l/clusters/c/instances/j",
            "projects/p/locations/l/clusters/c/instances/i",
            "a",
        ];
        let found = look_up(&resolver(&values), "db.example").await.unwrap();
        assert_eq!(found.instance(), "i");
    }

    #[tokio::test]
    async fn what_is_there_instead_is_told() {
        let error = look_up(&resolver(&["a"]), "db.example").await.unwrap_err();
        let expected = "no TXT record of db.example holds an instance URI; it has [\"a\"]";
        assert_eq!(error.to_string(), expected);
        let error = look_up(&resolver(&[]), "other").await.unwrap_err();
        assert_eq!(
            crate::log::chain(&error),
            "the TXT record of other can't be looked up: no such name"
        );
    }
}
