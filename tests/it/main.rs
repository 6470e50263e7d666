//! All integration tests, in one program. Each scenario runs on SQLite, and on PostgreSQL too
//! when `TEST_DATABASE_URL` names one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod callbacks;
mod card_data;
mod database;
mod documents;
mod fuzz;
mod http;
mod orders;
mod status;
mod store;
mod tidy;
mod unknown_outcome;
mod world;
