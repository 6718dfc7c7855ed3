//! Tokens (RFC 7519), signed by HMAC with SHA-256 and nothing else, with the claims that clients of the Qdrant API know.
//!
//! ```text
//! {"exp": 1767225600, "sub": "app", "access": "r" | "rw" | "m" | [{"collection": "docs", "access": "r" | "rw" | "m"}, ...]}
//! ```
//!
//! A claim that is not known might be one that restricts: a token with such a claim is refused, by name.

use crate::engine::access::{Right, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use std::collections::BTreeMap;

/// A secret has at least this many bytes: as many as its hash gives.
pub(crate) const SECRET_BYTES_MIN: usize = 32;
/// Clocks may differ by this.
const LEEWAY_S: u64 = 30;
/// Collections of a token.
const COLLECTIONS_MAX: usize = 1024;
/// Claims that say nothing of what its bearer may do.
const HARMLESS: [&str; 5] = ["iat", "iss", "jti", "sub", "subject"];

/// What a good token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) scope: Scope,
}

/// Reads a token; the error ends the sentence "the token ..".
pub(crate) fn verify(token: &str, secret: &[u8], now_s: u64) -> Result<Token, String> {
    let malformed = || "is none: three parts of JSON in Base64".to_owned();
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (head, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
    // Signed first: what somebody else wrote is not even parsed.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| "cannot be checked".to_owned())?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&decoded(signature)?).map_err(|_| "is not signed with this server's secret".to_owned())?;
    let json = |part: &str| serde_json::from_slice::<Map<String, Value>>(&decoded(part)?).map_err(|_| malformed());
    let head = json(head)?;
    if head.get("alg").and_then(Value::as_str) != Some("HS256") || head.contains_key("crit") {
        return Err("is signed in another way than HS256".to_owned());
    }
    read(&json(claims)?, now_s)
}

fn read(claims: &Map<String, Value>, now_s: u64) -> Result<Token, String> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_u64().map(Some).ok_or_else(|| format!("has the claim {name}, which is seconds since 1970"))
        }
    };
    let expires = time("exp")?.ok_or("has no claim `exp`: it would be good for ever")?;
    if expires.saturating_add(LEEWAY_S) <= now_s {
        return Err("has expired".to_owned());
    }
    if time("nbf")?.is_some_and(|from| from > now_s.saturating_add(LEEWAY_S)) {
        return Err("is not good yet".to_owned());
    }
    let known = |name: &str| HARMLESS.contains(&name) || ["exp", "nbf", "access"].contains(&name);
    if let Some(name) = claims.keys().find(|name| !known(name)) {
        return Err(format!(
            "has the claim `{}`, which this server does not know",
            name.chars().take(64).collect::<String>()
        ));
    }
    let subject = ["sub", "subject"].iter().find_map(|name| claims.get(*name)?.as_str());
    let name = format!("jwt:{}", subject.unwrap_or_default().chars().take(128).collect::<String>());
    let scope = match claims.get("access") {
        Some(Value::String(word)) => Scope::All(right(word)?),
        Some(Value::Array(list)) if list.len() <= COLLECTIONS_MAX => {
            Scope::Collections(list.iter().map(collection).collect::<Result<BTreeMap<_, _>, _>>()?)
        }
        _ => {
            return Err(format!(
                "has no claim `access` that is r, rw, m, or a list of at most {COLLECTIONS_MAX} collections"
            ));
        }
    };
    Ok(Token { name, scope })
}

fn right(word: &str) -> Result<Right, String> {
    match word {
        "r" => Ok(Right::Read),
        "w" | "rw" => Ok(Right::Write),
        "m" => Ok(Right::Admin),
        _ => Err("has an access that is none of r, rw, m".to_owned()),
    }
}

fn collection(entry: &Value) -> Result<(String, Right), String> {
    let wrong = || "has an entry of `access` that is no {collection, access}".to_owned();
    let entry = entry.as_object().ok_or_else(wrong)?;
    if let Some(name) = entry.keys().find(|name| !["collection", "access"].contains(&name.as_str())) {
        return Err(format!(
            "restricts `access` by `{}`, which this server does not do",
            name.chars().take(64).collect::<String>()
        ));
    }
    let text = |name: &str| entry.get(name).and_then(Value::as_str).ok_or_else(wrong);
    Ok((text("collection")?.to_owned(), right(text("access")?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn signed(head: &Value, claims: &Value, secret: &[u8]) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(head), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn check(claims: &Value) -> Result<Token, String> {
        verify(&signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET), SECRET, 1000)
    }

    #[test]
    fn what_a_token_says_is_what_its_bearer_may() {
        let token = check(&json!({"exp": 2000, "sub": "app", "access": "r"})).unwrap();
        assert_eq!(token, Token { name: "jwt:app".to_owned(), scope: Scope::All(Right::Read) });
        let list = json!([{"collection": "a", "access": "rw"}, {"collection": "b", "access": "m"}]);
        let rights = BTreeMap::from([("a".to_owned(), Right::Write), ("b".to_owned(), Right::Admin)]);
        assert_eq!(check(&json!({"exp": 2000, "access": list})).unwrap().scope, Scope::Collections(rights));
        assert_eq!(check(&json!({"exp": 2000, "access": []})).unwrap().scope, Scope::Collections(BTreeMap::new()));
    }

    #[test]
    fn what_restricts_in_a_way_that_is_not_known_is_refused() {
        for (claims, why) in [
            (json!({"access": "r"}), "no claim `exp`"),
            (json!({"exp": 900, "access": "r"}), "expired"),
            (json!({"exp": "2000", "access": "r"}), "exp"),
            (json!({"exp": 2000, "nbf": 1900, "access": "r"}), "not good yet"),
            (json!({"exp": 2000}), "access"),
            (json!({"exp": 2000, "access": "all"}), "none of r, rw, m"),
            (json!({"exp": 2000, "access": "r", "aud": "x"}), "`aud`"),
            (json!({"exp": 2000, "access": "r", "value_exists": {"collection": "c"}}), "`value_exists`"),
            (json!({"exp": 2000, "access": [{"collection": "a", "access": "r", "payload": {"user": 7}}]}), "`payload`"),
            (json!({"exp": 2000, "access": [{"collection": "a"}]}), "{collection, access}"),
            (json!({"exp": 2000, "access": ["a"]}), "{collection, access}"),
        ] {
            let said = check(&claims).unwrap_err();
            assert!(said.contains(why), "{claims}: {said}");
        }
    }

    #[test]
    fn only_our_secret_and_only_one_way_of_signing() {
        let claims = json!({"exp": 2000, "access": "m"});
        let good = signed(&json!({"alg": "HS256"}), &claims, SECRET);
        assert!(verify(&good, SECRET, 1000).is_ok());
        for alg in [json!({"alg": "none"}), json!({"alg": "HS512"}), json!({}), json!({"alg": "HS256", "crit": ["x"]})]
        {
            assert!(verify(&signed(&alg, &claims, SECRET), SECRET, 1000).is_err(), "{alg}");
        }
        assert!(verify(&good, b"another secret of thirty-two byte", 1000).is_err());
        let (signed_part, signature) = good.rsplit_once('.').unwrap();
        for forged in [
            format!("{signed_part}."),
            format!("{signed_part}.{}", &signature[1..]),
            format!("x{good}"),
            "..".to_owned(),
        ] {
            assert!(verify(&forged, SECRET, 1000).is_err(), "{forged}");
        }
    }
}
