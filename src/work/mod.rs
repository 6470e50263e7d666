//! Repeating the gateway's steps: what is due now, and what is due at certain times.

mod lane;
mod places;
pub mod runner;
pub mod schedule;
mod window;
