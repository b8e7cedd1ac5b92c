//! Tokens that nobody is to come in with.

use serde_json::{Value, json};

use super::issuer::{Key, base64, claims, claims_but, key_set, now_s, shared_secret, unsigned};
use super::{ask, with_keys};

/// Each is refused, and its refusal tells nothing of it but what is wrong in general.
async fn are_refused(keys: &[&Key], tokens: Vec<(&str, String)>) {
    let (server, _file) = with_keys(keys).await;
    for (what, token) in tokens {
        let answer = ask(&server, &token).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthenticated")), "{what}");
        let challenge = "Bearer realm=\"forebay\", error=\"invalid_token\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let is_told = token.split('.').any(|part| part.len() > 8 && answer.body.contains(part));
        assert!(!is_told && !detail.contains("shop"), "{what}: {detail}");
    }
    assert_eq!(ask(&server, &keys[0].token("ES256")).await.status, 200, "good ones still come in");
}

#[tokio::test]
async fn no_token_chooses_how_it_is_verified() {
    let (key, rsa) = (Key::p256("a"), Key::rsa("r"));
    let published = key.published();
    let secrets = [
        key_set(&[&key]).to_string(),
        published.to_string(),
        published["x"].as_str().unwrap().to_owned(),
        rsa.published()["n"].as_str().unwrap().to_owned(),
    ];
    let mut tokens: Vec<(&str, String)> =
        ["none", "None", "NONE", "nOnE", ""].map(|algorithm| ("unsigned", unsigned(algorithm))).to_vec();
    for id in ["a", "r"] {
        tokens.extend(secrets.iter().map(|secret| ("a public key as a secret", shared_secret(id, secret.as_bytes()))));
    }
    for algorithm in ["none", "HS256", "HS512", "RS256", "PS256", "ES384", "EdDSA", "ES512", "", "es256"] {
        tokens.push(("another algorithm than the key's", key.sign(&key.header(algorithm), &claims())));
    }
    tokens.push((
        "signed by RSA in the name of the curve's key",
        rsa.sign(&json!({"alg": "RS256", "kid": "a"}), &claims()),
    ));
    tokens.push(("without its signature", key.token("ES256").rsplit_once('.').unwrap().0.to_owned() + "."));
    are_refused(&[&key, &rsa], tokens).await;
}

#[tokio::test]
async fn a_key_that_comes_with_the_token_opens_nothing() {
    let (key, own) = (Key::p256("a"), Key::p256("own"));
    let mut tokens = vec![
        ("of a key of nowhere", own.token("ES256")),
        ("of another key by that name", own.sign(&key.header("ES256"), &claims())),
        ("without a name, of another key", own.sign(&json!({"alg": "ES256"}), &claims())),
    ];
    let brought = [
        ("jwk", own.published()),
        ("jku", json!("https://own.example/keys")),
        ("x5u", json!("https://own.example/certificate")),
        ("x5c", json!([base64(b"certificate")])),
        ("crit", json!(["exp"])),
    ];
    for (name, value) in brought {
        for signer in [&own, &key] {
            let mut header = signer.header("ES256");
            header[name] = value.clone();
            tokens.push((name, signer.sign(&header, &claims())));
        }
    }
    are_refused(&[&key], tokens).await;
}

#[tokio::test]
async fn a_token_is_good_for_whom_and_when_it_says_alone() {
    let key = Key::p256("a");
    let token = |others: Value| key.sign(&key.header("ES256"), &claims_but(&others));
    let now_s = now_s();
    let others = [
        ("expired", json!({"exp": now_s - 31})),
        ("expired long ago", json!({"exp": 0})),
        ("without an end", json!({"exp": null})),
        ("with an end that is no time", json!({"exp": "tomorrow"})),
        ("with an end before all time", json!({"exp": -1})),
        ("not valid yet", json!({"nbf": now_s + 90})),
        ("with a beginning that is no time", json!({"nbf": "now"})),
        ("of another issuer", json!({"iss": "https://issuer.example.org"})),
        ("of nobody", json!({"iss": null})),
        ("for others", json!({"aud": "other"})),
        ("for several others", json!({"aud": ["other", "forebay2"]})),
        ("for nobody", json!({"aud": null})),
        ("for an empty list", json!({"aud": []})),
        ("whose client has no name", json!({"sub": null})),
        ("whose client has an empty name", json!({"sub": ""})),
        ("whose client has a strange name", json!({"sub": "a\r\nb"})),
        ("whose client has a long name", json!({"sub": "a".repeat(129)})),
        ("with an invalid rate", json!({"orders_per_s": 0})),
        ("with a rate below zero", json!({"orders_per_s": -5})),
        ("bound to a customer and a seller", json!({"customer": "C1", "seller": "S7"})),
        ("bound to several customers", json!({"customer": ["C1", "C2"]})),
        ("bound to a seller that is no text", json!({"seller": true})),
        ("bound to a customer without an id", json!({"customer": ""})),
        ("bound to several tenants", json!({"tenant": ["T1", "T2"]})),
        ("bound to a tenant without a name", json!({"tenant": ""})),
        ("bound to an invalid tenant", json!({"tenant": true})),
    ];
    let mut tokens: Vec<(&str, String)> = others.map(|(what, others)| (what, token(others))).to_vec();
    tokens.push(("huge", token(json!({"padding": "x".repeat(8 << 10)}))));
    tokens.push(("with a word for a signature", key.token("ES256") + "A"));
    tokens.extend(["..", "a.b.c", "e30.e30.", "e30.e30.e30", "é.é.é"].map(|token| ("no token", token.to_owned())));
    are_refused(&[&key], tokens).await;
    let (server, _file) = with_keys(&[&key]).await;
    for others in [json!({"exp": now_s - 5}), json!({"nbf": now_s + 20}), json!({"exp": u64::MAX})] {
        assert_eq!(ask(&server, &token(others.clone())).await.status, 200, "clocks differ: {others}");
    }
}

#[tokio::test]
async fn a_token_with_one_other_letter_is_no_token() {
    let key = Key::ed25519("a");
    let (server, _file) = with_keys(&[&key]).await;
    let token = key.token("EdDSA");
    assert_eq!(ask(&server, &token).await.status, 200);
    for at in 0..token.len() {
        for letter in ["A", "b", "_", "."] {
            let other = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
            if other != token {
                assert_eq!(ask(&server, &other).await.status, 401, "{letter} at {at} of {token}");
            }
        }
    }
}

#[tokio::test]
async fn a_good_token_that_is_remembered_ends_when_it_says() {
    let key = Key::p256("a");
    let (server, _file) = with_keys(&[&key]).await;
    // Half a minute of grace is over in two seconds.
    let token = key.sign(&key.header("ES256"), &claims_but(&json!({"exp": now_s() - 28})));
    assert_eq!(ask(&server, &token).await.status, 200);
    forebay_testkit::eventually("it ends", async || {
        let answer = ask(&server, &token).await;
        (answer.status == 401 && answer.body.contains("the token is expired"), answer.status)
    })
    .await;
}

#[tokio::test]
async fn keys_that_are_for_something_else_verify_nothing() {
    let good = Key::p256("good");
    let (for_secrets, other_algorithm, signs) = (Key::p256("enc"), Key::p256("alg"), Key::p256("ops"));
    let with = |key: &Key, name: &str, value: Value| {
        let mut key = key.published();
        key[name] = value;
        key
    };
    let secret = json!({"kty": "oct", "kid": "secret", "k": base64(b"secret"), "alg": "HS256"});
    let set = json!({"keys": [
        good.published(), with(&for_secrets, "use", json!("enc")), with(&other_algorithm, "alg", json!("ES384")),
        with(&signs, "key_ops", json!(["sign"])), secret, {"kty": "new"}, 7,
    ]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), set.to_string()).unwrap();
    let server = super::service(file.path().to_str().unwrap(), None).await;
    assert_eq!(ask(&server, &good.token("ES256")).await.status, 200);
    for token in [&for_secrets, &other_algorithm, &signs].map(|key| key.token("ES256")) {
        assert_eq!(ask(&server, &token).await.status, 401);
    }
    assert_eq!(ask(&server, &shared_secret("secret", b"secret")).await.status, 401);
}
