//! Requests of older forms, in the words of the newer one.

use super::call::Call;
use super::fault::{Fault, Result};
use super::query::{self, Groups, Scored};
use serde_json::{Value, json};

fn modern(kind: &str, mut request: Value) -> Result<Value> {
    let Some(object) = request.as_object_mut() else { return Err(Fault::format("a request is an object")) };
    let mut take = |name: &str| object.shift_remove(name).unwrap_or(Value::Null);
    let (query, using) = match kind {
        "search" => match take("vector") {
            Value::Object(mut named) if named.contains_key("vector") => {
                (named.shift_remove("vector").unwrap_or_default(), named.shift_remove("name").unwrap_or_default())
            }
            Value::Null => return Err(Fault::format("missing field `vector`")),
            vector => (vector, Value::Null),
        },
        "recommend" => {
            let (positive, negative, strategy) = (take("positive"), take("negative"), take("strategy"));
            let examples = json!({"positive": positive, "negative": negative, "strategy": strategy});
            (json!({ "recommend": examples }), take("using"))
        }
        _ => match (take("target"), take("context")) {
            (Value::Null, context) => (json!({ "context": context }), take("using")),
            (target, context) => (json!({"discover": {"target": target, "context": context}}), take("using")),
        },
    };
    let top = take("top");
    if object.get("limit").is_none_or(Value::is_null) {
        if top.is_null() {
            return Err(Fault::format("missing field `limit`"));
        }
        object.insert("limit".to_owned(), top);
    }
    object.insert("query".to_owned(), query);
    object.insert("using".to_owned(), using);
    Ok(request)
}

/// A search, a recommendation or a discovery.
pub(super) async fn hits(call: Call, kind: &'static str, request: Value) -> Result<Vec<Scored>> {
    query::hits(call, modern(kind, request)?).await
}

/// Several.
pub(super) async fn batch(mut call: Call, kind: &'static str, request: Value) -> Result<Vec<Vec<Scored>>> {
    let mut all = Vec::new();
    for request in query::searches(&mut call, request)? {
        all.push(hits(call.clone(), kind, request).await?);
    }
    Ok(all)
}

/// In groups.
pub(super) async fn groups(call: Call, kind: &'static str, request: Value) -> Result<Groups> {
    query::groups(call, modern(kind, request)?).await
}
