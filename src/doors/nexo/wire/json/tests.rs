//! Tests of the JSON.
