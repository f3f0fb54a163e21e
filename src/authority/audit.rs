//! What happened to accounts and sessions, for those who have to find out later: a line in the log and a row in the store.
//!
//! The names are stable: operators search for them. Both say when (UTC), of whom, which session, from which address, by whom where that is
//! somebody else, and a fixed word where the event alone does not say why; nothing that somebody typed.
//! What somebody failed at is only in the log: whoever likes can make any number of these, and must not fill the database with them; and a row
//! for those that have an account only would take time that tells them from those that have none.
//! What cannot be written down is said in the log and stops nobody: a thief must not be kept in because the disk is full.

use super::admin::Behalf;
use crate::caller;
use crate::store::Database;
use crate::store::audit;

pub use crate::store::audit::Entry;

/// How long rows are kept, in seconds: 90 days.
pub const KEPT: i64 = 90 * 86_400;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody logged in.
    Login,
    /// Somebody did not, because of the `unknown_account`, the `disabled_account`, the `password` or the `otp`. Only in the log.
    LoginFailed,
    /// Somebody has to wait before the next try for this address, after so many that failed. Only in the log.
    LoginDelayed,
    /// A person ended sessions of theirs: `this`, `others` or `all`.
    Logout,
    /// A used refresh token came again, which ended its session.
    RefreshReuse,
    /// A session was ended by something else.
    SessionRevoked,
    /// An account was made.
    AccountAdded,
    /// An account was given another address, other scopes or other roles: `email`, `scopes` or `roles`.
    AccountChanged,
    /// An account was disabled, which ended its sessions.
    AccountDisabled,
    /// An account was enabled again.
    AccountEnabled,
    /// An account was deleted, with its sessions.
    AccountDeleted,
    /// An account was given another password, which ended its sessions, but for the one that it was done in.
    PasswordChanged,
    /// An account has a second factor from now on.
    SecondFactorAdded,
    /// An account has none any more.
    SecondFactorRemoved,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// A person proved once more who they are.
    StepUp,
    /// Whoever has a session did not prove who they are: neither to step up (`password`, `otp`) nor to set another password (`current_password`).
    /// Only in the log.
    StepUpFailed,
    /// A client was made.
    ClientAdded,
    /// A client was given another name or other scopes: `name` or `scopes`.
    ClientChanged,
    /// A client was given another secret.
    ClientSecretRotated,
    /// A client was disabled, which revoked its tokens.
    ClientDisabled,
    /// A client was enabled again.
    ClientEnabled,
    /// A client was deleted, which revoked its tokens.
    ClientRemoved,
    /// An access token was revoked by the client that it was issued to.
    TokenRevoked,
    /// A client did not prove who it is: the `secret` is wrong, or it is a `disabled_client`. Only in the log.
    ClientFailed,
}

impl Event {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Event::Login => "login",
            Event::LoginFailed => "login_failed",
            Event::LoginDelayed => "login_delayed",
            Event::Logout => "logout",
            Event::RefreshReuse => "refresh_reuse",
            Event::SessionRevoked => "session_revoked",
            Event::AccountAdded => "account_added",
            Event::AccountChanged => "account_changed",
            Event::AccountDisabled => "account_disabled",
            Event::AccountEnabled => "account_enabled",
            Event::AccountDeleted => "account_deleted",
            Event::PasswordChanged => "password_changed",
            Event::SecondFactorAdded => "second_factor_added",
            Event::SecondFactorRemoved => "second_factor_removed",
            Event::RecoveryCodeUsed => "recovery_code_used",
            Event::StepUp => "step_up",
            Event::StepUpFailed => "step_up_failed",
            Event::ClientAdded => "client_added",
            Event::ClientChanged => "client_changed",
            Event::ClientSecretRotated => "client_secret_rotated",
            Event::ClientDisabled => "client_disabled",
            Event::ClientEnabled => "client_enabled",
            Event::ClientRemoved => "client_removed",
            Event::TokenRevoked => "token_revoked",
            Event::ClientFailed => "client_failed",
        }
    }

    /// Whether it may be the work of somebody who has no business here.
    fn level(self) -> log::Level {
        if self == Event::RefreshReuse { log::Level::Warn } else { log::Level::Info }
    }
}

/// An event, and of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happening<'a> {
    pub(super) event: Event,
    pub(super) account_id: Option<&'a str>,
    pub(super) session_id: Option<&'a str>,
    pub(super) client_id: Option<&'a str>,
    /// A fixed word more.
    pub(super) detail: Option<&'static str>,
    /// Who did it, where that is not whom it happened to; and from which address.
    pub(super) actor: (Option<&'a str>, Option<&'a str>),
}

impl<'a> Happening<'a> {
    /// Something that happened to an account.
    pub(super) fn to_account(event: Event, account_id: &'a str) -> Self {
        Self { event, account_id: Some(account_id), session_id: None, client_id: None, detail: None, actor: (None, None) }
    }

    /// Something that happened to a client, or that it did.
    pub(super) fn to_client(event: Event, client_id: &'a str) -> Self {
        Self { event, account_id: None, session_id: None, client_id: Some(client_id), detail: None, actor: (None, None) }
    }

    /// Something that happened to a session.
    pub(super) fn to_session(event: Event, account_id: &'a str, session_id: &'a str) -> Self {
        Self { session_id: Some(session_id), ..Self::to_account(event, account_id) }
    }

    /// Somebody failed, for a reason, at something that this account has to do with.
    pub(super) fn failure(event: Event, account_id: Option<&'a str>, reason: &'static str) -> Self {
        Self { event, account_id, session_id: None, client_id: None, detail: Some(reason), actor: (None, None) }
    }

    /// With a fixed word more.
    pub(super) fn with(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// As the work of whoever has it done.
    pub(super) fn on_behalf_of(self, behalf: &'a Behalf) -> Self {
        Self { actor: behalf.actor(), ..self }
    }

    /// The row of it.
    pub(super) fn entry(&self, now: i64) -> Entry {
        let ((actor, _), ip) = (self.actor, self.ip());
        let entry = Entry::new(self.event.name(), self.account_id, self.session_id, self.detail, now);
        entry.with_client(self.client_id).by(actor, ip.as_deref())
    }

    /// From where: as whoever has it done says, else as the request does.
    fn ip(&self) -> Option<String> {
        let asked_from = || caller::current()?.address().map(|address| address.to_string());
        self.actor.1.map(str::to_owned).or_else(asked_from)
    }

    /// The line of it. `-` where there is nothing to name.
    pub(super) fn log(&self) {
        let (event, ip) = (self.event.name(), self.ip());
        let [sub, session_id, client_id, detail, actor, ip] =
            [self.account_id, self.session_id, self.client_id, self.detail, self.actor.0, ip.as_deref()].map(|text| text.unwrap_or("-"));
        log::log!(target: "hallpass::audit", self.event.level(), event, sub, session_id, client_id, detail, actor, ip; "{event}");
    }

    /// The line and the row, for what has happened already.
    pub(super) async fn record(&self, database: &Database, now: i64) {
        self.log();
        if let Err(error) = audit::insert(database, &self.entry(now)).await {
            log::error!("an event is only in the log: {error}");
        }
    }
}
