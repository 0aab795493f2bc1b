//! Ready-to-paste commands for the clients of an emulator.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::emulator::Emulator;
use crate::faults::IpType;
use crate::identity::Principal;
use crate::live::{Cluster, Door, Instance};
use crate::state::State;

/// What the commands are made of.
struct Facts<'a> {
    state: &'a State,
    https: String,
    http: String,
    instance: &'a Instance,
    cluster: &'a Cluster,
    principal: &'a Principal,
}

impl Emulator {
    /// Where everything is, and commands that connect to it: psql, Google's connectors and Auth
    /// Proxy, querycop.
    pub fn hints(&self) -> String {
        let state = self.state();
        let mut text = summary(self, state);
        let Some(cluster) = state.clusters.first() else {
            return text;
        };
        let principals = state.identities.principals();
        // A service account has a key, which every client takes.
        let principal = principals
            .iter()
            .find(|principal| principal.is_service_account());
        let principal = principal.or(principals.first());
        if let (Some(instance), Some(principal)) = (cluster.instances.first(), principal) {
            let facts = Facts {
                state,
                https: self.https_url(),
                http: self.http_url(),
                instance,
                cluster,
                principal,
            };
            text += &facts.commands();
        }
        text
    }
}

fn summary(emulator: &Emulator, state: &State) -> String {
    let mut text = format!(
        "AlloyDB emulator in front of {backend}\n\
         NOT A DATABASE FOR DATA: whoever reaches these ports is given a token for everybody.\n\n\
         admin API   {https}  (REST, gRPC)\n            {http}  (REST, tokens, control)\n\
         files       {directory}\n",
        backend = state.backend,
        https = emulator.https_url(),
        http = emulator.http_url(),
        directory = emulator.directory().display(),
    );
    for instance in state.instances() {
        let at = |door| addr(instance, door).map(|addr| addr.to_string());
        let at = |door| at(door).unwrap_or_else(|| "-".to_owned());
        let _ = writeln!(
            text,
            "instance    {}\n            connectors {}, PostgreSQL {}",
            instance.name,
            at(Door::Tunnel),
            at(Door::Direct),
        );
    }
    for principal in state.identities.principals() {
        let _ = writeln!(
            text,
            "principal   {} is the role \"{}\"",
            principal.email,
            principal.database_user()
        );
    }
    text
}

/// The address that clients would dial.
fn addr(instance: &Instance, door: Door) -> Option<SocketAddr> {
    instance.bound(instance.address(addr_type(instance))?, door)
}

/// Which of its addresses that is.
fn addr_type(instance: &Instance) -> IpType {
    let has = |ip_type: &IpType| instance.address(*ip_type).is_some();
    let known = [IpType::Private, IpType::Public].into_iter().find(has);
    known.unwrap_or(IpType::Psc)
}

impl Facts<'_> {
    fn commands(&self) -> String {
        let sections = [
            (
                "psql, with a password of the backend's own",
                self.psql_password(),
            ),
            (
                "psql, as an IAM user: the token is the password",
                self.psql_token(),
            ),
            (
                "querycop with the built-in connector; any client then logs in at 127.0.0.1:15432",
                self.connector(),
            ),
            (
                "querycop on port 5432, the token as password",
                self.querycop(),
            ),
            ("AlloyDB Auth Proxy", self.auth_proxy()),
            ("Go: alloydbconn with pgx", self.go()),
            ("Python: google-cloud-alloydb-connector", self.python()),
            ("Java: alloydb-jdbc-connector", self.java()),
            (
                "a fault: the next two calls of connectionInfo answer 429",
                self.fault(),
            ),
        ];
        let mut text = String::new();
        for (title, commands) in sections {
            let _ = write!(text, "\n# {title}\n{commands}\n");
        }
        text + "\n"
    }

    fn role(&self) -> &str {
        self.principal.database_user()
    }

    fn conninfo(&self, user: &str) -> String {
        let direct = addr(self.instance, Door::Direct);
        let (host, port) = direct.map_or_else(Default::default, |addr| {
            (addr.ip().to_string(), addr.port())
        });
        format!(
            "host={host} port={port} user={user} dbname={database} sslmode=verify-ca \
             sslrootcert={ca}",
            database = self.state.backend.database,
            ca = self
                .state
                .cluster_ca_path(self.cluster.name.as_str())
                .display(),
        )
    }

    fn token_command(&self) -> String {
        format!(
            "curl -fsS {}/emulator/v1/token/{}",
            self.http, self.principal.email
        )
    }

    fn credentials(&self) -> String {
        self.state
            .credentials_path(&self.principal.email)
            .display()
            .to_string()
    }

    fn psql_password(&self) -> String {
        format!("psql '{}'", self.conninfo(&self.state.backend.user))
    }

    fn psql_token(&self) -> String {
        let token = self.token_command();
        format!(
            "PGPASSWORD=$({token}) psql '{}'",
            self.conninfo(self.role())
        )
    }

    fn connector(&self) -> String {
        let ip_type = match addr_type(self.instance) {
            IpType::Private => "",
            IpType::Public => "GATEKEEPER_BACKEND_IP_TYPE=public ",
            IpType::Psc => "GATEKEEPER_BACKEND_IP_TYPE=psc ",
        };
        format!(
            "GATEKEEPER_BACKEND_INSTANCE={instance} \\\n  \
             {ip_type}GATEKEEPER_BACKEND_IAM_AUTH=true GATEKEEPER_BACKEND_ADMIN_ENDPOINT={http} \\\n  \
             GATEKEEPER_BACKEND_CREDENTIALS_FILE={credentials} \\\n  \
             GATEKEEPER_LISTEN_PORT=15432 GATEKEEPER_API_PORT=8080 querycop\n\
             psql 'host=127.0.0.1 port=15432 user={role} dbname={database}'",
            instance = self.instance.name,
            http = self.http,
            credentials = self.credentials(),
            role = self.role(),
            database = self.state.backend.database,
        )
    }

    fn querycop(&self) -> String {
        let direct = addr(self.instance, Door::Direct);
        let (host, port) = direct.map_or_else(Default::default, |addr| {
            (addr.ip().to_string(), addr.port())
        });
        format!(
            "GATEKEEPER_BACKEND_HOST={host} GATEKEEPER_BACKEND_PORT={port} \\\n  \
             GATEKEEPER_BACKEND_TLS_MODE=verify-ca GATEKEEPER_BACKEND_TLS_CA_FILE={ca} \\\n  \
             GATEKEEPER_BACKEND_TOKEN_CMD='{token}' \\\n  \
             GATEKEEPER_LISTEN_PORT=15432 GATEKEEPER_API_PORT=8080 querycop",
            ca = self
                .state
                .cluster_ca_path(self.cluster.name.as_str())
                .display(),
            token = self.token_command(),
        )
    }

    fn auth_proxy(&self) -> String {
        format!(
            "TOKEN=$({token})\nSSL_CERT_FILE={ca} alloydb-auth-proxy {instance} --port 6432 \\\n  \
             --alloydbadmin-api-endpoint {https} --token \"$TOKEN\" --login-token \"$TOKEN\" \\\n  \
             --auto-iam-authn --disable-built-in-telemetry",
            token = self.token_command(),
            ca = self.state.admin_ca_path().display(),
            instance = self.instance.name,
            https = self.https,
        )
    }

    fn go(&self) -> String {
        format!(
            "SSL_CERT_FILE={ca} GOOGLE_APPLICATION_CREDENTIALS={credentials} go run .\n\
             // d, err := alloydbconn.NewDialer(ctx, alloydbconn.WithIAMAuthN(),\n\
             //     alloydbconn.WithAdminAPIEndpoint(\"{https}\"), alloydbconn.WithOptOutOfBuiltInTelemetry())\n\
             // config, err := pgx.ParseConfig(\"user={role} dbname={database} sslmode=disable\")\n\
             // config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {{\n\
             //     return d.Dial(ctx, \"{instance}\") }}",
            ca = self.state.admin_ca_path().display(),
            credentials = self.credentials(),
            https = self.https,
            role = self.role(),
            database = self.state.backend.database,
            instance = self.instance.name,
        )
    }

    fn python(&self) -> String {
        let endpoint = self.https.trim_start_matches("https://");
        format!(
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={ca} GOOGLE_APPLICATION_CREDENTIALS={credentials} \
             python3 - <<'END'\n\
             from google.cloud.alloydbconnector import Connector\n\
             with Connector(alloydb_api_endpoint=\"{endpoint}\") as connector:\n    \
             connection = connector.connect(\"{instance}\", \"pg8000\",\n        \
             user=\"{role}\", db=\"{database}\", enable_iam_auth=True)\n    \
             cursor = connection.cursor()\n    \
             cursor.execute(\"SELECT current_user\")\n    \
             print(cursor.fetchone())\nEND",
            ca = self.state.admin_ca_path().display(),
            credentials = self.credentials(),
            instance = self.instance.name,
            role = self.role(),
            database = self.state.backend.database,
        )
    }

    fn java(&self) -> String {
        let endpoint = self.https.trim_start_matches("https://");
        format!(
            "keytool -importcert -noprompt -alias emulator -file {ca} -keystore emulator.p12 \
             -storepass emulator\n\
             java -Djavax.net.ssl.trustStore=emulator.p12 \
             -Djavax.net.ssl.trustStorePassword=emulator …\n\
             // jdbc:postgresql:///{database}?socketFactory=com.google.cloud.alloydb.SocketFactory\n\
             //   &alloydbInstanceName={instance}&alloydbAdminServiceEndpoint={endpoint}\n\
             //   &alloydbGoogleCredentialsPath={credentials}\n\
             //   &alloydbEnableIAMAuth=true&user={role}&sslmode=disable",
            ca = self.state.admin_ca_path().display(),
            database = self.state.backend.database,
            instance = self.instance.name,
            credentials = self.credentials(),
            role = self.role(),
        )
    }

    fn fault(&self) -> String {
        format!(
            "curl -fsS {}/emulator/v1/faults -d '{{\"times\": 2, \"fault\": {{\"kind\": \"api\", \
             \"method\": \"connectionInfo\", \"failure\": {{\"kind\": \"status\", \"code\": 429, \
             \"retryAfter\": 1}}}}}}'",
            self.http
        )
    }
}
