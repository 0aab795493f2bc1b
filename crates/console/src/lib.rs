//! Admin API and web console.
