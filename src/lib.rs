//! damselfly
pub mod reply;
