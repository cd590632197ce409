//! A client of UmaDB's protocol, written from its facts alone, apart from the messages of the server.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::uri::PathAndQuery;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Status, Streaming};
use tower::Service;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    #[prost(string, tag = "1")]
    pub(crate) event_type: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) tags: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
    #[prost(string, tag = "4")]
    pub(crate) uuid: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tracking {
    #[prost(string, tag = "1")]
    pub(crate) source: String,
    #[prost(uint64, tag = "2")]
    pub(crate) position: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sequenced {
    #[prost(uint64, tag = "1")]
    pub(crate) position: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) event: Option<Event>,
    #[prost(message, optional, tag = "3")]
    pub(crate) tracking: Option<Tracking>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Item {
    #[prost(string, repeated, tag = "1")]
    pub(crate) types: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Query {
    #[prost(message, repeated, tag = "1")]
    pub(crate) items: Vec<Item>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Condition {
    #[prost(message, optional, tag = "1")]
    pub(crate) fail_if: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) after: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Append {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<Event>,
    #[prost(message, optional, tag = "2")]
    pub(crate) condition: Option<Condition>,
    #[prost(message, optional, tag = "3")]
    pub(crate) tracking: Option<Tracking>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Read {
    #[prost(message, optional, tag = "1")]
    pub(crate) query: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) start: Option<u64>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) backwards: Option<bool>,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) limit: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) subscribe: Option<bool>,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) batch_size: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Subscribe {
    #[prost(message, optional, tag = "1")]
    pub(crate) query: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) after: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pages {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<Sequenced>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) head: Option<u64>,
}

/// A number that must be there, which reads as 0 where it is not.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Number {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
}

/// A number that may be absent.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MaybeNumber {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) number: Option<u64>,
}

/// A text: the source whose tracking is asked for, or the service whose health is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Name {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(string, tag = "1")]
    message: String,
    #[prost(int32, tag = "2")]
    error_type: i32,
}

/// Reads the details of a status: the message and the number of the kind.
pub(crate) fn details(status: &Status) -> (String, i32) {
    let details = Details::decode(status.details()).expect("details");
    assert_eq!(details.message, status.message());
    (details.message, details.error_type)
}

/// A connection to the port for clients of UmaDB.
#[derive(Clone)]
pub(crate) struct Client {
    connection: SendRequest<Body>,
    address: SocketAddr,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = made.expect("HTTP/2");
        tokio::spawn(connection);
        Self { connection: sender, address, headers: Vec::new() }
    }

    /// Sends a header with every call from now on.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) async fn append(&self, append: Append) -> Result<u64, Status> {
        let answer: Number = self.one("umadb.v1.DCB/Append", append).await?;
        Ok(answer.number)
    }

    pub(crate) async fn head(&self) -> Result<Option<u64>, Status> {
        let answer: MaybeNumber = self.one("umadb.v1.DCB/Head", Number::default()).await?;
        Ok(answer.number)
    }

    pub(crate) async fn tracking(&self, source: &str) -> Result<Option<u64>, Status> {
        let name = Name { name: source.to_owned() };
        let answer: MaybeNumber = self.one("umadb.v1.DCB/GetTrackingInfo", name).await?;
        Ok(answer.number)
    }

    /// Reads all the pages of an answer.
    pub(crate) async fn read(&self, read: Read) -> Result<Vec<Pages>, Status> {
        let mut stream: Streaming<Pages> = self.many("umadb.v1.DCB/Read", read).await?;
        let mut pages = Vec::new();
        while let Some(page) = stream.message().await? {
            pages.push(page);
        }
        Ok(pages)
    }

    pub(crate) async fn subscribe(&self, subscribe: Subscribe) -> Result<Streaming<Pages>, Status> {
        self.many("umadb.v1.DCB/Subscribe", subscribe).await
    }

    /// Makes a call that answers one message.
    pub(crate) async fn one<A, Q>(&self, path: &str, question: Q) -> Result<A, Status>
    where
        A: Message + Default + 'static,
        Q: Message + 'static,
    {
        let (mut grpc, path) = self.prepared(path).await;
        let answer = grpc.unary(self.request(question), path, Both(std::marker::PhantomData)).await?;
        Ok(answer.into_inner())
    }

    /// Makes a call that answers many.
    pub(crate) async fn many<A, Q>(&self, path: &str, question: Q) -> Result<Streaming<A>, Status>
    where
        A: Message + Default + 'static,
        Q: Message + 'static,
    {
        let (mut grpc, path) = self.prepared(path).await;
        let answer =
            grpc.server_streaming(self.request(question), path, Both(std::marker::PhantomData)).await?;
        Ok(answer.into_inner())
    }

    async fn prepared(&self, path: &str) -> (Grpc<Wire>, PathAndQuery) {
        let origin = format!("http://{}", self.address).parse().expect("an origin");
        let mut grpc = Grpc::with_origin(Wire(self.connection.clone()), origin);
        grpc.ready().await.expect("a connection");
        (grpc, format!("/{path}").parse().expect("a path"))
    }

    fn request<Q>(&self, question: Q) -> tonic::Request<Q> {
        let mut request = tonic::Request::new(question);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(*name, value.parse().expect("a header"));
        }
        request
    }
}

/// The connection as the client wants it.
struct Wire(SendRequest<Body>);

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Encodes questions and decodes answers.
struct Both<A, Q>(std::marker::PhantomData<fn() -> (A, Q)>);

impl<A: Message + Default + 'static, Q: Message + 'static> Codec for Both<A, Q> {
    type Encode = Q;
    type Decode = A;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<A, Q: Message> Encoder for Both<A, Q> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, question: Q, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        question.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<A: Message + Default, Q> Decoder for Both<A, Q> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        A::decode(from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
