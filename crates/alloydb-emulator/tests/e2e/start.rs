//! How an emulator starts, and how it doesn't.

use alloydb_emulator::{
    Cluster, Emulator, EmulatorBuilder, IamRoles, Instance, Listen, Mistake, Principal, StartError,
};
use querycop_testkit::postgres::{Auth, Postgres};

use crate::client::{AUTO_IAM, Material, exchange, postgres, value};
use crate::world::{ALICE, CLUSTER, PRIMARY, World};

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let shared = Instance::primary("a").private_address([127, 0, 0, 1]);
    let builder = Emulator::builder()
        .backend("mysql://x")
        .cluster(Cluster::new("wrong"))
        .cluster(
            Cluster::new(CLUSTER)
                .instance(shared.clone())
                .instance(shared),
        )
        .cluster(
            Cluster::new(format!("{CLUSTER}2"))
                .instance(Instance::primary("far").private_address([10, 0, 0, 1])),
        )
        .principal(Principal::new("nobody"))
        .default_principal("x@y");
    let Err(StartError::Mistakes(mistakes)) = builder.start().await else {
        panic!("it starts");
    };
    let found = |wanted: fn(&Mistake) -> bool| mistakes.iter().any(wanted);
    assert!(found(|mistake| matches!(mistake, Mistake::Backend(_))));
    assert!(found(|mistake| matches!(mistake, Mistake::Name(_))));
    assert!(found(|mistake| matches!(mistake, Mistake::Twice(_))));
    assert!(found(|mistake| matches!(mistake, Mistake::Shared(..))));
    assert!(found(|mistake| matches!(mistake, Mistake::NotLoopback(..))));
    assert!(found(|mistake| matches!(mistake, Mistake::Email(_))));
    assert!(found(|mistake| matches!(
        mistake,
        Mistake::Principal { .. }
    )));
}

#[tokio::test]
async fn a_state_file_says_all_of_it_and_unknown_keys_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.toml");
    let text = r#"
        backend = "postgres://postgres@127.0.0.1/postgres"
        unknown_tokens = "refuse"
        listen = { https = "127.0.0.1:0", tunnel_port = 0 }

        [[clusters]]
        name = "projects/p/locations/l/clusters/c"
        kind = "secondary"

        [[clusters.instances]]
        name = "i"
        kind = "read-pool"
        nodes = 3
        private_address = "127.0.1.1"
        iam_authentication = "off"
        ssl = "optional"

        [[principals]]
        email = "a@b"
        roles = ["roles/alloydb.client"]

        [[faults]]
        times = 2
        fault = { kind = "exchange", failure = { kind = "refused", message = "no" } }
    "#;
    std::fs::write(&path, text).unwrap();
    let builder = EmulatorBuilder::from_file(&path).unwrap();
    let description = builder.description();
    assert_eq!(description.clusters[0].instances[0].nodes, 3);
    assert_eq!(description.faults[0].times, Some(2));
    assert_eq!(description.listen.http, Listen::default().http);
    std::fs::write(&path, "backends = 1").unwrap();
    assert!(
        EmulatorBuilder::from_file(&path)
            .unwrap_err()
            .to_string()
            .contains("backends")
    );
}

#[tokio::test]
async fn a_backend_that_trusts_keeps_its_roles_as_they_are() {
    let server = Postgres::builder().auth(Auth::Trust).start();
    server.psql(&format!("CREATE ROLE \"{ALICE}\" LOGIN"));
    let socket = server
        .socket_dir()
        .display()
        .to_string()
        .replace('/', "%2F");
    let instance = Instance::primary("primary").private_address([127, 0, 0, 1]);
    let emulator = Emulator::builder()
        .backend(format!(
            "postgres://postgres@{socket}:{}/postgres",
            server.port()
        ))
        .iam_roles(IamRoles::Existing)
        .listen(Listen::any_port())
        .cluster(Cluster::new(CLUSTER).instance(instance))
        .principal(Principal::new(ALICE).token("alices token"))
        .start()
        .await
        .unwrap();
    let world = World {
        emulator,
        postgres: server,
    };
    let material = Material::fetch(&world, true).await;
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    exchange(&mut stream, AUTO_IAM, "alices token")
        .await
        .unwrap();
    let client = postgres(stream, ALICE, None).await.unwrap();
    assert_eq!(value(&client, "SELECT current_user::text").await, ALICE);
    let sql = format!("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = '{ALICE}'");
    assert_eq!(world.postgres.psql(&sql), "t");
}

#[tokio::test]
async fn a_wrong_administrator_is_told_at_the_start() {
    let server = Postgres::builder().auth(Auth::Scram).start();
    let instance = Instance::primary("primary").private_address([127, 0, 0, 1]);
    let refused = Emulator::builder()
        .backend(format!(
            "postgres://postgres:wrong@127.0.0.1:{}/postgres",
            server.port()
        ))
        .listen(Listen::any_port())
        .cluster(Cluster::new(CLUSTER).instance(instance))
        .principal(Principal::new(ALICE))
        .start()
        .await
        .unwrap_err();
    assert!(matches!(refused, StartError::Backend(_)), "{refused}");
}

#[tokio::test]
async fn the_commands_lead_to_the_address_that_is_listened_on() {
    let world = World::with(|builder| {
        let mut listen = Listen::any_port();
        listen.https.set_ip([127, 0, 0, 9].into());
        builder.listen(listen)
    })
    .await;
    let url = world.emulator.https_url();
    assert!(url.starts_with("https://127.0.0.9:"), "{url}");
    let ca = reqwest::Certificate::from_pem(world.emulator.admin_ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let answer = client.get(format!("{url}/")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let hints = world.emulator.hints();
    assert!(
        hints.contains(&url) && !hints.contains("https://localhost"),
        "{hints}"
    );
    assert!(
        hints.contains(&format!("GATEKEEPER_BACKEND_INSTANCE={PRIMARY} ")),
        "{hints}"
    );
}

#[tokio::test]
async fn its_own_directory_goes_with_it() {
    let world = World::new().await;
    let directory = world.emulator.directory().to_owned();
    let summary = std::fs::read_to_string(directory.join("emulator.json")).unwrap();
    assert!(summary.contains(PRIMARY) && summary.contains(&world.emulator.http_url()));
    assert!(world.emulator.hints().contains("alloydb-auth-proxy"));
    world.emulator.shutdown().await;
    assert!(!directory.exists());
}
