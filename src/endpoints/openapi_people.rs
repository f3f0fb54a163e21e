//! The routes for people, as the OpenAPI document has them.

use super::openapi_operation::{Operation, delete, get, post};
use super::token_response::TokenResponse;
use super::{account, account_otp, login, logout, me, refresh, register, sessions, step_up};

const SESSION_ID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

pub(super) fn operations() -> Vec<Operation> {
    let mut all = Vec::from(tokens());
    all.extend(own_account());
    all
}

fn tokens() -> [Operation; 6] {
    [
        post("/login", "login", "Log in with e-mail address and password")
            .says(
                "With `\"transport\": \"cookie\"` the tokens come as `__Host-` cookies, for pages of the issuer's origin or an allowed one. \
                 An unknown address and a wrong password are told alike.",
            )
            .json::<login::LoginBody>()
            .answers::<TokenResponse>(200, "The tokens of a new session.")
            .refuses(&[400, 401, 403, 429, 503]),
        post("/refresh", "refresh", "Exchange a refresh token for new tokens")
            .says("The refresh token is used up: the answer has the next one. Without a body the cookie is meant.")
            .optional_json::<refresh::RefreshBody>()
            .answers::<TokenResponse>(200, "The next tokens of the session.")
            .refuses(&[400, 401, 403, 429, 503]),
        post("/logout", "logout", "End sessions")
            .says("An access token that has expired will do, and so will a refresh token, in the body or as a cookie.")
            .bearer(&[])
            .or_none()
            .optional_json::<logout::LogoutBody>()
            .answers_nothing("They are over, on every replica within two seconds.")
            .refuses(&[400, 401, 403, 503]),
        post("/step-up", "stepUp", "Prove again who one is")
            .says("For routes that ask for a recent or a stronger login. The session stays the same, and so does its refresh token.")
            .bearer(&[])
            .json::<step_up::StepUpBody>()
            .answers::<TokenResponse>(200, "An access token that says so.")
            .refuses(&[400, 401, 403, 429, 503]),
        post("/register", "register", "Make an account of one's own")
            .says("The route is there only with `registration.enabled`.")
            .json::<register::RegisterBody>()
            .answers::<register::Registered>(201, "The account is there.")
            .refuses(&[400, 409, 422, 429, 503]),
        get("/me", "me", "What the access token says")
            .bearer(&[])
            .answers::<me::Me>(200, "From the token alone.")
            .refuses(&[400, 401, 403, 503]),
    ]
}

fn own_account() -> [Operation; 7] {
    [
        get("/account", "account", "One's own account")
            .bearer(&[])
            .answers::<account::AccountBody>(200, "As it is now.")
            .refuses(&[400, 401, 403, 503]),
        post("/account/password", "changePassword", "Change one's own password")
            .bearer(&[])
            .json::<account::PasswordBody>()
            .answers_nothing("It is changed, and every other session is over.")
            .refuses(&[400, 401, 403, 422, 429, 503]),
        post("/account/otp", "enrolOtp", "Begin with a second factor")
            .says("Takes a login younger than 300 s. Nothing asks for a code before one has confirmed it.")
            .bearer(&[])
            .optional_json::<account_otp::NoMembers>()
            .answers::<account_otp::Enrolled>(200, "Its secret in three forms, told this once.")
            .refuses(&[400, 401, 403, 409, 503]),
        post("/account/otp/confirm", "confirmOtp", "Confirm it with a code")
            .says("Takes a login younger than 300 s.")
            .bearer(&[])
            .json::<account_otp::ConfirmBody>()
            .answers::<account_otp::Confirmed>(200, "Ten recovery codes, told this once.")
            .refuses(&[400, 401, 403, 404, 409, 429, 503]),
        delete("/account/otp", "removeOtp", "Take the second factor away")
            .says("Takes a login younger than 300 s, with the second factor if it is confirmed.")
            .bearer(&[])
            .answers_nothing("There is none.")
            .refuses(&[400, 401, 403, 503]),
        get("/sessions", "sessions", "Where one is logged in")
            .bearer(&[])
            .answers_list::<sessions::SessionBody>(200, "One's own live sessions.")
            .refuses(&[400, 401, 403, 503]),
        delete("/sessions/{id}", "endSession", "End one of one's own sessions")
            .bearer(&[])
            .id("id", SESSION_ID)
            .answers_nothing("It is over, on every replica within two seconds.")
            .refuses(&[400, 401, 403, 404, 503]),
    ]
}
