//! Runs sessions: startup, authenticate, connect, relay.
