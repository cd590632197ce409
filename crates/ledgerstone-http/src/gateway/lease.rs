//! One call's use of an endpoint: counted while it lasts, judged by how it ended.

use std::sync::Arc;

use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::service::Service;

/// An endpoint that was chosen for a call; the call is under way until this is dropped.
///
/// A call whose caller left before there was an answer says nothing about the endpoint.
#[derive(Debug)]
pub(crate) struct Lease {
    service: Arc<Service>,
    endpoint: Arc<LiveEndpoint>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The answer began well; it is a success unless the rest breaks.
    Answered,
    Failed,
}

impl Lease {
    pub(crate) fn new(service: Arc<Service>, endpoint: Arc<LiveEndpoint>) -> Self {
        endpoint.begin();
        Self { service, endpoint, state: State::Open }
    }

    pub(crate) fn endpoint(&self) -> &Arc<LiveEndpoint> {
        &self.endpoint
    }

    /// Says that an answer with this status began.
    pub(crate) fn answer(&mut self, status: u16) {
        if is_failure(status) {
            self.fail();
        } else {
            self.state = State::Answered;
        }
    }

    /// Says that the endpoint failed; it is counted once.
    pub(crate) fn fail(&mut self) {
        if self.state != State::Failed {
            self.state = State::Failed;
            self.service.take_call_failure(&self.endpoint);
        }
    }

    /// Says that nobody was there: the endpoints may be others by now.
    pub(crate) fn fail_to_connect(&mut self) {
        self.fail();
        self.service.doubts.notify_one();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.state == State::Answered {
            self.endpoint.count_success();
        }
        self.endpoint.end();
    }
}

/// Tells whether a status is a failure of the endpoint rather than of the request.
fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502..=504)
}

/// Tells whether the same request may be answered well elsewhere or later.
pub(crate) fn may_be_repeated(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}
