//! Something with TLS in front of a server that has none: UmaDB's clients send their key only over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A front, and what its clients must know of it; it ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    /// Where it listens, by the name that its certificate has.
    pub url: String,
    /// Its certificate.
    pub certificate: String,
    running: JoinHandle<()>,
}

impl TlsFront {
    /// Begins to pass on what comes, decrypted, to a port of this machine.
    pub async fn before(port: u16) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that breaks off is its own affair.
                    let Ok(mut encrypted) = acceptor.accept(stream).await else { return };
                    let Ok(mut plain) = TcpStream::connect(server).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut encrypted, &mut plain).await;
                });
            }
        });
        Ok(Self { url, certificate: made.cert.pem(), running })
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.running.abort();
    }
}
