//! How the page of the API shows schemas: what something is in a few words, and its members as rows of a table.

use serde_json::Value;

/// The rows of a schema's members. None where it has none to show: a list, a text.
pub(super) fn members(document: &Value, schema: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return members(document, document.pointer(reference.strip_prefix('#')?)?);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return Some(parts.iter().filter_map(|part| members(document, part)).collect());
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        return Some(kinds.iter().filter_map(|kind| members(document, kind)).collect()).filter(|rows: &String| !rows.is_empty());
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let row = |(name, schema): (&String, &Value)| {
        let need = if required.contains(&name.as_str()) { "" } else { " <span class=\"soft\">(optional)</span>" };
        let meaning = rich(schema["description"].as_str().unwrap_or_default());
        format!("<tr><td><code>{name}</code>{need}</td><td>{}</td><td>{meaning}</td></tr>", shape(schema))
    };
    Some(schema["properties"].as_object()?.iter().map(row).collect())
}

/// What it is: a type, a list of a type, one of some words.
pub(super) fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| format!("<code>{}</code>", rich(word))).collect::<Vec<_>>().join(" or ");
    }
    let kind = match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "object".to_owned(),
    };
    let number = |name: &str, sign: &str| schema[name].as_u64().filter(|least| *least > 0).map(|number| format!(" {sign} {number}"));
    let bounds = [
        number("minimum", "\u{2265}"),
        number("maximum", "\u{2264}"),
        number("minLength", "of length \u{2265}"),
        number("maxLength", "of length \u{2264}"),
    ];
    format!("{kind}{}", bounds.into_iter().flatten().collect::<Vec<_>>().join(","))
}

/// Text as HTML. What stands between backticks is code.
pub(super) fn rich(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_never_markup() {
        assert_eq!(rich("a < b & `\"c\"` > d"), "a &lt; b &amp; <code>&quot;c&quot;</code> &gt; d");
    }

    #[test]
    fn a_shape_is_told_in_a_few_words() {
        for (schema, told) in [
            (json!({ "type": "string", "minLength": 1 }), "string of length \u{2265} 1"),
            (json!({ "type": "array", "items": { "$ref": "#/components/schemas/User" } }), "list of <a href=\"#schema-User\">User</a>"),
            (json!({ "type": ["integer", "null"] }), "integer or null"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 200 }), "integer \u{2265} 1, \u{2264} 200"),
            (json!({ "enum": ["body", "cookie"], "type": "string" }), "<code>body</code> or <code>cookie</code>"),
        ] {
            assert_eq!(shape(&schema), told);
        }
    }
}
