//! Lists of names, as many as a sentence bears.

/// How many are named.
const NAMED: usize = 5;

/// Names the first of them and counts the others: `a, b, c, d, e and 7 more`; `none` where there are none.
pub fn few(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "none".to_string();
    }
    let shown = names.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len() > NAMED {
        true => format!("{shown} and {} more", names.len() - NAMED),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn five_are_named_and_the_others_counted() {
        assert_eq!(few(&["a"; 0]), "none");
        assert_eq!(few(&["a", "b"]), "a, b");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c, d, e");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
