//! Messages as gRPC carries them: encoded and decoded by their derived code.

use std::fmt;
use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Encodes answers of one message and decodes requests of another.
pub(crate) struct ProstCodec<Answer, Request>(PhantomData<fn() -> (Answer, Request)>);

impl<Answer, Request> Default for ProstCodec<Answer, Request> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Answer, Request> fmt::Debug for ProstCodec<Answer, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProstCodec")
    }
}

impl<Answer: Message + 'static, Request: Message + Default + 'static> Codec for ProstCodec<Answer, Request> {
    type Encode = Answer;
    type Decode = Request;
    type Encoder = ProstEncoder<Answer>;
    type Decoder = ProstDecoder<Request>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

/// Encodes one kind of message.
#[derive(Debug)]
pub(crate) struct ProstEncoder<M>(PhantomData<fn() -> M>);

impl<M: Message> Encoder for ProstEncoder<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(into).map_err(|error| Status::internal(format!("the answer does not fit: {error}")))
    }
}

/// Decodes one kind of message.
#[derive(Debug)]
pub(crate) struct ProstDecoder<M>(PhantomData<fn() -> M>);

impl<M> Default for ProstDecoder<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Message + Default> Decoder for ProstDecoder<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        let read = M::decode(from);
        read.map(Some).map_err(|error| Status::invalid_argument(format!("the message is malformed: {error}")))
    }
}
