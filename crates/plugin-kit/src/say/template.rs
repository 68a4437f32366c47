//! A pod template in the words of `kubectl describe`, with the fields that kubectl leaves out at the end.

use serde_json::{Map, Value};

/// Fields of a pod that have a place of their own.
const PLACED: [&str; 7] = [
    "containers",
    "initContainers",
    "volumes",
    "serviceAccountName",
    "serviceAccount",
    "nodeSelector",
    "tolerations",
];
/// Fields of a container that have a place of their own.
const PLACED_IN_CONTAINER: [&str; 9] =
    ["name", "image", "ports", "command", "args", "resources", "env", "envFrom", "volumeMounts"];
/// What the server fills in and nobody asked for.
const DEFAULTS: [(&str, &str); 9] = [
    ("restartPolicy", "\"Always\""),
    ("terminationGracePeriodSeconds", "30"),
    ("dnsPolicy", "\"ClusterFirst\""),
    ("schedulerName", "\"default-scheduler\""),
    ("securityContext", "{}"),
    ("terminationMessagePath", "\"/dev/termination-log\""),
    ("terminationMessagePolicy", "\"File\""),
    ("imagePullPolicy", "\"IfNotPresent\""),
    ("imagePullPolicy", "\"Always\""),
];

/// Describes a pod template; values may hold line breaks of their own.
pub fn pod_template(template: &Value, change_cause: Option<&str>) -> String {
    let mut page = Page::default();
    page.head(0, "Pod Template");
    page.list(1, "Labels", pairs(&template["metadata"]["labels"], "="));
    let mut annotations = pairs(&template["metadata"]["annotations"], ": ");
    annotations.extend(change_cause.map(|cause| format!("kubernetes.io/change-cause: {cause}")));
    if !annotations.is_empty() {
        page.list(1, "Annotations", annotations);
    }
    let spec = &template["spec"];
    if let Some(account) = spec["serviceAccountName"].as_str() {
        page.line(1, "Service Account", account);
    }
    for (field, title) in [("initContainers", "Init Containers"), ("containers", "Containers")] {
        if let Some(containers) = spec[field].as_array() {
            page.head(1, title);
            containers.iter().for_each(|it| container(&mut page, it));
        }
    }
    volumes(&mut page, &spec["volumes"]);
    page.list(1, "Node-Selectors", pairs(&spec["nodeSelector"], "="));
    page.list(1, "Tolerations", texts(&spec["tolerations"], toleration));
    rest(&mut page, 1, spec, &PLACED);
    page.text()
}

fn container(page: &mut Page, container: &Value) {
    page.head(2, container["name"].as_str().unwrap_or_default());
    page.line(3, "Image", container["image"].as_str().unwrap_or("<none>"));
    page.list(
        3,
        "Port",
        texts(&container["ports"], |port| {
            format!("{}/{}", short(&port["containerPort"]), port["protocol"].as_str().unwrap_or("TCP"))
        }),
    );
    for (field, title) in [("command", "Command"), ("args", "Args")] {
        if container[field].is_array() {
            page.list(3, title, texts(&container[field], short));
        }
    }
    for (field, title) in [("limits", "Limits"), ("requests", "Requests")] {
        let amounts = pairs(&container["resources"][field], ": ");
        if !amounts.is_empty() {
            page.list(3, title, amounts);
        }
    }
    let mut env = texts(&container["envFrom"], |from| format!("from {}", short(from)));
    env.extend(texts(&container["env"], |it| {
        let name = it["name"].as_str().unwrap_or_default();
        match &it["valueFrom"] {
            Value::Null => format!("{name}: {}", it["value"].as_str().unwrap_or_default()),
            from => format!("{name}: from {}", short(from)),
        }
    }));
    page.list(3, "Environment", env);
    page.list(
        3,
        "Mounts",
        texts(&container["volumeMounts"], |mount| {
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            format!("{} from {} ({mode})", short(&mount["mountPath"]), short(&mount["name"]))
        }),
    );
    rest(page, 3, container, &PLACED_IN_CONTAINER);
}

fn volumes(page: &mut Page, volumes: &Value) {
    match volumes.as_array() {
        None => page.line(1, "Volumes", "<none>"),
        Some(volumes) => {
            page.head(1, "Volumes");
            for volume in volumes {
                page.head(2, volume["name"].as_str().unwrap_or_default());
                rest(page, 3, volume, &["name"]);
            }
        }
    }
}

fn toleration(toleration: &Value) -> String {
    let field = |name: &str| toleration[name].as_str().unwrap_or_default().to_string();
    let mut text = field("key");
    match (field("value"), field("operator")) {
        (value, _) if !value.is_empty() => text.push_str(&format!("={value}")),
        (_, operator) if operator == "Exists" => text.push_str(" op=Exists"),
        (_, _) => {}
    }
    if !field("effect").is_empty() {
        text.push_str(&format!(":{}", field("effect")));
    }
    text.trim_start().to_string()
}

/// Whatever has no place of its own is shown under its name in the manifest, unless it is the server's default.
fn rest(page: &mut Page, indent: usize, object: &Value, placed: &[&str]) {
    for (field, value) in object.as_object().unwrap_or(&Map::new()) {
        let text = value.to_string();
        let default = DEFAULTS.iter().any(|(name, default)| field == name && text == *default);
        if !placed.contains(&field.as_str()) && !default {
            page.line(indent, field, &short(value));
        }
    }
}

fn short(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn pairs(object: &Value, between: &str) -> Vec<String> {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(key, value)| format!("{key}{between}{}", short(value))).collect()
}

fn texts(list: &Value, text: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().into_iter().flatten().map(text).collect()
}

/// Lines of a label and a value; the values of neighbours at one depth stand in one column.
#[derive(Default)]
struct Page(Vec<(usize, String, Option<String>)>);

impl Page {
    fn head(&mut self, indent: usize, label: &str) {
        self.0.push((indent, format!("{label}:"), None));
    }

    fn line(&mut self, indent: usize, label: &str, value: &str) {
        self.0.push((indent, format!("{label}:"), Some(value.to_string())));
    }

    fn list(&mut self, indent: usize, label: &str, values: Vec<String>) {
        let mut values = values.into_iter();
        self.line(indent, label, &values.next().unwrap_or_else(|| "<none>".to_string()));
        for value in values {
            self.0.push((indent, String::new(), Some(value)));
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (indent, label, value) in &self.0 {
            let blanks = " ".repeat(indent.saturating_sub(1) + usize::from(*indent > 0));
            match value {
                None => text.push_str(&format!("{blanks}{label}\n")),
                Some(value) => {
                    let depth = self.0.iter().filter(|(it, _, value)| it == indent && value.is_some());
                    let width = depth.map(|(_, label, _)| label.chars().count()).max().unwrap_or(0);
                    // A value's further lines stay below it: none may look like a line of the page.
                    let below = format!("\n{blanks}{:width$}  ", "");
                    let value = value.trim_end_matches('\n').replace('\n', &below);
                    text.push_str(&format!("{blanks}{label:width$}  {value}\n"));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_is_described_with_what_kubectl_leaves_out() {
        let template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "hostNetwork": true, "restartPolicy": "Always",
                "containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "env": [{"name": "LEVEL", "value": "info"}], "securityContext": {"privileged": true}}],
                "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
            },
        });
        let expected = "\
Pod Template:
 Labels:          app=web
 Annotations:     kubernetes.io/change-cause: first
 Containers:
  app:
   Image:            app:1
   Port:             80/TCP
   Environment:      LEVEL: info
   Mounts:           <none>
   securityContext:  {\"privileged\":true}
 Volumes:         <none>
 Node-Selectors:  <none>
 Tolerations:     dedicated op=Exists:NoSchedule
 hostNetwork:     true
";
        assert_eq!(pod_template(&template, Some("first")), expected);
    }

    #[test]
    fn the_lines_of_a_value_stay_below_it() {
        let text =
            pod_template(&json!({"metadata": {"labels": {"app": "web"}}}), Some("one\n Containers:\n"));
        assert!(text.contains("change-cause: one\n                   Containers:\n Volumes: "), "{text}");
    }
}
