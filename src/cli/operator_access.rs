//! How operators' commands reach a running gateway.

use anyhow::Context;
use clap::Args;

/// Where the gateway is, and what proves that an operator calls.
#[derive(Args)]
pub(super) struct OperatorAccess {
    /// Where the gateway listens
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The operators' token; in `tillgate dev` it is `sandbox`
    #[arg(
        long,
        global = true,
        env = "TILLGATE_ADMIN_TOKEN",
        hide_env_values = true,
        default_value = "sandbox"
    )]
    token: String,
}

impl OperatorAccess {
    /// The address in front of every path.
    pub(super) fn base(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Sends a request with the token; the answer is a success.
    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<reqwest::Response> {
        let base = self.base();
        let answer = request.bearer_auth(&self.token).send().await.with_context(|| {
            format!("{base} does not answer; is the gateway running, and on this port?")
        })?;
        let status = answer.status();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            let says = format!(
                "{base} does not know this token; give the gateway's admin_token as --token"
            );
            return Err(Refused { status: status.as_u16(), says }.into());
        }
        if !status.is_success() {
            let says = format!("{base} answered {status} {}", answer.text().await?.trim());
            return Err(Refused { status: status.as_u16(), says }.into());
        }
        Ok(answer)
    }
}

/// The gateway has answered, and not with what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{says}")]
pub(super) struct Refused {
    pub status: u16,
    says: String,
}
