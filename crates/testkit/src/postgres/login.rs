//! Roles that log in by one method each, so that one server serves a whole matrix.

/// A role made by [`super::Builder::logins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Login {
    /// `trust_user`: comes in without a password.
    Trust,
    /// `password_user`: sends it in clear.
    Password,
    /// `md5_user`: sends a salted MD5 hash.
    Md5,
    /// `scram_user`: proves it by SCRAM-SHA-256, with channel binding under TLS.
    Scram,
    /// `token_user`: sends in clear what [`super::Postgres::rotate_token`] returned last.
    Token,
}

impl Login {
    /// For tests that go through all.
    pub const ALL: [Self; 5] = [
        Self::Trust,
        Self::Password,
        Self::Md5,
        Self::Scram,
        Self::Token,
    ];

    /// The role's name.
    pub fn role(self) -> &'static str {
        match self {
            Self::Trust => "trust_user",
            Self::Password => "password_user",
            Self::Md5 => "md5_user",
            Self::Scram => "scram_user",
            Self::Token => "token_user",
        }
    }

    /// The role's password; that of the token role is never accepted, it needs a token.
    pub fn password(self) -> String {
        format!("secret-of-{}", self.role())
    }

    pub(super) fn auth(self) -> Auth {
        match self {
            Self::Trust => Auth::Trust,
            Self::Password => Auth::Password,
            Self::Md5 => Auth::Md5,
            Self::Scram => Auth::Scram,
            Self::Token => Auth::Password,
        }
    }

    pub(super) fn creation(self) -> String {
        let role = self.role();
        let encryption = match self {
            Self::Md5 => Encryption::Md5,
            Self::Trust | Self::Password | Self::Scram | Self::Token => Encryption::Scram,
        };
        match self {
            Self::Trust => format!("CREATE ROLE {role} LOGIN REPLICATION;"),
            // Nobody knows this one: the role waits for its first token.
            Self::Token => create_role(role, &super::random_token(), encryption),
            Self::Password | Self::Md5 | Self::Scram => {
                create_role(role, &self.password(), encryption)
            }
        }
    }
}

/// A method of `pg_hba.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// No question asked.
    Trust,
    /// The password in clear.
    Password,
    /// MD5 challenge, or SCRAM where the stored password is of that kind.
    Md5,
    /// SCRAM-SHA-256.
    Scram,
}

impl Auth {
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::Scram => "scram-sha-256",
        }
    }
}

/// Which connections a line of `pg_hba.conf` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// With TLS or without.
    Any,
    /// With TLS only.
    Tls,
    /// Without TLS only.
    Plaintext,
}

impl Transport {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Any => "host",
            Self::Tls => "hostssl",
            Self::Plaintext => "hostnossl",
        }
    }
}

/// How a password is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// As an MD5 hash.
    Md5,
    /// As a SCRAM-SHA-256 verifier.
    Scram,
}

/// SQL that makes a role which may log in and replicate.
pub(super) fn create_role(role: &str, password: &str, encryption: Encryption) -> String {
    let encryption = match encryption {
        Encryption::Md5 => "md5",
        Encryption::Scram => "scram-sha-256",
    };
    let role = role.replace('"', "\"\"");
    format!(
        "SET password_encryption = '{encryption}'; \
         CREATE ROLE \"{role}\" LOGIN REPLICATION PASSWORD {};",
        super::literal(password)
    )
}
