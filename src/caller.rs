//! Who asks: the request that the current work is done for, without being handed through every call.
//!
//! Lines of the log and rows of the audit read it, and nothing decides by it: where nobody asked over HTTP, as at the command line, there is
//! none. What runs on other threads or as a task of its own has left it behind.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CALLER: Caller;
}

/// A request, by what the log calls it. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Request>);

#[derive(Debug)]
struct Request {
    id: String,
    address: Option<IpAddr>,
    subject: OnceLock<String>,
}

impl Caller {
    /// The sender of a request. An IPv4 address in IPv6 form becomes the plain one.
    pub fn new(request_id: &str, address: Option<IpAddr>) -> Self {
        let address = address.map(|address| address.to_canonical());
        Self(Arc::new(Request { id: request_id.to_owned(), address, subject: OnceLock::new() }))
    }

    /// Does the work in the name of this caller.
    pub async fn asks<T>(self, work: impl Future<Output = T>) -> T {
        CALLER.scope(self, work).await
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        &self.0.id
    }

    /// Where it came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Whom its access token speaks of, once that was verified.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.get().map(String::as_str)
    }
}

/// Whoever asks for the current work.
pub fn current() -> Option<Caller> {
    CALLER.try_with(Caller::clone).ok()
}

/// Says whom the verified token of the current request speaks of. The first one stays.
pub fn is_subject(subject: &str) {
    let _nobody_asks = CALLER.try_with(|caller| caller.0.subject.get_or_init(|| subject.to_owned()).len());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_of_two_at_once_is_known_as_itself_and_nobody_afterwards() {
        let ask = async |id: &str, ip: &str| {
            let work = async {
                is_subject(id);
                tokio::task::yield_now().await;
                is_subject("another");
                let caller = current().unwrap();
                [caller.request_id().to_owned(), caller.address().unwrap().to_string(), caller.subject().unwrap().to_owned()]
            };
            Caller::new(id, ip.parse().ok()).asks(work).await
        };
        let (one, two) = tokio::join!(ask("one", "::ffff:192.0.2.1"), ask("two", "2001:db8::1"));
        assert_eq!((one, two), (["one", "192.0.2.1", "one"].map(str::to_owned), ["two", "2001:db8::1", "two"].map(str::to_owned)));
        assert!(current().is_none());
        is_subject("nobody");
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_behind() {
        use futures_util::FutureExt as _;
        let work = async { std::panic::panic_any("on purpose") };
        let ended: Result<(), _> = std::panic::AssertUnwindSafe(Caller::new("one", None).asks(work)).catch_unwind().await;
        assert!(ended.is_err() && current().is_none());
    }
}
