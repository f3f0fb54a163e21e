//! A person's device with an authenticator on it, and what a person does with it.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::app::{EMAIL, PASSWORD, TestApp, text};

pub struct Device(Totp);

impl Device {
    /// Reads the secret as it is typed.
    pub fn read(base32: &str) -> Self {
        Self(Builder::new().with_secret(Secret::try_from_base32(base32).unwrap()).build().unwrap())
    }

    /// What it shows so many seconds from the clock's now.
    pub fn code(&self, app: &TestApp, offset: i64) -> String {
        self.0.generate(u64::try_from(app.clock.now() + offset).unwrap()).to_string()
    }

    /// A code that is none of those which are right just now.
    pub fn wrong_code(&self, app: &TestApp) -> String {
        let near: Vec<String> = (-4..=4).map(|step| self.code(app, step * 30)).collect();
        (0..20).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

impl TestApp {
    /// One request with an access token.
    pub async fn with_token(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let request = self.client.request(method, self.url(path)).bearer_auth(token);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .send()
        .await
        .unwrap()
    }

    pub async fn enrol(&self, token: &str) -> Response {
        self.with_token(Method::POST, "/account/otp", token, None).await
    }

    pub async fn confirm(&self, token: &str, code: &str) -> Response {
        self.with_token(Method::POST, "/account/otp/confirm", token, Some(json!({ "otp": code }))).await
    }

    pub async fn remove_otp(&self, token: &str) -> Response {
        self.with_token(Method::DELETE, "/account/otp", token, None).await
    }

    pub async fn step_up(&self, token: &str, body: Value) -> Response {
        self.with_token(Method::POST, "/step-up", token, Some(body)).await
    }

    pub async fn login_with(&self, email: &str, password: &str, otp: &str) -> Response {
        self.post_login(&json!({ "email": email, "password": password, "otp": otp })).send().await.unwrap()
    }

    /// Gives Alice a second factor, and lets so much time pass that her device shows a code that was not used.
    pub async fn enrolled(&self) -> (Device, Vec<String>) {
        let token = self.token().await;
        let answer: Value = self.enrol(&token).await.json().await.unwrap();
        let device = Device::read(&text(&answer, "secret"));
        let response = self.confirm(&token, &device.code(self, 0)).await;
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        let codes = answer["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        self.clock.advance(30);
        (device, codes)
    }

    /// Logs Alice in with both factors, and gives the whole answer.
    pub async fn strong_session(&self, device: &Device) -> Value {
        let response = self.login_with(EMAIL, PASSWORD, &device.code(self, 0)).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }
}

/// Status and code of a problem.
pub async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, text(&response.json().await.unwrap(), "code"))
}
