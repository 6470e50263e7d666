//! The outside world, played with real cryptography: readers, cards, an acquirer host, and the
//! merchant's receiver of callbacks.

pub mod host;
pub mod inbox;
pub mod reader;
pub mod scenario;
pub mod terminal;
