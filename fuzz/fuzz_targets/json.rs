//! JSON bodies: one is read if and only if it is one object of known members, each once and of its type, and then as it was written.
#![no_main]

use hallpass::fuzzing;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What `/login` takes, by its types.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Body {
    email: String,
    password: String,
    otp: Option<String>,
    scope: Option<String>,
    remember: Option<bool>,
    max_age: Option<u64>,
}

fuzz_target!(|body: &[u8]| {
    assert_eq!(fuzzing::json::<Body>(body).ok(), read(body));
});

/// The members first, one by one, and only then what they should be.
fn read(body: &[u8]) -> Option<Body> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let known = ["email", "password", "otp", "scope", "remember", "max_age"];
    if names.iter().enumerate().any(|(index, name)| !known.contains(name) || names[..index].contains(name)) {
        return None;
    }
    let member = |name: &str| members.iter().find(|(sent, _)| sent == name).map(|(_, value)| value);
    let text = |name: &str| match member(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    Some(Body {
        email: text("email")??,
        password: text("password")??,
        otp: text("otp")?,
        scope: text("scope")?,
        remember: match member("remember") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(_) => return None,
        },
        max_age: match member("max_age") {
            None | Some(Value::Null) => None,
            Some(number) => Some(number.as_u64()?),
        },
    })
}

/// An object with its members in their order, repeated ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
