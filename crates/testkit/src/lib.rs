//! Conformance kits for plugins.
