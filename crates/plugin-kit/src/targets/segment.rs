//! Names and namespaces as segments of an API path, checked before anything is asked, in client-go's words.

use crate::call::CliError;

/// Checks the namespace and the name of an object (k8s.io/client-go, `rest/request.go`; k8s.io/apimachinery,
/// `pkg/api/validation/path/name.go`). What else a name may not be called, the server says.
pub fn check_object(namespace: &str, name: &str) -> Result<(), CliError> {
    check_namespace(namespace)?;
    if name.is_empty() {
        return Err(CliError::failed("resource name may not be empty"));
    }
    check("resource name", name)
}

/// Checks a namespace.
pub fn check_namespace(namespace: &str) -> Result<(), CliError> {
    check("namespace", namespace)
}

fn check(what: &str, text: &str) -> Result<(), CliError> {
    let problems = problems(text);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(CliError::failed(format!("invalid {what} {text:?}: [{}]", problems.join(" ")))),
    }
}

fn problems(text: &str) -> Vec<String> {
    if [".", ".."].contains(&text) {
        return vec![format!("may not be '{text}'")];
    }
    let held = ["/", "%"].into_iter().filter(|it| text.contains(it));
    held.map(|it| format!("may not contain '{it}'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(namespace: &str, name: &str) -> Option<String> {
        check_object(namespace, name).err().map(|error| error.message)
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused_in_kubectls_words() {
        for (namespace, name, words) in [
            ("../kube-system", "web", "error: invalid namespace \"../kube-system\": [may not contain '/']"),
            ("..", "web", "error: invalid namespace \"..\": [may not be '..']"),
            ("default", "web%2fscale", "error: invalid resource name \"web%2fscale\": [may not contain '%']"),
            (
                "default",
                "a/%",
                "error: invalid resource name \"a/%\": [may not contain '/' may not contain '%']",
            ),
            ("default", "", "error: resource name may not be empty"),
        ] {
            assert_eq!(said(namespace, name).as_deref(), Some(words));
        }
        for name in ["web", "a b", "web?x=1", "..web", "WEB"] {
            assert_eq!(said("default", name), None, "{name}");
        }
    }
}
