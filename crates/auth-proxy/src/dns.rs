//! DNS names that stand for instances: the TXT record holds the URI.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::{BoxFuture, InstanceUri};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{ResolverBuilder, TokioResolver};
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
    finish(TokioResolver::builder_tokio()?)
}

fn finish(
    mut builder: ResolverBuilder<TokioRuntimeProvider>,
) -> Result<TokioResolver, ResolveError> {
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
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};

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

    /// The answer to a question for TXT: one record of two strings.
    fn answer(query: &[u8], parts: [&str; 2]) -> Vec<u8> {
        // The question ends with the name's empty label, its type and its class.
        let name = query[12..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("it has a name");
        let mut answer = query[..12 + name + 5].to_vec();
        // It is an answer, to a question that wanted recursion; one question, one answer.
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        // The question's name, TXT, IN, to be kept for a minute.
        answer.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c");
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>();
        answer.extend(u16::try_from(length).expect("it is short").to_be_bytes());
        for part in parts {
            answer.push(u8::try_from(part.len()).expect("it is short"));
            answer.extend(part.as_bytes());
        }
        answer
    }

    #[tokio::test]
    async fn strings_of_a_record_are_joined_and_nothing_is_kept() {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut connection = ConnectionConfig::udp();
        connection.port = server.local_addr().unwrap().port();
        let server_config = NameServerConfig::new([127, 0, 0, 1].into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server_config]);
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config, provider);
        let resolver = SystemResolver {
            resolver: OnceCell::new_with(Some(finish(builder).unwrap())),
        };
        let resolver: Arc<dyn Resolve> = Arc::new(resolver);
        let serve = tokio::spawn(async move {
            for instance in ["/instances/i", "/instances/j"] {
                let mut query = [0; 512];
                let (length, client) = server.recv_from(&mut query).await.unwrap();
                let parts = ["projects/p/locations/l/clusters/c", instance];
                server
                    .send_to(&answer(&query[..length], parts), client)
                    .await
                    .unwrap();
            }
        });
        for instance in ["i", "j"] {
            let found = look_up(&resolver, "db.example").await.unwrap();
            assert_eq!(found.instance(), instance);
        }
        serve.await.unwrap();
    }
}
