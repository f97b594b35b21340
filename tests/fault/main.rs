//! fault tests.
