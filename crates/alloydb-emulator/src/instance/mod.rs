//! The PostgreSQL side: ports 5433 and 5432 of the instances.

mod direct;
mod doors;
mod exchange;
mod login;
mod relay;
mod session;
mod tunnel;

pub(crate) use doors::Doors;
