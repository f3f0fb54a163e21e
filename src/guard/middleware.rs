//! Guards a whole scope: everything below it, its default service included.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::Error;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use futures_util::future::{Either, MapOk, TryFutureExt as _};

use super::policy::{Anyone, Policy};
use super::{Guard, extract, refuse};

/// Middleware that lets only requests through whose token satisfies `P`.
///
/// It refuses before the body is read, and as an `Ok` response, so that middleware outside it (CORS, logging, headers) treats a refusal
/// like any other answer. Extractors behind it find the token verified.
///
/// ```
/// use actix_web::{App, web};
/// use hallpass::guard::{AccessToken, Policy, Protect};
///
/// struct Admin;
/// impl Policy for Admin {
///     const ROLE: Option<&'static str> = Some("admin");
/// }
///
/// # fn app(guard: hallpass::guard::Guard) {
/// App::new().app_data(guard).service(
///     web::scope("/admin").wrap(Protect::<Admin>::new()).route("/report", web::get().to(|_: AccessToken| async { "all is well" })),
/// );
/// # }
/// ```
pub struct Protect<P = Anyone>(PhantomData<fn() -> P>);

impl<P: Policy> Protect<P> {
    /// The middleware for the policy `P`.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Policy> Default for Protect<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Clone for Protect<P> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<P> fmt::Debug for Protect<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protect")
    }
}

impl<S, B, P> Transform<S, ServiceRequest> for Protect<P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    P: Policy,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Protected<S, P>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected { service, policy: PhantomData }))
    }
}

/// A service behind [`Protect`].
pub struct Protected<S, P> {
    service: S,
    policy: PhantomData<fn() -> P>,
}

impl<S, B, P> Service<ServiceRequest> for Protected<S, P>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    P: Policy,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<Ready<Result<Self::Response, Error>>, MapOk<S::Future, fn(ServiceResponse<B>) -> Self::Response>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match extract::authorize::<P>(request.request()) {
            Ok(token) => {
                if let Ok(guard) = Guard::of(request.request()) {
                    guard.remember(&request, token);
                }
                Either::Right(self.service.call(request).map_ok(ServiceResponse::map_into_left_body))
            }
            Err(refusal) => {
                let response = refuse(&refusal, request.request()).map_into_right_body();
                Either::Left(ready(Ok(request.into_response(response))))
            }
        }
    }
}
