//! The words in which the OpenAPI document's operations are written down: one short chain for each, with what many share said once.

use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, HttpMethod, Ref, RefOr, Required, ResponseBuilder, Schema, Type};

use super::admin::{LARGEST_PAGE, PAGE, Page};
use super::openapi_refusals::{Form, REQUEST_ID, refusal_name};

/// How a route is asked.
const BEARER: &str = "accessToken";
const COOKIE: &str = "accessCookie";
const CLIENT: &str = "clientSecret";

/// One method of one path.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
    built: OperationBuilder,
    form: Form,
    has_body: bool,
}

pub(super) fn get(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Get, path, id, summary)
}

pub(super) fn post(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Post, path, id, summary)
}

pub(super) fn patch(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Patch, path, id, summary)
}

pub(super) fn delete(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Delete, path, id, summary)
}

impl Operation {
    fn new(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Self {
        let built = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        let form = if path.starts_with("/oauth/") { Form::OAuth } else { Form::Problem };
        Self { path, method, schemas: Vec::new(), built, form, has_body: false }
    }

    fn with(self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        Self { built: change(self.built), ..self }
    }

    pub(super) fn says(self, description: &str) -> Self {
        self.with(|built| built.description(Some(description)))
    }

    /// Whoever asks shows an access token, in the header or in the cookie, that holds these scopes.
    pub(super) fn bearer(self, scopes: &[&str]) -> Self {
        let by = |scheme| SecurityRequirement::new(scheme, scopes.iter().copied());
        self.with(|built| built.security(by(BEARER)).security(by(COOKIE)))
    }

    /// What is asked for may also stand in the body.
    pub(super) fn or_none(self) -> Self {
        self.with(|built| built.security(SecurityRequirement::default()))
    }

    /// Whoever asks is a client, by HTTP Basic or by two parameters of the form.
    pub(super) fn client(self) -> Self {
        let by_form = SecurityRequirement::default();
        self.with(|built| built.security(SecurityRequirement::new(CLIENT, [""; 0])).security(by_form))
    }

    pub(super) fn json<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::True)
    }

    /// All of its members are optional, and so is the body.
    pub(super) fn optional_json<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::False)
    }

    fn body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = Content::new(Some(self.component::<T>()));
        self.has_body = true;
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build();
        self.with(|built| built.request_body(Some(body)))
    }

    /// A form with these parameters, of which some are required. Those that are unknown are ignored.
    pub(super) fn form(mut self, parameters: &[(&str, Required, Object)]) -> Self {
        let empty = ObjectBuilder::new().schema_type(Type::Object);
        let schema = parameters.iter().fold(empty, |form, (name, required, schema)| {
            let form = form.property(*name, schema.clone());
            if *required == Required::True { form.required(*name) } else { form }
        });
        self.has_body = true;
        let content = Content::new(Some(schema));
        let body = RequestBodyBuilder::new().content("application/x-www-form-urlencoded", content).required(Some(Required::True)).build();
        self.with(|built| built.request_body(Some(body)))
    }

    /// A part of the path that has this form; what has another is not there.
    pub(super) fn id(self, name: &str, pattern: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(schema));
        self.with(|built| built.parameter(parameter))
    }

    pub(super) fn query(self, name: &str, description: &str, schema: ObjectBuilder) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::False);
        self.with(|built| built.parameter(parameter.description(Some(description)).schema(Some(schema))))
    }

    pub(super) fn answers<T: ToSchema>(self, status: u16, description: &str) -> Self {
        self.answers_in::<T>(status, response(description))
    }

    /// With more in the response than its body.
    pub(super) fn answers_in<T: ToSchema>(mut self, status: u16, response: ResponseBuilder) -> Self {
        let schema = self.component::<T>();
        self.answers_with(status, response.content("application/json", Content::new(Some(schema))))
    }

    pub(super) fn answers_list<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = ArrayBuilder::new().items(self.component::<T>());
        self.answers_with(status, response(description).content("application/json", Content::new(Some(schema))))
    }

    /// A list that is cut into pages.
    pub(super) fn answers_page<T: ToSchema>(mut self, description: &str) -> Self {
        let name = format!("{}Page", T::name());
        drop(self.component::<T>());
        self.schemas.push((name.clone(), <Page<T> as utoipa::PartialSchema>::schema()));
        let schema = Ref::from_schema_name(name);
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LARGEST_PAGE)).default(Some(PAGE.into()));
        self.query("limit", "The most items of the page.", limit)
            .query("after", "`next` of the page before; nothing else is one.", text())
            .answers_with(200, response(description).content("application/json", Content::new(Some(schema))))
    }

    /// 204.
    pub(super) fn answers_nothing(self, description: &str) -> Self {
        self.answers_with(204, response(description))
    }

    pub(super) fn answers_with(self, status: u16, response: ResponseBuilder) -> Self {
        let response = response.header_ref("X-Request-Id", Ref::new(REQUEST_ID)).build();
        self.with(|built| built.response(status.to_string(), response))
    }

    /// The statuses with which it refuses, besides those that every operation has.
    pub(super) fn refuses(self, statuses: &[u16]) -> Self {
        let (form, has_body) = (self.form, self.has_body);
        let of_bodies: &[u16] = if has_body { &[408, 413, 415] } else { &[] };
        let all = statuses.iter().chain(of_bodies).chain(&[414, 500]);
        self.with(|built| {
            all.fold(built, |built, status| built.response(status.to_string(), Ref::from_response_name(refusal_name(form, *status))))
        })
    }

    pub(super) fn build(self, tag: &str) -> utoipa::openapi::path::Operation {
        self.built.tag(tag).build()
    }

    fn component<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }
}

/// A response that says this.
pub(super) fn response(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

/// Any text.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
