//! Reads certificate files again when they change.

use std::sync::Arc;

use tracing::{info, warn};

use crate::shared::Shared;
use crate::stop::chain;

/// Reads all certificate files and the policy again. What can't be used leaves the old in place.
pub(crate) fn reload(shared: &Arc<Shared>) {
    let outcomes = [
        ("client leg", shared.reload_client_tls()),
        ("backend leg", shared.backend.reload()),
    ];
    for (leg, outcome) in outcomes {
        shared.metrics.reloaded(outcome.is_ok());
        match outcome {
            Ok(()) => info!(leg, "certificate files read"),
            Err(error) => {
                warn!(
                    leg,
                    error = chain(&error),
                    "certificate files can't be used, the old ones stay"
                );
            }
        }
    }
    shared.catalogs.renew();
    if shared.config.governance.policy_file.is_none() {
        return;
    }
    let outcome = shared.governance.reload();
    shared.metrics.reloaded(outcome.is_ok());
    if let Err(error) = outcome {
        warn!(
            error = chain(&error),
            "policy can't be used, the old one stays in force"
        );
    }
}
