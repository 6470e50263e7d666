//! The acquirer of a gateway that has none: nothing is ever sent, so nothing is ever charged.

use super::{Acquirer, CardForHost, Fault, Reference};
use crate::payment::host::{Authorisation, Inquiry};
use async_trait::async_trait;

/// Declines by not being there.
pub struct Unplugged;

fn nobody() -> Fault {
    Fault::NotSent("no acquirer is connected".to_owned())
}

#[async_trait]
impl Acquirer for Unplugged {
    async fn authorise(
        &self,
        _reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        Err(nobody())
    }

    async fn inquire(&self, _reference: &Reference) -> Result<Inquiry, Fault> {
        Err(nobody())
    }

    async fn reverse(&self, _reference: &Reference) -> Result<(), Fault> {
        Err(nobody())
    }
}
