//! Repeating the gateway's steps: what is due now, and what is due at certain times.

pub mod runner;
pub mod schedule;
