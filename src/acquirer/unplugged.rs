//! The acquirer of a gateway that has none: nothing is ever sent, so nothing is ever charged, and
//! both "what became of it" and "take it back" have certain answers.

use super::{Acquirer, CardForHost, Fault, Reference};
use crate::payment::host::{Authorisation, Inquiry};
use async_trait::async_trait;

/// Declines by not being there.
pub struct Unplugged;

#[async_trait]
impl Acquirer for Unplugged {
    async fn authorise(
        &self,
        _reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        Err(Fault::NotSent("no acquirer is connected".to_owned()))
    }

    async fn inquire(&self, _reference: &Reference) -> Result<Inquiry, Fault> {
        Ok(Inquiry::NotFound)
    }

    async fn reverse(&self, _reference: &Reference) -> Result<(), Fault> {
        Ok(())
    }
}
