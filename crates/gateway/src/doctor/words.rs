//! What is advised, in the words of the program that is examined.

use crate::instance::{InstanceError, Remedy};

/// How one program calls what may have to be changed.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) credentials: &'static str,
    /// Why no token is made for the login.
    pub(super) no_token: &'static str,
    /// There is no password, and the server asks for one.
    pub(super) no_password: &'static str,
    pub(super) instance: fn(&InstanceError) -> &'static str,
}

pub(super) const GATEWAY: Words = Words {
    credentials: "Check the credentials: GATEKEEPER_BACKEND_CREDENTIALS_FILE, \
        GOOGLE_APPLICATION_CREDENTIALS, \"gcloud auth application-default login\", or the service account of \
        this machine or pod.",
    no_token: "no token command is set: clients log in with their own passwords",
    no_password: "Put the role's password into PGPASSWORD, or set a token command.",
    instance: InstanceError::hint,
};

pub(super) const AUTH_PROXY: Words = Words {
    credentials: "Check the credentials: --credentials-file, --json-credentials, --token, \
        GOOGLE_APPLICATION_CREDENTIALS, \"gcloud auth application-default login\", or the service account of \
        this machine or pod.",
    no_token: "without --auto-iam-authn clients log in with their own passwords",
    no_password: "Put the role's password into PGPASSWORD, or use --auto-iam-authn.",
    instance: |error| match error.remedy() {
        Remedy::Addresses => "Check --public-ip and --psc, and which addresses the instance has.",
        Remedy::Credentials => AUTH_PROXY.credentials,
        Remedy::Login => {
            "The proxy's principal needs roles/alloydb.client, for IAM login also \
             roles/alloydb.databaseUser, and the instance alloydb.iam_authentication=on."
        }
        Remedy::Name => "Check the instance's URI: project, region, cluster and instance.",
        Remedy::Network => {
            "The proxy can't reach port 5433 of the instance: check --public-ip and --psc, \
             routes and firewalls."
        }
        Remedy::Roles => {
            "Give the proxy's principal roles/alloydb.client and \
             roles/serviceusage.serviceUsageConsumer."
        }
        Remedy::Unknown => "",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_not_told_of_the_gateways_settings() {
        let after = std::time::Duration::from_secs(1);
        let error = InstanceError::Timeout {
            after,
            last_failure: None,
        };
        let texts = |words: &Words| {
            let Words {
                credentials,
                no_token,
                no_password,
                instance,
            } = words;
            [credentials, no_token, no_password, instance(&error)].join(" ")
        };
        assert!(texts(&GATEWAY).contains("GATEKEEPER_"));
        let of_proxy = texts(&AUTH_PROXY);
        for word in ["GATEKEEPER_", "gateway", "token command"] {
            assert!(!of_proxy.contains(word), "{of_proxy}");
        }
    }
}
