//! caisson-pack
