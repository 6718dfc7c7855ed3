//! Doors for clients of the Qdrant API. They translate, and hold no search logic.

pub(crate) mod rest;
