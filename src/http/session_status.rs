//! The guard's question whether a session is live, answered by the authority.

use crate::authority::{self, Authority};
use crate::guard::{AccessToken, SessionState, SessionStatus};

impl SessionStatus for Authority {
    type Error = authority::Error;

    async fn session_state(&self, token: &AccessToken) -> Result<SessionState, Self::Error> {
        let is_live = self.sessions().is_live(token.session_id().unwrap_or_default(), token.subject()).await?;
        Ok(if is_live { SessionState::Live } else { SessionState::Over })
    }
}
