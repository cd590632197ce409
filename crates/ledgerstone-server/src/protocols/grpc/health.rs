//! The health of a service as gRPC clients ask for it: `grpc.health.v1`.

use futures_util::stream::{self, Stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Asks for the health of a service; an empty name means the whole server.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// Tells the health of a service.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthAnswer {
    #[prost(enumeration = "Serving", tag = "1")]
    status: i32,
}

/// Whether a service takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
#[expect(clippy::enum_variant_names, reason = "these are the names of the protocol")]
pub(crate) enum Serving {
    /// Nobody knows.
    Unknown = 0,
    /// It does.
    Serving = 1,
    /// It does not.
    NotServing = 2,
    /// There is no such service.
    ServiceUnknown = 3,
}

/// Knows how the services of one server are.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    /// The service beside the server as a whole.
    pub(crate) service: &'static str,
    /// Ends readiness.
    pub(crate) draining: CancellationToken,
    /// Ends those who watch.
    pub(crate) ending: CancellationToken,
}

impl Health {
    /// Answers how a service is now.
    pub(crate) fn check(&self, request: &HealthRequest) -> Result<HealthAnswer, Status> {
        match self.now(&request.service) {
            Serving::ServiceUnknown => {
                let message = format!("there is no service {:?}; there is {}", request.service, self.service);
                Err(Status::not_found(message))
            }
            serving => Ok(HealthAnswer { status: serving.into() }),
        }
    }

    /// Answers how a service is now, and again when that has changed.
    pub(crate) fn watch(
        &self,
        request: &HealthRequest,
    ) -> impl Stream<Item = Result<HealthAnswer, Status>> + Send + use<> {
        let now = self.now(&request.service);
        let (draining, ending) = (self.draining.clone(), self.ending.clone());
        stream::unfold(None, move |told| {
            let (draining, ending) = (draining.clone(), ending.clone());
            async move {
                let serving = match told {
                    None => now,
                    Some(Serving::Serving) => {
                        draining.cancelled().await;
                        Serving::NotServing
                    }
                    Some(_) => {
                        ending.cancelled().await;
                        return None;
                    }
                };
                Some((Ok(HealthAnswer { status: serving.into() }), Some(serving)))
            }
        })
    }

    fn now(&self, service: &str) -> Serving {
        match service {
            name if !name.is_empty() && name != self.service => Serving::ServiceUnknown,
            _ if self.draining.is_cancelled() => Serving::NotServing,
            _ => Serving::Serving,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    fn health() -> Health {
        let (draining, ending) = (CancellationToken::new(), CancellationToken::new());
        Health { service: "a.B", draining, ending }
    }

    fn asks(service: &str) -> HealthRequest {
        HealthRequest { service: service.to_owned() }
    }

    #[test]
    fn the_server_and_its_service_are_known_and_no_other() {
        let health = health();
        let told = |service| health.check(&asks(service)).expect("a known service").status();
        assert_eq!((told(""), told("a.B")), (Serving::Serving, Serving::Serving));
        let refused = health.check(&asks("a.C")).expect_err("no such service");
        assert_eq!(refused.code(), tonic::Code::NotFound);
        health.draining.cancel();
        assert_eq!(told(""), Serving::NotServing);
    }

    #[tokio::test]
    async fn whoever_watches_hears_of_the_drain_and_is_let_go_at_the_end() {
        let health = health();
        let mut watch = Box::pin(health.watch(&asks("a.B")));
        let mut next = async || watch.next().await.map(|answer| answer.expect("an answer").status());
        assert_eq!(next().await, Some(Serving::Serving));
        health.draining.cancel();
        assert_eq!(next().await, Some(Serving::NotServing));
        health.ending.cancel();
        assert_eq!(next().await, None);
        let unknown: Vec<_> = health.watch(&asks("a.C")).try_collect().await.expect("answers");
        assert_eq!(unknown, [HealthAnswer { status: Serving::ServiceUnknown.into() }]);
    }
}
