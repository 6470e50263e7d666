//! Tests of the XML.
