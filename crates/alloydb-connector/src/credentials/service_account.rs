//! A service account's key: a signed assertion is exchanged for an access token.
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
//!
//! The token endpoint is always asked, where Google's library would sign a token itself: a
//! self-signed one is good for Google's APIs, but the login needs one that can be looked up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AccessToken, Surroundings, TokenError, TokenSource, secret};
use crate::BoxFuture;
use crate::admin::{AdminClient, Http};

/// What Google accepts at most.
const ASSERTION_LIFE: Duration = Duration::from_hours(1);

pub(crate) struct ServiceAccount {
    http: Http,
    key: KeyPair,
    key_id: Option<String>,
    email: String,
    token_uri: String,
    scope: &'static str,
}

#[derive(Deserialize)]
struct File {
    client_email: String,
    #[serde(deserialize_with = "secret")]
    private_key: SecretString,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<u32>,
}

impl ServiceAccount {
    pub(crate) fn read(
        json: &Value,
        scope: &'static str,
        around: &Surroundings,
    ) -> Result<Self, TokenError> {
        let incomplete =
            || TokenError::new("the service account's JSON lacks client_email or private_key");
        let file = File::deserialize(json).map_err(|_| incomplete())?;
        let unreadable = || TokenError::new("the service account's private_key isn't PKCS #8 PEM");
        let key = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.expose_secret().as_bytes())
            .map_err(|_| unreadable())?;
        let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| unreadable())?;
        let default_uri = || format!("https://oauth2.{}/token", around.universe);
        let token_uri = file.token_uri.unwrap_or_else(default_uri);
        // A signed assertion is as good as a token, so it gets no more exposed than one.
        AdminClient::endpoint(&token_uri, around.plaintext)
            .map_err(|error| TokenError::caused("the service account's token_uri", error))?;
        Ok(Self {
            http: around.http.clone(),
            key,
            key_id: file.private_key_id,
            email: file.client_email,
            token_uri,
            scope,
        })
    }

    async fn fetch(&self) -> Result<AccessToken, TokenError> {
        let asked_at = SystemTime::now();
        let assertion = self.assertion(asked_at)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        let bytes = self
            .http
            .post_form(&self.token_uri, &form)
            .await
            .map_err(|error| TokenError::caused("the token endpoint", error))?;
        // serde's own message may quote the token.
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| TokenError::new("the token endpoint answered with no access token"))?;
        let life = Duration::from_secs(answer.expires_in.unwrap_or(3600).into());
        Ok(AccessToken::new(answer.access_token, Some(asked_at + life)))
    }

    fn assertion(&self, now: SystemTime) -> Result<SecretString, TokenError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email,
            "scope": self.scope,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + ASSERTION_LIFE.as_secs(),
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| TokenError::new("the service account's private_key doesn't sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

impl TokenSource for ServiceAccount {
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.fetch())
    }
}
