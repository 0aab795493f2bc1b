//! The files for clients: CAs and credentials.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::api::REFRESH_TOKEN;
use crate::identity::Principal;
use crate::state::State;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing {}", path.display())]
pub(crate) struct WriteError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Makes the directory, readable by its owner only, if it isn't there.
pub(crate) fn make_directory(path: &Path) -> Result<(), WriteError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|cause| WriteError {
        path: path.to_owned(),
        cause,
    })
}

impl State {
    pub(crate) fn admin_ca_path(&self) -> PathBuf {
        self.directory.join("admin-ca.pem")
    }

    pub(crate) fn cluster_ca_path(&self, cluster: &str) -> PathBuf {
        let id = cluster.rsplit('/').next().unwrap_or_default();
        self.directory.join(format!("cluster-ca-{id}.pem"))
    }

    pub(crate) fn credentials_path(&self, email: &str) -> PathBuf {
        self.directory.join(format!("credentials-{email}.json"))
    }

    pub(crate) fn token_path(&self, email: &str) -> PathBuf {
        self.directory.join(format!("token-{email}"))
    }

    /// Writes everything; the summary last, as a sign that all is there.
    pub(crate) fn write_files(&self) -> Result<(), WriteError> {
        write(&self.admin_ca_path(), &self.admin_ca)?;
        for cluster in &self.clusters {
            let path = self.cluster_ca_path(cluster.name.as_str());
            write(&path, &cluster.pki().ca_pem())?;
        }
        for principal in self.identities.principals() {
            let credentials = self.credentials(principal).to_string();
            write(&self.credentials_path(&principal.email), &credentials)?;
            let token = format!("ya29.static-{}", uuid::Uuid::new_v4().simple());
            self.identities.adopt(&token, principal);
            write(&self.token_path(&principal.email), &format!("{token}\n"))?;
        }
        let summary = format!("{:#}\n", self.summary());
        write(&self.directory.join("emulator.json"), &summary)
    }

    /// Application default credentials: a key for a service account, a refresh token for a person.
    fn credentials(&self, principal: &Principal) -> serde_json::Value {
        let http = self.http.get().map(|addrs| addrs.http.to_string());
        let token_uri = format!("http://{}/token", http.unwrap_or_default());
        if !principal.is_service_account() {
            return json!({
                "type": "authorized_user",
                "client_id": "emulator.apps.googleusercontent.com",
                "client_secret": "emulator",
                "refresh_token": format!("{REFRESH_TOKEN}{}", principal.email),
                "token_uri": token_uri,
                "quota_project_id": self.project(),
            });
        }
        let key = principal.key();
        json!({
            "type": "service_account",
            "project_id": self.project(),
            "private_key_id": key.id,
            "private_key": key.private_pem(),
            "client_email": principal.email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        })
    }
}

/// Replaces the file in one step; readable by its owner only.
fn write(path: &Path, content: &str) -> Result<(), WriteError> {
    let replace = || {
        let fresh = path.with_extension("fresh");
        // A leftover of an interrupted write; that there is none is the usual case.
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(content.as_bytes())?;
        fs::rename(&fresh, path)
    };
    replace().map_err(|cause| WriteError {
        path: path.to_owned(),
        cause,
    })
}
