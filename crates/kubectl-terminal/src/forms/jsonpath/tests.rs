//! What `kubectl … -o jsonpath=…` prints for the same template and object.

use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "kind": "List",
        "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web", "tier": "front"}},
        "items": [
            {"name": "a", "port": 80, "ready": true, "tags": ["x", "y"]},
            {"name": "b", "port": 443, "ready": false, "tags": []},
            {"name": "c", "port": 8080, "ready": true, "weight": 0.5},
        ],
        "none": null,
        "empty": [],
    })
}

fn render(template: &str) -> String {
    match Template::parse(template).and_then(|template| template.render(&document())) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn templates_print_what_kubectl_prints() {
    for (template, expected) in [
        ("{.metadata.name}", "web"),
        ("{$.metadata.name}", "web"),
        ("{@.metadata.name}", "web"),
        (".metadata.name", ".metadata.name"),
        ("{.metadata.labels.app\\.kubernetes\\.io/name}", "web"),
        ("{.metadata.labels['app\\.kubernetes\\.io/name']}", "web"),
        ("{.metadata['name']}", "web"),
        ("{.items[0].name}", "a"),
        ("{.items[-1].name}", "c"),
        ("{.items[-1:].name}", "c"),
        ("{.items[*].name}", "a b c"),
        ("{.items[:2].name}", "a b"),
        ("{.items[1:].name}", "b c"),
        ("{.items[0:3:2].name}", "a c"),
        ("{.items[0,2].name}", "a c"),
        ("{.items[*]['name', 'port']}", "a b c 80 443 8080"),
        ("{.items[?(@.name==\"b\")].port}", "443"),
        ("{.items[?(@.name=='b')].port}", "443"),
        ("{.items[?(@.port>80)].name}", "b c"),
        ("{.items[?(@.port<=443)].name}", "a b"),
        ("{.items[?(@.ready==true)].name}", "a c"),
        ("{.items[?(@.name!='a')].name}", "b c"),
        ("{.items[?(@.weight)].name}", "c"),
        ("{.items[?(@.weight<0.75)].name}", "c"),
        ("{range .items[*]}{.name}={.port}{\"\\n\"}{end}", "a=80\nb=443\nc=8080\n"),
        ("{range .items[*]}[{.name}:{range .tags[*]} {@}{end}]{end}.", "[a: x y][b:][c:]."),
        ("{range .items[*]}{.name},", "a,b,c,"),
        ("name: {.metadata.name}{'\\t'}kind: {.kind}{\"\\n\"}", "name: web\tkind: List\n"),
        ("{.items[0].ready}", "true"),
        ("{.items[2].weight}", "0.5"),
        ("{.items[0].tags}", "[\"x\",\"y\"]"),
        ("{.metadata.labels.*}", "web front"),
        ("{.metadata.labels}", "{\"app.kubernetes.io/name\":\"web\",\"tier\":\"front\"}"),
        ("{..name}", "web a b c"),
        ("{.none}", "null"),
        ("{.missing.field}", ""),
        ("{.none.field}", ""),
        ("{.empty[*].name}", ""),
        ("{.empty[?(@.x==1)]}", ""),
        ("{5}{true}{\"text\"}", "5truetext"),
        ("{\"quote \\\" and \\u00fc\"}", "quote \" and ü"),
        ("{.kind}{.kind}", "ListList"),
        ("plain", "plain"),
    ] {
        assert_eq!(render(template), expected, "{template}");
    }
}

#[test]
fn errors_are_kubectls() {
    for (template, expected) in [
        ("{.items", "unclosed action"),
        ("{.items[0}", "unterminated array"),
        ("{.items[x]}", "invalid array index x"),
        ("{.items[?(@.name=='a'}", "unterminated filter"),
        ("{.items[?(@.name=='a')}", "unclosed array expect ]"),
        ("{.items[?(@.port=80)]}", "unrecognized filter operator ="),
        ("{\"open}", "unterminated quoted string"),
        ("{unknown}", "unrecognized identifier unknown"),
        ("{....name}", "invalid multiple recursive descent"),
        ("{#}", "unrecognized character in action: U+0023 '#'"),
        ("{end}", "not in range, nothing to end"),
        ("{range .items[*]}{end}{end}", "not in range, nothing to end"),
        ("{.items[5]}", "array index out of bounds: index 5, length 3"),
        ("{.items[9223372036854775807]}", "array index out of bounds: index 9223372036854775807, length 3"),
        ("{.items[-9223372036854775808]}", "array index out of bounds: index -9223372036854775805, length 3"),
        ("{\"\\u+041\"}", "unquote string \\u+041 error invalid syntax"),
        ("{\"\\u41\"}", "unquote string \\u41 error invalid syntax"),
        ("{.items[2:1]}", "starting index 2 is greater than ending index 1"),
        ("{.items[0:2:0]}", "step must be > 0"),
        ("{.items[?(@.name==1)]}", "incompatible types for comparison"),
        (
            "{.metadata[?(@.x==1)]}",
            "{\"name\":\"web\",\"labels\":{\"app.kubernetes.io/name\":\"web\",\"tier\":\"front\"}} is not array or slice and cannot be filtered",
        ),
    ] {
        assert_eq!(render(template), format!("error: {expected}"), "{template}");
    }
}

#[test]
fn results_become_json_on_request() {
    let template = Template::parse("{.items[*].port}").unwrap();
    assert_eq!(template.render_json(&document()).unwrap(), "[\n    80,\n    443,\n    8080\n]\n");
    assert_eq!(template.text(), "{.items[*].port}");
}

#[test]
fn ranges_in_ranges_have_an_end() {
    let nested = |depth: usize| format!("{}x{}", "{range .items[0]}".repeat(depth), "{end}".repeat(depth));
    assert_eq!(render(&nested(1)), "x");
    assert_eq!(render(&"{range @}".repeat(100)), "");
    assert_eq!(render(&nested(100_000)), "error: more than 100 ranges in each other");
}
