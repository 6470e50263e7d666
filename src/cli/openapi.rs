//! `tillgate openapi`: the OpenAPI document on standard output.

use std::io::Write;

pub(super) fn run() -> anyhow::Result<()> {
    std::io::stdout().write_all(crate::doors::docs::document().as_bytes())?;
    Ok(())
}
