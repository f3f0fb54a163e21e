//! From the first answer to the last one: what goes on while a service runs, and how it stops.

use std::time::Duration;

use actix_web::dev::ServerHandle;

use super::{Error, Service};
use crate::authority::Authority;
use crate::endpoints::probes::Readiness;
use crate::feed::Feed;
use crate::store;

impl Service {
    /// Runs until told to stop by SIGTERM or SIGINT: then `/readyz` refuses, requests in flight end, and this returns. A second signal ends
    /// the process at once.
    ///
    /// # Errors
    /// [`Error::Schema`] at once when the store belongs to another version; later what the HTTP server fails with.
    pub async fn run(self) -> Result<(), Error> {
        let Service { server, ops, authority, readiness, feed, reload, drain, .. } = self;
        let handle = server.handle();
        // It answers from here on: a store that hangs must not keep tokens from being verified.
        let running = actix_web::rt::spawn(server);
        // Its server ends with the runtime: until the last request is answered, there is something to see.
        drop(ops.map(|ops| actix_web::rt::spawn(ops.server)));
        actix_web::rt::spawn(reload.run());
        actix_web::rt::spawn(stop_on_signal(handle.clone(), readiness.clone(), authority.clone(), drain));
        match authority.database().migrate().await {
            Ok(()) => tend(authority, readiness, feed),
            Err(error @ store::Error::Schema { .. }) => {
                handle.stop(false).await;
                return Err(Error::Schema(error));
            }
            Err(error) => drop(actix_web::rt::spawn(migrate_when_available(error, authority, readiness, feed))),
        }
        running.await.map_err(std::io::Error::other).and_then(|ended| ended).map_err(Error::Server)
    }
}

/// Brings the schema up to date as soon as the store is there. Until then the service verifies tokens and is not ready.
async fn migrate_when_available(first: store::Error, authority: Authority, readiness: Readiness, feed: Feed) {
    let (mut pause, mut outcome) = (Duration::from_millis(100), Err(first));
    while let Err(error) = outcome {
        log::error!("the store is not usable yet, trying again in {pause:?}: {error}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        outcome = authority.database().migrate().await;
    }
    log::info!("the store is there");
    tend(authority, readiness, feed);
}

/// What goes on beside the requests as long as the process lives, once there is a schema.
fn tend(authority: Authority, readiness: Readiness, feed: Feed) {
    readiness.migrated();
    actix_web::rt::spawn(feed.run(move || readiness.heard()));
    actix_web::rt::spawn(async move { authority.sweep_for_ever().await });
}

async fn stop_on_signal(server: ServerHandle, readiness: Readiness, authority: Authority, drain: Duration) {
    if let Err(error) = signalled().await {
        return log::error!("cannot listen for signals, so only a kill ends this process: {error}");
    }
    log::info!("stopping: requests in flight have {drain:?} to end");
    readiness.draining();
    authority.stop_waiting();
    actix_web::rt::spawn(async {
        let _ = signalled().await;
        log::warn!("stopped at once, as asked for twice");
        std::process::exit(1);
    });
    server.stop(true).await;
}

async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
