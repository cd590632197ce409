//! The server's tests: the suites of both ports over the wire, and the interface itself.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

#[path = "it/append_requests.rs"]
mod append_requests;
#[path = "it/cli/mod.rs"]
mod cli;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/connecting.rs"]
mod connecting;
#[path = "it/correlating.rs"]
mod correlating;
#[path = "it/draining.rs"]
mod draining;
#[path = "it/edge.rs"]
mod edge;
#[path = "it/following.rs"]
mod following;
#[path = "it/outward.rs"]
mod outward;
#[path = "it/paging.rs"]
mod paging;
#[path = "it/read_model_requests.rs"]
mod read_model_requests;
#[path = "it/read_requests.rs"]
mod read_requests;
#[path = "it/running.rs"]
mod running;
#[path = "it/serving.rs"]
mod serving;
#[path = "it/umadb_clients.rs"]
mod umadb_clients;
#[path = "it/umadb_wire.rs"]
mod umadb_wire;

use ledgerstone_testkit::conformance::Trials;

fn main() -> std::process::ExitCode {
    let mut trials = Trials::from_env();
    conformance::add(&mut trials);
    append_requests::add(&mut trials);
    read_requests::add(&mut trials);
    read_model_requests::add(&mut trials);
    following::add(&mut trials);
    paging::add(&mut trials);
    serving::add(&mut trials);
    edge::add(&mut trials);
    draining::add(&mut trials);
    outward::add(&mut trials);
    connecting::add(&mut trials);
    correlating::add(&mut trials);
    umadb_clients::add(&mut trials);
    cli::add(&mut trials);
    trials.conclude()
}
