//! As whom both appear before the API and the instance, and by what name.

use alloydb_emulator::Principal;

use super::compare;
use super::front::Front;
use super::scenarios::{DANA, TOKEN, start_bare, terminate, with_password};
use super::side::Side;
use crate::alloydb::cloud::{Cloud, PRIMARY, SERVICE_ACCOUNT, SERVICE_ROLE};
use crate::setup::temporary_directory;

/// May act as the delegate, who may act as the service account.
const BASE: &str = "base@my-project.iam.gserviceaccount.com";
const DELEGATE: &str = "delegate@my-project.iam.gserviceaccount.com";

/// Names without versions.
fn names(agent: &str) -> Vec<&str> {
    let words = agent.split_whitespace();
    words
        .map(|word| word.split('/').next().unwrap_or_default())
        .collect()
}

#[test]
fn a_user_agent() {
    let cloud = Cloud::with(|builder| builder.principal(Principal::new(DANA).token(TOKEN)));
    compare("user agent", |side| {
        cloud.emulator.forget_requests();
        let agent = ["--user-agent", "first/1 second"];
        start_bare(
            &cloud,
            side,
            &["-p", "{db}", "-t", TOKEN, agent[0], agent[1], PRIMARY],
        );
        side.is_ready();
        side.note_psql("psql", &with_password(side.psql()));
        side.says("closed the connection");
        terminate(side);
        let requests = cloud.emulator.requests();
        let agents = requests
            .iter()
            .map(|request| request.headers["user-agent"].clone());
        let mut agents: Vec<_> = agents.collect();
        agents.dedup();
        assert_eq!(agents.len(), 1, "{agents:?}");
        let names = names(&agents[0]);
        side.note("the connector's name", names[0]);
        side.note("further names", names[1..].join(" "));
        side.note("the last two", agents[0].ends_with(" first/1 second"));
        let sessions = cloud.emulator.sessions();
        let last = sessions
            .last()
            .and_then(|session| session.user_agent.clone());
        note_exchange(side, &last.unwrap_or_default());
    });
}

fn note_exchange(side: &mut Side, agent: &str) {
    let names = names(agent);
    side.note("the connector's name in the exchange", names[0]);
    side.note("further names in the exchange", names[1..].join(" "));
}

#[test]
fn a_service_account_that_is_impersonated() {
    let cloud = Cloud::with(|builder| {
        builder
            .principal(Principal::new(BASE).roles([]).may_act_as(DELEGATE))
            .principal(
                Principal::new(DELEGATE)
                    .roles([])
                    .may_act_as(SERVICE_ACCOUNT),
            )
    });
    let directory = temporary_directory();
    let url = cloud.emulator.http_url();
    let address = url.strip_prefix("http://").expect("it is plain HTTP");
    let to = address.parse().expect("it is an address");
    // The original has no other way to be led elsewhere than where Google is.
    let front = Front::start(&["iamcredentials.googleapis.com"], to, directory.path());
    let accounts = format!("{SERVICE_ACCOUNT},{DELEGATE}");
    compare("impersonation", |side| {
        let credentials = cloud.emulator.credentials_file(BASE);
        let credentials = credentials.expect("the principal is known");
        for (name, value) in [
            (
                "GOOGLE_APPLICATION_CREDENTIALS",
                credentials.display().to_string(),
            ),
            ("HTTPS_PROXY", front.url.clone()),
            ("SSL_CERT_FILE", front.authority.display().to_string()),
        ] {
            side.set(name, &value);
        }
        cloud.emulator.forget_requests();
        let words = ["-p", "{db}", "-i", "--impersonate-service-account"];
        start_bare(&cloud, side, &[&words[..], &[&accounts, PRIMARY]].concat());
        side.is_ready();
        side.note_psql("psql", &side.psql().user(SERVICE_ROLE));
        side.says("closed the connection");
        terminate(side);
        let certificates = cloud.emulator.certificate_requests();
        let certificates = certificates.iter();
        let mut principals: Vec<_> = certificates.map(|asked| asked.principal.clone()).collect();
        principals.dedup();
        side.note("who asked for certificates", principals.join(" "));
        let sessions = cloud.emulator.sessions();
        let last = sessions
            .last()
            .and_then(|session| session.principal.clone());
        side.note("who connected", last.unwrap_or_default());
        side.note("who was asked for tokens", front.asked().join(" "));
    });
}
