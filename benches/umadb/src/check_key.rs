//! The expectations about the API key.

use anyhow::{Result, ensure};
use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbError, DcbEventStoreAsync as _};

use crate::events::Events;
use crate::server::{Server, Which};
use crate::settings::Settings;
use crate::tls_front::TlsFront;

const KEY: &str = "0123456789abcdef";

/// Holds a server to its key: over TLS, as UmaDB's client sends it no other way.
pub async fn run(settings: &Settings, which: Which) -> Result<()> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let server = Server::start(&settings.programs, which, folder.path(), Some(KEY)).await?;
    let front = TlsFront::before(server.port()).await?;
    let ca = folder.path().join("certificate.pem");
    std::fs::write(&ca, &front.certificate)?;
    let with = async |key: Option<&str>| -> Result<AsyncUmaDbClient> {
        let client = UmaDbClient::new(front.url.clone()).ca_path(ca.display().to_string());
        let client = if let Some(key) = key { client.api_key(key.to_owned()) } else { client };
        Ok(client.connect_async().await?)
    };
    let known = with(Some(KEY)).await?;
    ensure!(known.append(vec![Events::new(1).fresh()], None, None).await? == 1);
    for key in [None, Some("0123456789abcdeX"), Some("0123")] {
        let client = with(key).await?;
        let appended = client.append(vec![Events::new(2).fresh()], None, None).await;
        ensure!(matches!(appended, Err(DcbError::AuthenticationError(_))), "{key:?}: {appended:?}");
        for refused in [client.head().await, client.get_tracking_info("a").await] {
            ensure!(matches!(refused, Err(DcbError::AuthenticationError(_))), "{key:?}: {refused:?}");
        }
        let read = match client.read(None, None, false, None).await {
            Ok(mut read) => read.next_batch().await,
            Err(error) => Err(error),
        };
        ensure!(matches!(read, Err(DcbError::AuthenticationError(_))), "{key:?}: {read:?}");
        let subscribed = match client.subscribe(None, None).await {
            Ok(mut subscription) => subscription.next_batch().await,
            Err(error) => Err(error),
        };
        ensure!(matches!(subscribed, Err(DcbError::AuthenticationError(_))), "{key:?}: {subscribed:?}");
        ensure!(client.check_health("").await.is_ok(), "health needs no key");
    }
    ensure!(known.head().await? == Some(1));
    Ok(())
}
