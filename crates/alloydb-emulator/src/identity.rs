//! Principals, what they may do, and the tokens that stand for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use serde::Deserialize;

use crate::description::{Role, UnknownTokens};

/// The scope that admits to everything.
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The scope that admits to logins only.
pub(crate) const LOGIN: &str = "https://www.googleapis.com/auth/alloydb.login";

/// The end of a service account's address; a role's name has at most 63 bytes, so it is left out.
const SERVICE_ACCOUNT: &str = ".gserviceaccount.com";

/// A user or a service account.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) email: String,
    pub(crate) may_act_as: Vec<String>,
    roles: RwLock<Vec<Role>>,
    key: OnceLock<ServiceKey>,
}

/// The key of a service account.
#[derive(Debug)]
pub(crate) struct ServiceKey {
    pair: KeyPair,
    pub(crate) id: String,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Connect,
    GenerateClientCertificate,
    GetConnectionInfo,
    Login,
}

/// Somebody may not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "Caller does not have required permission to use project {project}. Grant the caller the \
         roles/serviceusage.serviceUsageConsumer role, or a custom role with the \
         serviceusage.services.use permission"
    )]
    Project { project: String },
    #[error("Permission '{permission}' denied on resource '{resource}' (or it may not exist)")]
    Resource {
        permission: &'static str,
        resource: String,
    },
    #[error("the token's scopes don't include {LOGIN} or {CLOUD_PLATFORM}")]
    Scope,
}

/// A token stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the signature is not that of the service account's key")]
    Signature,
    #[error("nobody knows the token")]
    Unknown,
}

/// What a token is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The bearer of a request or of a metadata exchange.
    Bearer,
    /// A password.
    Password,
}

/// Who a token stands for, and for what it was issued.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Arc<Principal>,
    scopes: Vec<String>,
}

/// A token that was issued.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) lifetime: Duration,
}

#[derive(Clone)]
struct Record {
    principal: Arc<Principal>,
    scopes: Vec<String>,
    expires_at: Option<SystemTime>,
}

/// All principals and their tokens.
pub(crate) struct Identities {
    principals: HashMap<String, Arc<Principal>>,
    default: Option<Arc<Principal>>,
    unknown: UnknownTokens,
    tokens: Mutex<HashMap<String, Record>>,
    lifetime: Mutex<Duration>,
}

/// The claims of a token that a service account signs itself.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    email: Option<String>,
    scope: Option<String>,
    exp: Option<u64>,
}

impl Principal {
    pub(crate) fn new(email: String, roles: Vec<Role>, may_act_as: Vec<String>) -> Self {
        Self {
            email,
            may_act_as,
            roles: RwLock::new(roles),
            key: OnceLock::new(),
        }
    }

    pub(crate) fn is_service_account(&self) -> bool {
        self.email.ends_with(SERVICE_ACCOUNT)
    }

    /// The database role.
    pub(crate) fn database_user(&self) -> &str {
        self.email
            .strip_suffix(SERVICE_ACCOUNT)
            .unwrap_or(&self.email)
    }

    pub(crate) fn set_roles(&self, roles: Vec<Role>) {
        *self
            .roles
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = roles;
    }

    fn has(&self, role: Role) -> bool {
        let roles = self
            .roles
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        roles.contains(&role)
    }

    /// The key, made when somebody asks for it first: that takes a while.
    pub(crate) fn key(&self) -> &ServiceKey {
        self.key.get_or_init(|| ServiceKey {
            pair: KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("aws-lc-rs makes RSA keys"),
            id: uuid::Uuid::new_v4().simple().to_string(),
        })
    }
}

impl ServiceKey {
    pub(crate) fn private_pem(&self) -> String {
        self.pair.serialize_pem().replace('\r', "")
    }
}

impl Caller {
    /// What the token was limited to; nothing if it was not.
    pub(crate) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Checks that they may use the project and do this to the resource.
    pub(crate) fn require(&self, permission: Permission, resource: &str) -> Result<(), Denied> {
        let project = resource.split('/').nth(1).unwrap_or_default();
        self.may_use(project)?;
        let (role, name) = match permission {
            Permission::Connect => (Role::Client, "alloydb.instances.connect"),
            Permission::GenerateClientCertificate => {
                (Role::Client, "alloydb.clusters.generateClientCertificate")
            }
            Permission::GetConnectionInfo => (Role::Client, "alloydb.instances.connect"),
            Permission::Login => (Role::DatabaseUser, "alloydb.users.login"),
        };
        if !self.principal.has(role) {
            return Err(Denied::Resource {
                permission: name,
                resource: resource.to_owned(),
            });
        }
        let login_only = matches!(permission, Permission::Connect | Permission::Login);
        let admits = |scope: &String| scope == CLOUD_PLATFORM || (login_only && scope == LOGIN);
        if self.scopes.is_empty() || self.scopes.iter().any(admits) {
            Ok(())
        } else {
            Err(Denied::Scope)
        }
    }

    /// Checks that they may use the services of the project.
    pub(crate) fn may_use(&self, project: &str) -> Result<(), Denied> {
        if self.principal.has(Role::ServiceUsageConsumer) {
            return Ok(());
        }
        Err(Denied::Project {
            project: project.to_owned(),
        })
    }
}

impl Identities {
    pub(crate) fn new(
        principals: Vec<Principal>,
        default: Option<&str>,
        unknown: UnknownTokens,
        lifetime: Duration,
    ) -> Self {
        let first = principals.first().map(|principal| principal.email.clone());
        let principals: HashMap<_, _> = principals
            .into_iter()
            .map(|principal| (principal.email.clone(), Arc::new(principal)))
            .collect();
        let default = default.map(str::to_owned).or(first);
        Self {
            default: default.and_then(|email| principals.get(&email).cloned()),
            principals,
            unknown,
            tokens: Mutex::default(),
            lifetime: Mutex::new(lifetime),
        }
    }

    pub(crate) fn principal(&self, email: &str) -> Option<&Arc<Principal>> {
        self.principals.get(email)
    }

    /// All of them, by address.
    pub(crate) fn principals(&self) -> Vec<&Arc<Principal>> {
        let mut all: Vec<_> = self.principals.values().collect();
        all.sort_by(|a, b| a.email.cmp(&b.email));
        all
    }

    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        *crate::lock(&self.lifetime) = lifetime;
    }

    /// How long tokens live that are issued from now on.
    pub(crate) fn lifetime(&self) -> Duration {
        *crate::lock(&self.lifetime)
    }

    /// Makes this text a token that never expires.
    pub(crate) fn adopt(&self, token: &str, principal: &Arc<Principal>) {
        let record = Record {
            principal: principal.clone(),
            scopes: Vec::new(),
            expires_at: None,
        };
        crate::lock(&self.tokens).insert(token.to_owned(), record);
    }

    /// A new token; scopes that are not named are not limited.
    pub(crate) fn issue(
        &self,
        principal: &Arc<Principal>,
        scopes: Vec<String>,
        lifetime: Option<Duration>,
    ) -> Issued {
        let lifetime = lifetime.unwrap_or_else(|| self.lifetime());
        let random = [
            uuid::Uuid::new_v4(),
            uuid::Uuid::new_v4(),
            uuid::Uuid::new_v4(),
        ];
        let random = random.map(|part| part.simple().to_string()).concat();
        let token = format!("ya29.emulator-{random}");
        let record = Record {
            principal: principal.clone(),
            scopes,
            expires_at: SystemTime::now().checked_add(lifetime),
        };
        crate::lock(&self.tokens).insert(token.clone(), record);
        Issued { token, lifetime }
    }

    /// Ends all tokens of somebody, as a revocation does. They stay known, or a token that is not
    /// would be taken for the default principal's.
    pub(crate) fn revoke(&self, email: &str) {
        let mut tokens = crate::lock(&self.tokens);
        let own = tokens.values_mut();
        for record in own.filter(|record| record.principal.email == email) {
            record.expires_at = Some(SystemTime::UNIX_EPOCH);
        }
    }

    /// Who the token stands for.
    pub(crate) fn resolve(&self, token: &str, shown: Shown) -> Result<Caller, TokenError> {
        let record = crate::lock(&self.tokens).get(token).cloned();
        if let Some(record) = record {
            if record.expires_at.is_some_and(|at| at <= SystemTime::now()) {
                return Err(TokenError::Expired);
            }
            return Ok(Caller {
                principal: record.principal,
                scopes: record.scopes,
            });
        }
        if token.split('.').count() == 3
            && let Some(caller) = self.self_signed(token)?
        {
            return Ok(caller);
        }
        let lenient = self.unknown == UnknownTokens::DefaultPrincipal && shown == Shown::Bearer;
        match &self.default {
            Some(principal) if lenient && !token.is_empty() => Ok(Caller {
                principal: principal.clone(),
                scopes: Vec::new(),
            }),
            _ => Err(TokenError::Unknown),
        }
    }

    /// Which service account signed this token, with the key that the emulator made for it. A
    /// person has none, and so can't have signed anything.
    pub(crate) fn self_signed(&self, token: &str) -> Result<Option<Caller>, TokenError> {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Ok(None);
        };
        let payload = signed.split('.').nth(1).unwrap_or_default();
        let Ok(payload) = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')) else {
            return Ok(None);
        };
        let Ok(claims) = serde_json::from_slice::<Claims>(&payload) else {
            return Ok(None);
        };
        let mut named = [&claims.iss, &claims.sub, &claims.email]
            .into_iter()
            .flatten();
        let found = named.find_map(|email| self.principals.get(email.as_str()));
        let Some(principal) = found else {
            return Ok(None);
        };
        let Some(key) = principal.key.get() else {
            return Ok(None);
        };
        let signature = URL_SAFE_NO_PAD.decode(signature.trim_end_matches('='));
        let signature = signature.map_err(|_| TokenError::Signature)?;
        let algorithm = &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
        aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, key.pair.der_bytes())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        if claims
            .exp
            .is_some_and(|exp| exp <= now.unwrap_or_default().as_secs())
        {
            return Err(TokenError::Expired);
        }
        let scopes = claims.scope.unwrap_or_default();
        Ok(Some(Caller {
            principal: principal.clone(),
            scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROBOT: &str = "app@demo.iam.gserviceaccount.com";

    fn identities(unknown: UnknownTokens) -> Identities {
        let all = || Role::ALL.to_vec();
        let principals = vec![
            Principal::new("alice@example.com".to_owned(), all(), Vec::new()),
            Principal::new(ROBOT.to_owned(), vec![Role::Client], Vec::new()),
        ];
        Identities::new(principals, None, unknown, Duration::from_hours(1))
    }

    #[test]
    fn a_role_is_the_address_without_the_end_of_service_accounts() {
        let identities = identities(UnknownTokens::Refuse);
        let role = |email| identities.principal(email).unwrap().database_user();
        assert_eq!(role(ROBOT), "app@demo.iam");
        assert_eq!(role("alice@example.com"), "alice@example.com");
    }

    #[test]
    fn an_unknown_token_is_nobodys_password() {
        let identities = identities(UnknownTokens::DefaultPrincipal);
        let caller = identities.resolve("tok", Shown::Bearer).unwrap();
        assert_eq!(caller.principal.email, "alice@example.com");
        let refused = identities.resolve("tok", Shown::Password).unwrap_err();
        assert_eq!(refused, TokenError::Unknown);
        let strict = self::identities(UnknownTokens::Refuse);
        assert_eq!(
            strict.resolve("tok", Shown::Bearer).unwrap_err(),
            TokenError::Unknown
        );
    }

    #[test]
    fn nobody_is_who_only_says_so() {
        let identities = identities(UnknownTokens::Refuse);
        identities.principal(ROBOT).unwrap().key();
        let unsigned = |email: &str| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{email}","sub":"{email}"}}"#));
            format!("e30.{claims}.e30")
        };
        for shown in [Shown::Bearer, Shown::Password] {
            let alice = identities.resolve(&unsigned("alice@example.com"), shown);
            assert_eq!(alice.unwrap_err(), TokenError::Unknown);
            let robot = identities.resolve(&unsigned(ROBOT), shown);
            assert_eq!(robot.unwrap_err(), TokenError::Signature);
        }
    }

    #[test]
    fn a_token_ends_with_its_life() {
        let identities = identities(UnknownTokens::DefaultPrincipal);
        let alice = identities.principal("alice@example.com").unwrap();
        let issued = identities.issue(alice, Vec::new(), Some(Duration::ZERO));
        let refused = identities
            .resolve(&issued.token, Shown::Bearer)
            .unwrap_err();
        assert_eq!(refused, TokenError::Expired);
    }

    #[test]
    fn a_revoked_token_is_not_the_default_principals() {
        let identities = identities(UnknownTokens::DefaultPrincipal);
        let alice = identities.principal("alice@example.com").unwrap();
        identities.adopt("alices token", alice);
        let issued = identities.issue(alice, Vec::new(), None).token;
        identities.revoke("alice@example.com");
        for token in ["alices token", issued.as_str()] {
            let refused = identities.resolve(token, Shown::Bearer).unwrap_err();
            assert_eq!(refused, TokenError::Expired);
        }
    }

    #[test]
    fn roles_are_demanded_one_by_one() {
        let identities = identities(UnknownTokens::DefaultPrincipal);
        let instance = "projects/demo/locations/l/clusters/c/instances/i";
        let alice = identities.resolve("tok", Shown::Bearer).unwrap();
        assert_eq!(alice.require(Permission::Login, instance), Ok(()));
        let robot = identities.principal(ROBOT).unwrap();
        let token = identities.issue(robot, vec![LOGIN.to_owned()], None).token;
        let caller = identities.resolve(&token, Shown::Bearer).unwrap();
        let denied = caller.require(Permission::Connect, instance).unwrap_err();
        assert_eq!(
            denied,
            Denied::Project {
                project: "demo".to_owned()
            }
        );
        robot.set_roles(Role::ALL.to_vec());
        assert_eq!(caller.require(Permission::Connect, instance), Ok(()));
        let denied = caller.require(Permission::GetConnectionInfo, instance);
        assert_eq!(denied, Err(Denied::Scope));
    }
}
