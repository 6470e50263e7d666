//! The nexo Retailer door: a POS talks to a terminal that the gateway plays.

pub mod wire;
