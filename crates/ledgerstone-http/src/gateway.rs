//! The gateway: services called by name, wherever they are found today.

mod attempt;
mod balance;
mod call;
mod chance;
mod configured;
mod dns;
mod endpoint;
mod health;
mod kubernetes;
mod kubernetes_slices;
mod lease;
mod live_endpoint;
mod members;
mod operation;
mod outliers;
mod path_template;
mod policy_source;
mod proxy;
mod refresh;
mod resolver;
mod service;
mod service_report;
mod service_settings;
mod services;
mod span;
mod watcher;

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Uri;
use ledgerstone_core::{BackendError, ErrorKind, HttpBody, HttpClient, HttpRequest, HttpResponse};
use ledgerstone_resilience::Deadline;
use parking_lot::Mutex;

use crate::gateway::attempt::{CallFailure, Outgoing};
pub use crate::gateway::balance::{Balance, LeastLoaded, RoundRobin};
pub use crate::gateway::call::GatewayCall;
pub use crate::gateway::configured::ConfiguredEndpoints;
pub use crate::gateway::dns::DnsResolver;
pub use crate::gateway::endpoint::Endpoint;
pub use crate::gateway::health::HealthSettings;
pub use crate::gateway::kubernetes::KubernetesResolver;
pub use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::operation::Operation;
pub use crate::gateway::operation::OperationSettings;
pub use crate::gateway::outliers::OutlierSettings;
pub use crate::gateway::policy_source::PolicySource;
pub use crate::gateway::proxy::{Proxy, ProxyBuilder, RouteAuth, RouteSettings};
pub use crate::gateway::resolver::{Resolution, Resolver};
use crate::gateway::service::Service;
pub use crate::gateway::service_report::{EndpointReport, ServiceReport};
pub use crate::gateway::service_settings::{
    Balancing, DnsSettings, KubernetesSettings, Scheme, ServiceSettings, SrvSettings,
};
use crate::gateway::services::unknown;
pub use crate::gateway::services::{Services, ServicesBuilder};
pub use crate::gateway::watcher::Watcher;

/// Calls services by name; cheap to clone.
///
/// It is an [`HttpClient`] too: the host of a URL is then the name of a service, as in `http://orders/orders/42`,
/// and each request goes to one of its endpoints. A host that names no service is refused.
#[derive(Debug, Clone)]
pub struct Gateway {
    services: Services,
    client: Arc<dyn HttpClient>,
    policies: PolicySource,
}

impl Gateway {
    /// Makes a gateway that sends by `client`, without policies.
    pub fn new(services: Services, client: Arc<dyn HttpClient>) -> Self {
        Self { services, client, policies: PolicySource::default() }
    }

    /// Runs calls under the policies that operations and services name.
    #[must_use]
    pub fn with_policies(mut self, policies: PolicySource) -> Self {
        self.policies = policies;
        self
    }

    /// Returns the services.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Begins a call of an operation that the settings of the service declare.
    ///
    /// A name that nobody has is refused with the one that looks like it.
    pub fn call(&self, service: &str, operation: &str) -> Result<GatewayCall, BackendError> {
        let service = self.services.get(service)?;
        let Some(declared) = service.operations.get(operation).map(Arc::clone) else {
            let what = format!("operation of {}", service.name);
            return Err(unknown(&what, operation, service.operations.keys()));
        };
        self.begin(service, declared, operation)
    }

    /// Begins a call that nobody declared: a method, and a path with gaps in braces.
    ///
    /// The path stands in metrics as it is written here, so what varies belongs into gaps.
    pub fn request(&self, service: &str, method: &str, path: &str) -> Result<GatewayCall, BackendError> {
        let service = self.services.get(service)?;
        let operation = Operation::of(method, path)
            .map_err(|why| BackendError::new(ErrorKind::Invalid, "gateway", "make a call", why))?;
        self.begin(service, Arc::new(operation), path)
    }

    fn begin(
        &self,
        service: Arc<Service>,
        operation: Arc<Operation>,
        label: &str,
    ) -> Result<GatewayCall, BackendError> {
        let named = operation.policy.as_ref().or(service.settings.policy.as_ref());
        let policy = named.map(|name| self.policies.get(name)).transpose()?;
        Ok(GatewayCall {
            service,
            client: Arc::clone(&self.client),
            operation,
            label: label.into(),
            policy,
            parts: call::Parts::default(),
        })
    }

    /// Makes ready what somebody asks of a URL whose host is a service.
    fn outgoing(&self, request: HttpRequest) -> Result<Outgoing, BackendError> {
        let url: Uri = request.url.parse().map_err(|error| {
            let message = format!("{:?} is no URL: {error}", request.url);
            BackendError::new(ErrorKind::Invalid, "gateway", "send a request", message)
        })?;
        let service = self.services.get(url.host().unwrap_or_default())?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let timeout = request.timeout.or(Some(service.settings.timeout));
        Ok(Outgoing {
            service,
            client: Arc::clone(&self.client),
            method: request.method,
            target: target.to_owned(),
            headers: request.headers,
            body: request.body,
            timeout,
            callers: Deadline::current(),
            is_guarded: false,
            tried: Mutex::default(),
        })
    }
}

#[async_trait]
impl HttpClient for Gateway {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        answer(self.outgoing(request)?.attempt(None, None).await)
    }

    async fn send_streaming(
        &self,
        request: HttpRequest,
        body: HttpBody,
    ) -> Result<HttpResponse, BackendError> {
        answer(self.outgoing(request)?.stream(body).await)
    }
}

/// An answer that asks to come again is an answer to whoever does not repeat.
fn answer(outcome: Result<HttpResponse, CallFailure>) -> Result<HttpResponse, BackendError> {
    match outcome {
        Ok(response) | Err(CallFailure::Answered(response)) => Ok(response),
        Err(CallFailure::Failed(error)) => Err(error),
    }
}
