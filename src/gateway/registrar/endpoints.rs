//! Endpoints, checked before they are written.

use super::RegistryError;
use crate::gateway::Gateway;
use crate::payment::ids::EndpointId;
use crate::payment::merchant::Endpoint;
use crate::payment::refusal::Refusal;
use crate::store::Numbered;
use std::sync::Arc;

impl Gateway {
    /// Adds an endpoint under the number that the caller chose, or under the next free one.
    /// `endpoint.id` is not looked at.
    ///
    /// # Errors
    /// A number that is taken; the first thing about the endpoint that is wrong.
    pub async fn register_endpoint(
        &self,
        id: Option<i64>,
        endpoint: Endpoint,
    ) -> Result<Endpoint, RegistryError> {
        self.check_endpoint(&endpoint).await?;
        let _turn = self.registry_turn.lock().await;
        let id = EndpointId(self.number(id, Numbered::Endpoints).await?);
        let endpoint = Endpoint { id, ..endpoint };
        self.enrol_endpoint(&endpoint).await?;
        Ok(endpoint)
    }

    /// Changes all of an endpoint but its number, merchant and currency.
    ///
    /// # Errors
    /// The first thing about the endpoint that is wrong.
    pub async fn amend_endpoint(&self, endpoint: &Endpoint) -> Result<(), RegistryError> {
        self.check_endpoint(endpoint).await?;
        Ok(self.change_endpoint(endpoint).await?)
    }

    /// So many endpoints with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoints_after(
        &self,
        after: EndpointId,
        most: u32,
    ) -> Result<Vec<Endpoint>, RegistryError> {
        Ok(self.store().endpoints_after(after, most).await?)
    }

    /// The endpoint with this id, as it is remembered.
    ///
    /// # Errors
    /// When there is none.
    pub async fn known_endpoint(&self, id: EndpointId) -> Result<Arc<Endpoint>, RegistryError> {
        let found = self.store().endpoint(id).await?.map(Arc::new);
        found.ok_or_else(|| RegistryError::missing(format!("no end point has the id {id}")))
    }

    async fn check_endpoint(&self, endpoint: &Endpoint) -> Result<(), RegistryError> {
        endpoint.check()?;
        if let Some(url) = &endpoint.callback_url {
            let admitted = self.parts.egress.rules().admit(url);
            admitted.map_err(|error| Refusal::invalid("callback_url", error.to_string()))?;
            let checked = (self.parts.callback_wording.check)(url);
            checked.map_err(|why| Refusal::invalid("callback_url", why))?;
        }
        let Some(group) = endpoint.group else { return Ok(()) };
        match self.store().group_owner(group).await? {
            Some(owner) if owner == endpoint.merchant => Ok(()),
            Some(_) => Err(RegistryError::conflict("the group is another merchant's")),
            None => Err(RegistryError::missing(format!("no group has the id {group}"))),
        }
    }
}
