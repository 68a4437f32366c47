//! Reads one cluster, user or context of a kubeconfig.
//!
//! client-go reads a whole file or nothing of it. Here only what is in use has to be right: a file of twenty clusters may hold what
//! another program wrote there years ago.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A named part of a kubeconfig file, not looked at yet.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(super) value: Value,
    pub(crate) file: PathBuf,
    /// How often the file has the name: which one is meant is not for us to say.
    pub(super) times: usize,
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// A path, relative to the file's folder.
    Path,
    /// Base64, in which line breaks do not count.
    Data,
    Truth,
    Texts,
    TextLists,
    Texted,
    Extensions,
    Fields(&'static [Field]),
    FieldLists(&'static [Field]),
}

type Field = (&'static str, Shape);

const CONTEXT: &[Field] = &[("cluster", Shape::Text), ("user", Shape::Text), ("namespace", Shape::Text)];

const CLUSTER: &[Field] = &[
    ("server", Shape::Text),
    ("tls-server-name", Shape::Text),
    ("insecure-skip-tls-verify", Shape::Truth),
    ("certificate-authority", Shape::Path),
    ("certificate-authority-data", Shape::Data),
    ("proxy-url", Shape::Text),
    ("disable-compression", Shape::Truth),
    ("extensions", Shape::Extensions),
];

const USER: &[Field] = &[
    ("client-certificate", Shape::Path),
    ("client-certificate-data", Shape::Data),
    ("client-key", Shape::Path),
    ("client-key-data", Shape::Data),
    ("token", Shape::Text),
    ("tokenFile", Shape::Path),
    ("as", Shape::Text),
    ("as-uid", Shape::Text),
    ("as-groups", Shape::Texts),
    ("as-user-extra", Shape::TextLists),
    ("username", Shape::Text),
    ("password", Shape::Text),
    ("auth-provider", Shape::Fields(&[("name", Shape::Text), ("config", Shape::Texted)])),
    ("exec", Shape::Fields(EXEC)),
];

const EXEC: &[Field] = &[
    ("command", Shape::Text),
    ("args", Shape::Texts),
    ("env", Shape::FieldLists(&[("name", Shape::Text), ("value", Shape::Text)])),
    ("apiVersion", Shape::Text),
    ("installHint", Shape::Text),
    ("provideClusterInfo", Shape::Truth),
    ("interactiveMode", Shape::Text),
];

impl Entry {
    /// Reads a context.
    pub(crate) fn context(&self, name: &str) -> Result<Context, String> {
        let mut context = self.read("contexts", name, "context", CONTEXT)?;
        context.entry("cluster").or_insert_with(|| Value::String(String::new()));
        typed(context, &format!("contexts[{name}]"))
    }

    /// Reads a cluster.
    pub(crate) fn cluster(&self, name: &str) -> Result<Cluster, String> {
        typed(self.read("clusters", name, "cluster", CLUSTER)?, &format!("clusters[{name}]"))
    }

    /// Reads a user.
    pub(crate) fn user(&self, name: &str) -> Result<AuthInfo, String> {
        let place = format!("users[{name}]");
        let mut user = self.read("users", name, "user", USER)?;
        if let Some(provider) = user.get_mut("auth-provider").and_then(Value::as_object_mut) {
            provider.entry("name").or_insert_with(|| Value::String(String::new()));
        }
        let Some(exec) = user.get_mut("exec").and_then(Value::as_object_mut) else {
            return typed(user, &place);
        };
        if let Some(mode) = exec.get("interactiveMode").and_then(Value::as_str)
            && !["Never", "IfAvailable", "Always"].contains(&mode)
        {
            return Err(format!("invalid interactiveMode for {name}: \"{}\"", crate::words::one_line(mode)));
        }
        // A command that is a path lies beside the file, a name is looked for.
        if let Some(Value::String(command)) = exec.get_mut("command")
            && (command.contains('/') || command.contains(MAIN_SEPARATOR))
        {
            *command = beside(&self.file, command);
        }
        typed(user, &place)
    }

    fn read(
        &self,
        list: &str,
        name: &str,
        field: &str,
        shape: &[Field],
    ) -> Result<Map<String, Value>, String> {
        if self.times > 1 {
            return Err(format!("duplicate name \"{name}\" in list {list}"));
        }
        let place = format!("{list}[{name}].{field}");
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(fields)) => fitted(fields, shape, &place, &self.file),
            Some(other) => Err(misfit(&place, "an object", other)),
        }
    }
}

/// Keeps what a part may hold. Empty values count as absent ones, as client-go reads them, and null does, too.
fn fitted(
    fields: &Map<String, Value>,
    shape: &[Field],
    place: &str,
    file: &Path,
) -> Result<Map<String, Value>, String> {
    let mut kept = Map::new();
    for (name, shape) in shape {
        let Some(value) = fields.get(*name).filter(|value| !value.is_null()) else { continue };
        let place = format!("{place}.{name}");
        if let Some(value) = fit(value, *shape, &place, file)? {
            kept.insert((*name).to_owned(), value);
        }
    }
    Ok(kept)
}

fn fit(value: &Value, shape: Shape, place: &str, file: &Path) -> Result<Option<Value>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        other => Err(misfit(place, "a string", other)),
    };
    let texts = |value: &Value| match value {
        Value::Array(items) => items.iter().map(text).collect::<Result<Vec<String>, String>>(),
        Value::Null => Ok(Vec::new()),
        other => Err(misfit(place, "a list", other)),
    };
    let object = |value: &Value| match value {
        Value::Object(fields) => Ok(fields.clone()),
        Value::Null => Ok(Map::new()),
        other => Err(misfit(place, "an object", other)),
    };
    let given = |text: String| (!text.is_empty()).then_some(Value::String(text));
    Ok(match shape {
        Shape::Text => given(text(value)?),
        Shape::Path => {
            given(text(value)?).map(|_| text(value).map(|path| beside(file, &path).into())).transpose()?
        }
        Shape::Data => given(text(value)?.replace(['\r', '\n'], "")),
        Shape::Truth => match value {
            Value::Bool(_) => Some(value.clone()),
            // What YAML 1.1, which client-go reads, calls a boolean.
            Value::String(word) => match word.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
                    Some(true.into())
                }
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
                    Some(false.into())
                }
                _ => return Err(misfit(place, "true or false", value)),
            },
            other => return Err(misfit(place, "true or false", other)),
        },
        Shape::Texts => Some(texts(value)?.into()),
        Shape::TextLists => {
            let mut lists = Map::new();
            for (key, value) in object(value)? {
                lists.insert(key, texts(&value)?.into());
            }
            Some(Value::Object(lists))
        }
        Shape::Texted => {
            let mut pairs = Map::new();
            for (key, value) in object(value)? {
                pairs.insert(key, text(&value)?.into());
            }
            Some(Value::Object(pairs))
        }
        Shape::Extensions => Some(extensions(value)),
        Shape::Fields(shape) => Some(Value::Object(fitted(&object(value)?, shape, place, file)?)),
        Shape::FieldLists(shape) => {
            let Value::Array(items) = value else { return Err(misfit(place, "a list", value)) };
            let fit = |item: &Value| fitted(&object(item)?, shape, place, file).map(Value::Object);
            Some(Value::Array(items.iter().map(fit).collect::<Result<_, String>>()?))
        }
    })
}

/// Keeps the extensions that have a name; only one is known here, and what it holds is its helper's business.
fn extensions(value: &Value) -> Value {
    let named = |item: &Value| {
        let name = item.get("name")?.as_str()?;
        let content = item.get("extension").cloned().unwrap_or_default();
        Some(serde_json::json!({ "name": name, "extension": content }))
    };
    Value::Array(value.as_array().into_iter().flatten().filter_map(named).collect())
}

/// Reads what has the right shape by now.
fn typed<T: DeserializeOwned>(fields: Map<String, Value>, place: &str) -> Result<T, String> {
    // The error of a parser may quote a secret.
    serde_json::from_value(Value::Object(fields)).map_err(|_| format!("{place} cannot be read"))
}

/// Says what is wrong with a field, never what it holds.
fn misfit(place: &str, wanted: &str, value: &Value) -> String {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{place}: {wanted} is expected, not {is}")
}

/// Resolves a path against the folder of the file that it stands in.
fn beside(file: &Path, path: &str) -> String {
    match file.parent() {
        Some(folder) if Path::new(path).is_relative() => folder.join(path).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}
