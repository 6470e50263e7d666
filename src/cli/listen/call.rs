//! A callback in words, as the gateway tells it: verified, and sent to a developer's server.

use crate::crypto::sign::{callback_control, control_matches};
use crate::payment::notice::Webhooks;
use anyhow::anyhow;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;
use url::Url;

/// A callback but for the host and the path of its receiver.
#[derive(Deserialize)]
pub(super) struct Call {
    query: Option<String>,
    /// What is sent by POST; without it the call is a GET.
    body: Option<String>,
    headers: BTreeMap<String, String>,
}

impl Call {
    /// A parameter by its documented name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        if let Some(body) = &self.body {
            let body: Value = serde_json::from_str(body).ok()?;
            return body["data"][name].as_str().map(str::to_owned);
        }
        let query = self.query.as_deref().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// What the control is worth, in words.
    pub(super) fn control(&self, key: Option<&str>) -> &'static str {
        let Some(key) = key else { return "control not verified" };
        let read = |name| self.parameter(name);
        let parts = (read("status"), read("orderid"), read("client_orderid"), read("control"));
        let (Some(status), Some(order), Some(client_orderid), Some(control)) = parts else {
            // An address with macros has names of the merchant's own.
            return "control not verified: its parts have other names";
        };
        let expected = callback_control(&status, &order, &client_orderid, key);
        match control_matches(&expected, &control) {
            true => "control ok",
            false => "control wrong: is it the key of this merchant?",
        }
    }

    /// Sends it; says what was answered, and how long that took.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn forward(&self, http: &reqwest::Client, to: &Url) -> anyhow::Result<String> {
        let address = self.address(to);
        let mut request = match &self.body {
            Some(body) => {
                let json = (CONTENT_TYPE, "application/json");
                http.post(address).header(json.0, json.1).body(body.clone())
            }
            None => http.get(address),
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let begun = Instant::now();
        let answer = request.send().await.map_err(|error| {
            // The whole address names the card holder.
            let why = anyhow::Error::from(error.without_url());
            anyhow!("{to} does not answer: {}", why.root_cause())
        })?;
        let took = begun.elapsed().as_millis();
        let status = answer.status().as_u16();
        let again = match self.is_taken(status) {
            true => "",
            false => "; the gateway would send it again",
        };
        Ok(format!("answered {status} in {took} ms{again}"))
    }

    /// The developer's own query stands in front, as that of a merchant's address does.
    fn address(&self, to: &Url) -> Url {
        let parts: Vec<_> = to.query().into_iter().chain(self.query.as_deref()).collect();
        let mut address = to.clone();
        if !parts.is_empty() {
            address.set_query(Some(&parts.join("&")));
        }
        address
    }

    /// Whether the gateway would be content with the answer.
    fn is_taken(&self, status: u16) -> bool {
        let signed = self.headers.contains_key("webhook-signature");
        let webhooks = if signed { Webhooks::Get } else { Webhooks::Off };
        webhooks.is_taken(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AF4B8F5C-1B5C-4C5B-9F5C-5C5B9F5C1B5C";

    fn get(query: &str) -> Call {
        Call { query: Some(query.to_owned()), body: None, headers: BTreeMap::new() }
    }

    #[test]
    fn a_control_is_right_or_wrong_and_not_guessed_without_key_or_names() {
        let control = callback_control("approved", "1001", "C 1", KEY);
        let query = format!("status=approved&orderid=1001&client_orderid=C+1&control={control}");
        let data = format!(
            r#"{{"data":{{"status":"approved","orderid":"1001","client_orderid":"C 1",
                "control":"{control}"}}}}"#
        );
        let post = Call { query: None, body: Some(data), headers: BTreeMap::new() };
        for call in [get(&query), post] {
            assert_eq!(call.control(Some(KEY)), "control ok");
            assert!(call.control(Some("another")).starts_with("control wrong"));
            assert_eq!(call.control(None), "control not verified");
        }
        let named = get("s=approved&control=1").control(Some(KEY));
        assert!(named.contains("other names"), "{named}");
    }

    #[test]
    fn the_query_is_appended_as_it_stands() {
        let to = |text: &str| Url::parse(text).unwrap();
        let call = get("name=A%20B+C&x=%27");
        let address = call.address(&to("http://localhost:3000/cb?shop=7"));
        assert_eq!(address.as_str(), "http://localhost:3000/cb?shop=7&name=A%20B+C&x=%27");
        let address = call.address(&to("http://localhost:3000/cb"));
        assert_eq!(address.query(), call.query.as_deref());
    }
}
