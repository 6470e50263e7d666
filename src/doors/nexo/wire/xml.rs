//! Messages in XML, in the attribute style of the standard.

mod read;
#[cfg(test)]
mod tests;
mod walk;
mod write;

pub use read::read;
pub use write::write;
