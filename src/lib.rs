#![doc = include_str!("ARCHITECTURE.md")]

pub mod acquirer;
pub mod app;
pub mod cli;
pub mod clock;
pub mod crypto;
pub mod doors;
pub mod gateway;
pub mod payment;
pub mod sandbox;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod work;
