//! Certificates and addresses from a file, for development without the admin API.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Material;
use super::fetcher::psc_name;
use crate::certificate::Chain;
use crate::clock::Clock;
use crate::credentials::secret;
use crate::key::RsaKey;
use crate::{Addresses, ConfigError, InstanceUri, Mistake, tls};

/// A file of many instances, read again when it changes and when what is asked for has expired.
pub(crate) struct StaticFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Loaded>>,
}

#[derive(Clone)]
struct Loaded {
    stamp: Stamp,
    instances: Arc<HashMap<InstanceUri, Arc<Material>>>,
}

/// Two contents of a file have different stamps.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Every key beside the two of the key pair is an instance's URI.
#[derive(Deserialize)]
struct Content {
    #[serde(rename = "privateKey", deserialize_with = "secret")]
    private_key: SecretString,
    /// Said for other connectors' sake; it follows from the private key.
    #[serde(rename = "publicKey")]
    _public_key: Option<String>,
    #[serde(flatten)]
    instances: HashMap<String, Instance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    /// `null` stands for none, as the API says it.
    ip_address: Option<String>,
    /// The Go connector reads keys without regard to case, and spells this one so itself.
    #[serde(alias = "publicIPAddress")]
    public_ip_address: Option<String>,
    psc_instance_config: Option<Psc>,
    pem_certificate_chain: Vec<String>,
    ca_cert: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Psc {
    psc_dns_name: Option<String>,
}

impl StaticFile {
    /// Reads the file, so that a mistake in it is known at once. Blocks.
    pub(crate) fn open(path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let file = Self {
            path,
            clock,
            last: Mutex::new(None),
        };
        file.load()?;
        Ok(file)
    }

    /// What the file says of the instance. Cancel safe.
    pub(crate) async fn material(
        self: &Arc<Self>,
        instance: &InstanceUri,
    ) -> Result<Arc<Material>, ConfigError> {
        let file = self.clone();
        let wanted = instance.clone();
        // Files may lie on a slow network.
        let found = tokio::task::spawn_blocking(move || file.find(&wanted)).await;
        let gone = |_| ConfigError::of(instance, refuse(&self.path, "it could not be read"));
        found.map_err(gone)?
    }

    /// What was read of the instance last.
    pub(crate) fn known(&self, instance: &InstanceUri) -> Option<Arc<Material>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()?.instances.get(instance).cloned()
    }

    fn find(&self, instance: &InstanceUri) -> Result<Arc<Material>, ConfigError> {
        let loaded = match self.known(instance) {
            // A file system may count time so coarsely that a new content looks like the old one.
            Some(known) if !known.is_valid(self.clock.now()) => self.read(),
            _ => self.load(),
        };
        let known = self
            .known(instance)
            .filter(|known| known.is_valid(self.clock.now()));
        // A file that is being written is no reason to fail while the last content is good.
        if let (Some(known), _) = (known, &loaded) {
            return Ok(known);
        }
        let instances = loaded?;
        let Some(material) = instances.get(instance) else {
            let path = self.path.clone();
            return Err(ConfigError::of(instance, Mistake::UnknownInstance { path }));
        };
        if !material.is_valid(self.clock.now()) {
            let mistake = refuse(&self.path, "the instance's client certificate has expired");
            return Err(ConfigError::of(instance, mistake));
        }
        Ok(material.clone())
    }

    /// Reads the file if it is another one than the last time.
    fn load(&self) -> Result<Arc<HashMap<InstanceUri, Arc<Material>>>, ConfigError> {
        let stamp = self.stamp()?;
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(last) = last
            && last.stamp == stamp
        {
            return Ok(last.instances);
        }
        self.read()
    }

    fn read(&self) -> Result<Arc<HashMap<InstanceUri, Arc<Material>>>, ConfigError> {
        // Taken before the content, so that a change in between is seen the next time.
        let stamp = self.stamp()?;
        let text = std::fs::read_to_string(&self.path).map_err(|error| self.failed(&error))?;
        let instances = self.parse(&SecretString::from(text));
        let instances =
            instances.map_err(|reason| ConfigError::new(refuse(&self.path, &reason)))?;
        let instances = Arc::new(instances);
        let loaded = Loaded {
            stamp,
            instances: instances.clone(),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
        Ok(instances)
    }

    fn stamp(&self) -> Result<Stamp, ConfigError> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| self.failed(&error))?;
        Ok(Stamp {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
        })
    }

    fn failed(&self, error: &std::io::Error) -> ConfigError {
        ConfigError::new(refuse(&self.path, &error.to_string()))
    }

    fn parse(&self, text: &SecretString) -> Result<HashMap<InstanceUri, Arc<Material>>, String> {
        // serde's own message may quote the private key.
        let content: Content = serde_json::from_str(text.expose_secret())
            .map_err(|error| format!("line {} isn't as expected", error.line()))?;
        let key = RsaKey::from_pem(content.private_key.expose_secret())
            .map_err(|error| format!("privateKey: {error}"))?;
        let read = |(uri, instance): (String, Instance)| {
            let parsed = uri
                .parse::<InstanceUri>()
                .map_err(|error| error.to_string())?;
            let material = instance.read(&key, self.clock.now());
            let material = material.map_err(|error| format!("{uri}: {error}"))?;
            Ok((parsed, Arc::new(material)))
        };
        content.instances.into_iter().map(read).collect()
    }
}

impl Instance {
    fn read(&self, key: &RsaKey, now: SystemTime) -> Result<Material, String> {
        let address = |text: &Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| format!("{text:?} isn't an IP address")),
        };
        let psc = self.psc_instance_config.as_ref();
        let chain = Chain::read(&self.pem_certificate_chain, &self.ca_cert)
            .map_err(|error| error.to_string())?;
        let tls = tls::client_config(&chain, key).map_err(|error| error.to_string())?;
        Ok(Material {
            addresses: Addresses {
                private: address(&self.ip_address)?,
                public: address(&self.public_ip_address)?,
                psc: psc.and_then(|psc| psc_name(psc.psc_dns_name.as_deref())),
            },
            tls: Arc::new(tls),
            expires_at: chain.expires_at,
            refreshed_at: now,
            life: chain.life(now),
        })
    }
}

fn refuse(path: &Path, reason: &str) -> Mistake {
    Mistake::StaticFile {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
