//! What the emulator does in the backend as its administrator: the roles of IAM users.

use querycop_wire::frontend::query;
use querycop_wire::startup::{ProtocolVersion, StartupError, StartupMessage};
use querycop_wire::tag;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::{Backend, LOGIN_DEADLINE, LoginError, Stream};

/// Why the backend could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The login failed.
    #[error("logging in to the backend at {backend} as {user}")]
    Login {
        /// Where it is.
        backend: String,
        /// The administrator.
        user: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A name is too long for PostgreSQL.
    #[error("the name of the role or database can't be sent")]
    Startup(#[from] StartupError),
    /// A statement failed.
    #[error("making the roles of IAM users: {0}")]
    Statement(String),
}

impl Backend {
    /// Makes the roles that are missing, and gives all of them this password.
    pub(crate) async fn prepare_roles(
        &self,
        roles: &[String],
        password: &SecretString,
    ) -> Result<(), AdminError> {
        let prepare = async {
            let mut session = self.administrator().await?;
            run(&mut session, &statements(roles, password)).await
        };
        match timeout(LOGIN_DEADLINE, prepare).await {
            Ok(prepared) => prepared,
            Err(_) => Err(self.refused(LoginError::Timeout)),
        }
    }

    /// Checks that the administrator can log in.
    pub(crate) async fn probe(&self) -> Result<(), AdminError> {
        match timeout(LOGIN_DEADLINE, self.administrator()).await {
            Ok(session) => session.map(|_| ()),
            Err(_) => Err(self.refused(LoginError::Timeout)),
        }
    }

    async fn administrator(&self) -> Result<Stream, AdminError> {
        let params = [
            ("user", self.user.as_str()),
            ("database", self.database.as_str()),
            ("application_name", "alloydb-emulator"),
        ];
        let startup = StartupMessage::new(ProtocolVersion::V3_0, &params)?;
        let socket = self.connect().await;
        let socket = socket.map_err(|error| self.refused(LoginError::Connect(error)))?;
        let logged_in = Stream::new(socket)
            .log_in(startup.as_bytes(), &self.user, &self.password)
            .await;
        let mut stream = logged_in.map_err(|error| self.refused(error))?.stream;
        until_ready(&mut stream).await?;
        Ok(stream)
    }

    fn refused(&self, cause: LoginError) -> AdminError {
        AdminError::Login {
            backend: self.to_string(),
            user: self.user.clone(),
            cause: Box::new(cause),
        }
    }
}

async fn run(session: &mut Stream, statements: &str) -> Result<(), AdminError> {
    let mut message = Vec::new();
    query(&mut message, statements.as_bytes());
    let sent = session.write(&message).await;
    sent.map_err(|error| AdminError::Statement(error.to_string()))?;
    until_ready(session).await
}

async fn until_ready(session: &mut Stream) -> Result<(), AdminError> {
    loop {
        match session.read().await {
            Ok((tag::backend::READY_FOR_QUERY, _)) => return Ok(()),
            Ok((tag::backend::ERROR_RESPONSE, message)) => {
                let error = LoginError::Rejected(message);
                return Err(AdminError::Statement(error.to_string()));
            }
            Ok(_) => {}
            Err(error) => return Err(AdminError::Statement(error.to_string())),
        }
    }
}

/// One string of SQL, which runs as one transaction.
fn statements(roles: &[String], password: &SecretString) -> String {
    // Two emulators on one backend must not make the same role at the same time.
    let mut sql = "SELECT pg_advisory_xact_lock(72057594037927936);\n".to_owned();
    // AlloyDB's own name for the role that all its IAM users are members of.
    sql += &missing("alloydbiamuser", "NOLOGIN");
    for role in roles {
        sql += &missing(role, "LOGIN IN ROLE alloydbiamuser");
        let (role, password) = (identifier(role), literal(password.expose_secret()));
        for part in ["ALTER ROLE ", &role, " PASSWORD ", &password, ";\n"] {
            sql.push_str(part);
        }
    }
    sql
}

fn missing(role: &str, options: &str) -> String {
    let create = format!("CREATE ROLE {} {options}", identifier(role));
    format!(
        "DO $emulator$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN \
         EXECUTE {}; END IF; END $emulator$;\n",
        literal(role),
        literal(&create)
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('\'', "''");
    format!("E'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_leave_their_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("a'b\\"), r"E'a''b\\'");
    }
}
