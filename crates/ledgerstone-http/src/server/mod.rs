//! The parts of a server's edge: each stands alone, and [`Edge`](crate::Edge) puts them in one order.

pub(crate) mod body_limit;
pub(crate) mod compression;
pub(crate) mod cors;
pub(crate) mod drain;
pub(crate) mod load_shed;
pub(crate) mod panics;
pub(crate) mod rate_limit;
pub(crate) mod request_id;
pub(crate) mod security_headers;
pub(crate) mod time_limit;
