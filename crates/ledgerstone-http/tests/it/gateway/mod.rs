//! The gateway: finding services, choosing endpoints, calling them, and passing requests on.

mod balancing;
mod calls;
mod dns;
mod fakes;
mod health;
mod kubernetes;
mod name_server;
mod outliers;
mod proxy_blame;
mod proxy_bodies;
mod proxy_door;
mod proxy_failures;
mod proxy_headers;
mod resolution;
mod wire;
