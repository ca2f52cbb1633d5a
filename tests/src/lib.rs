//! caisson-tests
