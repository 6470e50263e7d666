//! The envelope of NexoCrypto.
