//! What every protocol over gRPC needs: messages, health, counters.

pub(crate) mod grpc_metrics;
pub(crate) mod health;
pub(crate) mod prost_codec;
