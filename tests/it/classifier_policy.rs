//! `[classifier]` in the layers of the policy: what is wrong with it has a line and a column, a project has no say in it,
//! and the managed layer's word binds. And the loopback APIs themselves: that they are as strict as they claim to be.

use std::time::Duration;

use serde_json::{Value, json};
use tidewaiter::model::{Location, Timestamp};
use tidewaiter::policy::{self, Api, ClassifierKind, Layer, Loaded, Origin};
use tidewaiter::registry::http::{Http, Post, Profile, Request, Secret};
use tidewaiter::rules;

use crate::support::models::{KEY, Models};

fn load(layers: &[(Layer, &str)]) -> Loaded {
    let origin = |(layer, text): &(Layer, &str)| Origin {
        layer: *layer,
        path: format!("{}.toml", layer.word()).into(),
        text: Ok(format!("version = 1\n{text}\n")),
    };
    let origins: Vec<Origin> = layers.iter().map(origin).collect();
    policy::load_layers(&origins, Timestamp::UNIX_EPOCH, &rules::infos())
}

#[test]
fn what_is_wrong_has_its_place() {
    for (text, place, says) in [
        ("[classifier]\nmodle = \"x\"", "3:1", "did you mean `model`"),
        ("[classifier]\nkind = \"gpt\"", "3:8", "rules, anthropic, openai, command"),
        ("[classifier]\nkind = 3", "3:8", "string"),
        ("[classifier]\nmodel = \"\"", "3:9", "not a value"),
        ("[classifier]\nmodel = \"a model\"", "3:9", "not a value"),
        ("[classifier]\nbase-url = \"api.example\"", "3:12", "not an http or https URL"),
        ("[classifier]\nbase-url = \"http://api.example/v1\"", "3:12", "plain http"),
        ("[classifier]\nbase-url = \"https://user:pw@api.example\"", "3:12", "no more"),
        ("[classifier]\nbase-url = \"https://api.example/?key=1\"", "3:12", "no more"),
        ("[classifier]\nbase-url = \"file:///etc\"", "3:12", "not an http"),
        ("[classifier]\napi = \"completions\"", "3:7", "chat, responses"),
        ("[classifier]\nkey-command = \"pass show x\"", "3:15", "list of strings"),
        ("[classifier]\nkey-command = []", "3:15", "a program and its arguments"),
        ("[classifier]\ncommand = [1]", "3:12", "list of strings"),
        ("[classifier]\nstages = 3", "3:10", "between 1 and 2"),
        ("[classifier]\ntimeout-ms = 0", "3:14", "between"),
        ("[classifier]\nprice-input = -1", "3:15", "dollars"),
        ("[classifier]\nprice-input = \"1\"", "3:15", "dollars"),
        ("[classifier]\nprice-output = inf", "3:16", "dollars"),
        ("classifier = 1", "2:14", "a table"),
    ] {
        let loaded = load(&[(Layer::User, text)]);
        let said: Vec<String> =
            loaded.errors.iter().map(|e| format!("{e} {}", e.hint.as_deref().unwrap_or_default())).collect();
        assert!(
            said.iter().any(|e| e.starts_with(&format!("user.toml:{place}:")) && e.contains(says)),
            "{text}: {said:?}"
        );
        assert!(!loaded.policy.faults.is_empty(), "{text}: nothing may be installed");
    }
}

#[test]
fn values_are_read() {
    let loaded = load(&[(
        Layer::User,
        "[classifier]\nkind = \"openai\"\nmodel = \"m\"\nbase-url = \"http://localhost:11434/v1\"\napi = \"responses\"\n\
         key-env = \"K\"\nkey-command = [\"/usr/bin/pass\", \"show x\"]\nstages = 1\ntimeout-ms = 5\nprice-input = 0.25\n\
         price-output = 2\n",
    )]);
    assert_eq!(loaded.errors, []);
    let c = loaded.policy.classifier;
    assert_eq!(
        (c.kind.value, c.api.value, c.stages.value, c.timeout_ms.value),
        (ClassifierKind::OpenAi, Api::Responses, 1, 5)
    );
    assert_eq!(c.prices.input.map(|p| p.value), Some(250_000));
    assert_eq!(c.prices.output.map(|p| p.value), Some(2_000_000));
    assert_eq!(c.key_command.map(|w| w.value), Some(vec!["/usr/bin/pass".to_owned(), "show x".to_owned()]));
    for url in ["http://127.0.0.1:1/v1", "http://[::1]:1", "https://api.example/v1/"] {
        assert_eq!(load(&[(Layer::User, &format!("[classifier]\nbase-url = \"{url}\""))]).errors, [], "{url}");
    }
}

#[test]
fn a_project_has_no_say_and_the_managed_layer_binds() {
    let every = "[classifier]\nkind = \"command\"\nmodel = \"m\"\nbase-url = \"https://evil.example\"\napi = \"responses\"\n\
        key-env = \"HOME\"\nkey-command = [\"/bin/sh\"]\ncommand = [\"/bin/sh\"]\nstages = 1\ntimeout-ms = 1\n\
        price-input = 0\nprice-output = 0\nprice-cache-read = 0\nprice-cache-write = 0\n";
    let built_in = load(&[]).policy.classifier;
    for above in ["", "[delegate]\nsettings = [\"classifier\"]"] {
        let loaded = load(&[(Layer::Managed, above), (Layer::User, above), (Layer::Project, every)]);
        assert_eq!(loaded.policy.classifier, built_in, "{above}");
        assert_eq!(loaded.policy.warnings.len(), 13, "each is said: {:#?}", loaded.policy.warnings);
    }
    // What the administrator chose is not the user's to change, unless it is handed on.
    let managed = "[classifier]\nkind = \"anthropic\"\nmodel = \"m\"\nbase-url = \"https://gate.example\"";
    let user = "[classifier]\nkind = \"rules\"\nbase-url = \"https://elsewhere.example\"\nmodel = \"n\"";
    let c = load(&[(Layer::Managed, managed), (Layer::User, user)]).policy.classifier;
    assert_eq!(c.kind.value, ClassifierKind::Anthropic);
    assert_eq!(c.base_url.map(|u| u.value).as_deref(), Some("https://gate.example"));
    let handed = format!("[delegate]\nsettings = [\"classifier\"]\n{managed}");
    let c = load(&[(Layer::Managed, &handed), (Layer::User, user)]).policy.classifier;
    assert_eq!((c.kind.value, c.model.map(|m| m.value).as_deref()), (ClassifierKind::Rules, Some("n")));
    assert_ne!(c.kind.location, Location::built_in());
}

#[test]
fn the_loopback_apis_refuse_what_the_real_ones_refuse() {
    let models = Models::start();
    let ask = |path: &str, headers: &[(&'static str, &str)], body: &Value| {
        let mut request = Request::get(&format!("{}{path}", models.url), "", 1 << 20);
        let headers = headers.iter().map(|(n, v)| (*n, Secret::new(v))).collect();
        request.post = Some(Post { body: body.to_string().into_bytes().into(), headers });
        let profile = Profile { retries: 0, total_timeout: Duration::from_secs(10), ..Profile::default() };
        let response = Http::new().client(profile).fetch(request).unwrap();
        (response.status, response.media_type())
    };
    let schema = json!({"type": "object", "properties": {"harm": {"type": "string", "enum": ["clear"]}}, "required": ["harm"],
        "additionalProperties": false});
    let messages = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        "system": [{"type": "text", "text": "p", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "t", "input_schema": schema}], "tool_choice": {"type": "tool", "name": "t"}});
    let good = [("x-api-key", KEY), ("anthropic-version", "2023-06-01")];
    assert_eq!(ask("/v1/messages", &good, &messages).0, 200);
    let with = |document: &Value, field: &str, value: Value| {
        let mut out = document.clone();
        out[field] = value;
        out
    };
    let stream = ask("/v1/messages", &good, &with(&messages, "stream", json!(true)));
    assert_eq!(stream, (200, "text/event-stream".to_owned()));
    for (headers, body) in [
        (&[("x-api-key", "other"), ("anthropic-version", "2023-06-01")][..], messages.clone()),
        (&[("x-api-key", KEY)], messages.clone()),
        (&[("x-api-key", KEY), ("anthropic-version", "2024-01-01")], messages.clone()),
        (&good, with(&messages, "seed", json!(1))),
        (&good, with(&messages, "max_tokens", json!(0))),
        (&good, with(&messages, "tool_choice", json!({"type": "auto"}))),
        (&good, with(&messages, "tools", json!([{"name": "t"}]))),
        (&good, with(&messages, "messages", json!([{"role": "user", "content": "x", "note": 1}]))),
    ] {
        assert!(matches!(ask("/v1/messages", headers, &body).0, 400 | 401), "{body:#}");
    }
    let bearer = format!("Bearer {KEY}");
    let chat = json!({"model": "m", "max_completion_tokens": 9, "messages": [{"role": "system", "content": "p"}, {"role": "user", "content": "x"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}}});
    assert_eq!(ask("/v1/chat/completions", &[("authorization", &bearer)], &chat).0, 200);
    let loose =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}}});
    for body in [
        with(&chat, "response_format", loose),
        with(&chat, "tools", json!([])),
        with(&chat, "response_format", Value::Null),
    ] {
        assert_eq!(ask("/v1/chat/completions", &[("authorization", &bearer)], &body).0, 400, "{body:#}");
    }
    assert_eq!(ask("/v1/chat/completions", &[], &chat).0, 401);
    assert_eq!(ask("/v1/responses", &[("authorization", &bearer)], &chat).0, 400);
    assert_eq!(ask("/v1/elsewhere", &[], &chat).0, 404);
}

#[test]
fn what_may_be_lowered_is_a_rule_and_none_that_must_stand() {
    for (name, least) in rules::SOFT {
        assert!(rules::find(name).is_some(), "{name}");
        assert!(*least >= tidewaiter::model::Consent::Package, "{name}: consent has to name the package");
    }
    for name in [
        "malware",
        "lockfile-poisoned",
        "gate-tampering",
        "opaque",
        "unknown-package",
        "dependency-confusion",
        "typosquat",
        "publisher-changed",
        "provenance-lost",
        "untrusted-registry",
        "config-override",
        "safety-flag",
        "classifier",
        "policy",
    ] {
        assert_eq!(rules::soft(name), None, "{name}");
    }
}
