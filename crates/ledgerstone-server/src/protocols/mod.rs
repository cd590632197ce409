//! The wire protocols of other event stores, spoken beside HTTP so that their clients work as they are.

pub(crate) mod grpc;
pub(crate) mod umadb;
