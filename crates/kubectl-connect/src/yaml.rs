//! How YAML is read that lies in a file or comes from a helper.

use serde::de::DeserializeOwned;
use serde_yaml::{Error, Options};

/// How much may be repeated by aliases: ten lines of them make millions of nodes. Go's reader has a limit, too (yaml.v2,
/// `document contains excessive aliasing`).
const MOST_REPEATED: usize = 200_000;

/// Returns the options for whatever is read.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.alias_limits.max_total_replayed_events = MOST_REPEATED;
    options.with_snippet = false;
    options
}

/// Reads the one document of a text.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_yaml::from_str_with_options(text, options())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn lines_that_repeat_each_other_are_refused_soon() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(from_str::<Value>(&text).unwrap_err().to_string().contains("alias"));
        assert!(from_str::<Value>("a: &a {b: c}\nd: *a\n").is_ok());
    }
}
