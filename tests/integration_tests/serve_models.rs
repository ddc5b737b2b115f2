//! `GET /v1/models`: the configured names in Anthropic's shape, in pages, and each of them by its id.

use crate::support::bodies::completion;
use crate::support::http::Call;
use crate::support::serving::{Gateway, answer, configured, failure, request_for, request_id};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

const MAP: &str = "[upstream]\ncontext_window = 1000\n\
    [models]\nsonnet = 'up-middle'\nopus = { model = 'up-large', display_name = 'Large', max_input_tokens = 5000, max_output_tokens = 700 }\n\
    [models.map]\n'my-model' = 'up-mine'\n'vendor/some model' = 'up-vendor'\n'claude-*haiku*' = 'up-small'\n";

fn gateway() -> Gateway {
    let hello = |_: &crate::support::upstream::Request| Exchange::new().json(completion("Hello"));
    Gateway::before(Upstream::always(hello), |program| configured(program, MAP))
}

fn get(gateway: &Gateway, target: &str) -> Value {
    let reply = gateway.send(&Call::get(target));
    request_id(&reply);
    answer(reply)
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[test]
fn the_list_has_every_configured_name_and_one_alias_of_each_family() {
    let gateway = gateway();
    for target in
        ["/v1/models", "/v1/models?limit=1000", "/v1/models?beta=true", "//v1/models", "/v1/v1/models"]
    {
        let page = get(&gateway, target);
        let listed = ids(&page);
        assert_eq!(&listed[..2], ["my-model", "vendor/some model"], "{target}");
        let families = ["haiku", "sonnet", "opus"].map(|family| {
            listed.iter().filter(|id| id.starts_with("claude-") && id.contains(family)).count()
        });
        assert_eq!(families, [1, 1, 1], "{target}: {listed:?}");
        assert!(!listed.iter().any(|id| id.contains('*') || id.starts_with("up-")), "{listed:?}");
        assert_eq!(page["has_more"], false);
        assert_eq!(
            (page["first_id"].as_str(), page["last_id"].as_str()),
            (Some(listed[0]), listed.last().copied())
        );
    }
    let of = |lifecycle: &str| get(&gateway, &format!("/v1/models?lifecycle%5B%5D={lifecycle}"));
    assert_eq!(of("active")["data"].as_array().unwrap().len(), 5);
    assert_eq!(of("retired")["data"], json!([]));
    assert_eq!(gateway.upstream.requests().len(), 0, "the upstream is not asked");
    gateway.end();
}

#[test]
fn every_model_has_the_members_that_the_sdks_types_require() {
    let gateway = gateway();
    for model in get(&gateway, "/v1/models")["data"].as_array().unwrap() {
        let keys = [
            "capabilities",
            "created_at",
            "deprecated_at",
            "display_name",
            "id",
            "lifecycle",
            "line",
            "max_input_tokens",
            "max_tokens",
            "retires_at",
            "type",
        ];
        let mut own: Vec<_> = model.as_object().unwrap().keys().collect();
        own.sort();
        assert_eq!(own, keys, "{model}");
        assert_eq!((&model["type"], &model["lifecycle"]), (&json!("model"), &json!("active")));
        assert!(
            model["created_at"].as_str().unwrap().ends_with('Z')
                && !model["display_name"].as_str().unwrap().is_empty()
        );
    }
    let opus = get(&gateway, "/v1/models/claude-opus-5-5");
    assert_eq!((&opus["display_name"], &opus["line"]), (&json!("Large"), &json!("opus")));
    assert_eq!((&opus["max_input_tokens"], &opus["max_tokens"]), (&json!(5000), &json!(700)));
    let mine = get(&gateway, "/v1/models/my-model");
    assert_eq!(
        (&mine["max_input_tokens"], &mine["max_tokens"], &mine["line"]),
        (&json!(1000), &Value::Null, &Value::Null)
    );
    gateway.end();
}

#[test]
fn every_listed_name_is_found_and_routed() {
    let gateway = gateway();
    let page = get(&gateway, "/v1/models");
    let mut models = Vec::new();
    for id in ids(&page) {
        let path = id.replace('%', "%25").replace('/', "%2F").replace(' ', "%20");
        assert_eq!(get(&gateway, &format!("/v1/models/{path}"))["id"], id);
        assert_eq!(answer(gateway.post(request_for(id, false)))["model"], id);
        models.push(gateway.upstream.requests().last().unwrap().json()["model"].as_str().unwrap().to_owned());
    }
    models.sort();
    assert_eq!(models, ["up-large", "up-middle", "up-mine", "up-small", "up-vendor"]);
    gateway.end();
}

#[test]
fn ids_may_hold_slashes_encoded_or_not() {
    let gateway = gateway();
    for path in ["vendor%2Fsome%20model", "vendor/some%20model", "vendor%2fsome%20model"] {
        assert_eq!(get(&gateway, &format!("/v1/models/{path}"))["id"], "vendor/some model", "{path}");
    }
    gateway.end();
}

#[test]
fn an_unknown_model_is_not_found() {
    let gateway = gateway();
    for path in ["nobodys-model", "gpt-4", "vendor", "up-mine", "my-model/x", "%00"] {
        failure(gateway.send(&Call::get(&format!("/v1/models/{path}"))), 404, "not_found_error");
    }
    gateway.end();
}

#[test]
fn the_list_comes_in_pages_forth_and_back() {
    let gateway = gateway();
    let all = get(&gateway, "/v1/models");
    let all = ids(&all);
    let mut forth = Vec::new();
    let mut target = "/v1/models?limit=2".to_owned();
    loop {
        let page = get(&gateway, &target);
        forth.extend(ids(&page).into_iter().map(str::to_owned));
        if page["has_more"] == false {
            break;
        }
        assert_eq!(ids(&page).len(), 2);
        let last = page["last_id"].as_str().unwrap().replace('/', "%2F").replace(' ', "+");
        target = format!("/v1/models?limit=2&after_id={last}");
    }
    assert_eq!(forth, all);
    let back = get(&gateway, &format!("/v1/models?limit=2&before_id={}", all[4]));
    assert_eq!((ids(&back), &back["has_more"]), (all[2..4].to_vec(), &json!(true)));
    let last = get(&gateway, &format!("/v1/models?after_id={}", all[4]));
    assert_eq!(
        (&last["data"], &last["first_id"], &last["last_id"]),
        (&json!([]), &Value::Null, &Value::Null)
    );
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "after_id=nobody",
        "before_id=nobody",
        "after_id=my-model&before_id=my-model",
    ] {
        failure(gateway.send(&Call::get(&format!("/v1/models?{wrong}"))), 400, "invalid_request_error");
    }
    gateway.end();
}

#[test]
fn where_every_name_passes_through_nothing_is_pretended() {
    let gateway = Gateway::start(vec![]);
    assert_eq!(get(&gateway, "/v1/models")["data"], json!([]));
    failure(gateway.send(&Call::get("/v1/models/claude-sonnet-5-5")), 404, "not_found_error");
    gateway.end();
}

#[test]
fn names_that_routes_know_whole_are_listed_with_what_their_upstream_can() {
    let toml = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:1/v1\"\ncontext_window = 1000\n\
        [[upstream]]\nname = \"two\"\nbase_url = \"http://127.0.0.1:2/v1\"\ncontext_window = 7000\n\
        [models.map]\nmine = \"m\"\n\
        [[route]]\nmodels = [\"gpt-4o-mini\", \"o4*\"]\nupstream = \"two\"\n\
        model = { model = \"small\", display_name = \"Small\", max_output_tokens = 99 }\n\
        [[route]]\nmodels = [\"thinker\"]\nthinking = true\nupstream = \"two\"\n";
    let gateway = Gateway::with(vec![], |program| configured(program, toml).env("OPENAI_BASE_URL", ""));
    let page = get(&gateway, "/v1/models");
    assert_eq!(ids(&page), ["mine", "gpt-4o-mini"]);
    let contexts: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|it| it["max_input_tokens"].clone()).collect();
    assert_eq!(contexts, [json!(1000), json!(7000)]);
    let one = get(&gateway, "/v1/models/gpt-4o-mini");
    assert_eq!([&one["display_name"], &one["max_tokens"]], [&json!("Small"), &json!(99)]);
    failure(gateway.send(&Call::get("/v1/models/o4-mini")), 404, "not_found_error");
    gateway.end();
}
