//! Several identities in one process.

use querycop_auth_proxy::{Credential, Identity, Instance};

use crate::lab::{APP_ROLE, OTHER, OTHER_ROLE, PRIMARY, lab};
use crate::proxy::{instance, settings, start, worker};

#[test]
fn an_instance_is_dialled_by_its_own_identity() {
    let file = lab().emulator.credentials_file(OTHER).expect("it is known");
    let plain = Instance {
        auto_iam_authn: true,
        ..instance(PRIMARY)
    };
    let own = Instance {
        identity: Some(Identity {
            credential: Credential::File(file),
            impersonation: None,
        }),
        ..plain.clone()
    };
    let proxy = start(settings([plain, own]));
    for (position, role) in [(0, APP_ROLE), (1, OTHER_ROLE)] {
        let user = worker("127.0.0.1", proxy.port(position))
            .user(role)
            .query("SELECT current_user");
        assert_eq!(user, role);
    }
    worker("127.0.0.1", proxy.port(1))
        .user(APP_ROLE)
        .run("SELECT 1")
        .expect_failure();
    proxy.stop();
}
