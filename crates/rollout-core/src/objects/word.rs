//! Words that thousands of objects say alike: names of labels and containers, images, hashes of revisions.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A word that is held once, however many objects say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Arc<str>);

thread_local! {
    /// All words. What is watched for long says few new ones.
    static WORDS: RefCell<HashSet<Word>> = RefCell::default();
}

impl Word {
    /// Returns the word that a text is.
    pub fn of(text: &str) -> Word {
        WORDS.with_borrow_mut(|words| match words.get(text) {
            Some(word) => word.clone(),
            None => {
                let word = Word(text.into());
                words.insert(word.clone());
                word
            }
        })
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Word {
    fn default() -> Word {
        Word::of("")
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Word {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Word {
        Word::of(text)
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<String> for Word {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word::of(text))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The labels of one of thousands of objects.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<Word, Word>")]
pub struct WordMap(Box<[(Word, Word)]>);

impl WordMap {
    /// Returns the value of a label.
    pub fn get(&self, label: &str) -> Option<&Word> {
        let place = self.0.binary_search_by(|(key, _)| key.as_str().cmp(label)).ok()?;
        Some(&self.0[place].1)
    }

    /// Iterates over the labels that have a value, by name.
    pub fn names(&self) -> impl Iterator<Item = &Word> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl From<BTreeMap<Word, Word>> for WordMap {
    fn from(labels: BTreeMap<Word, Word>) -> WordMap {
        WordMap(labels.into_iter().collect())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for WordMap {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> WordMap {
        let words = labels.into_iter().map(|(name, value)| (Word::of(name), Word::of(value)));
        words.collect::<BTreeMap<_, _>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_held_once() {
        let read = |text: &str| serde_json::from_str::<Word>(text).unwrap();
        let words = [Word::of("a\nb"), read(r#""a\nb""#), "a\nb".into()];
        assert!(words.iter().all(|word| Arc::ptr_eq(&word.0, &words[0].0)));
        assert!(Word::of("a") < Word::of("b") && Word::of("b") == *"b" && Word::default().is_empty());
    }

    #[test]
    fn labels_are_found_by_name_however_they_are_sorted() {
        let labels: WordMap = serde_json::from_str(r#"{"b": "2", "a/c": "", "a": "1"}"#).unwrap();
        let found = ["a", "b", "a/c", "c"].map(|name| labels.get(name).map(Word::as_str));
        assert_eq!(found, [Some("1"), Some("2"), Some(""), None]);
        assert_eq!(labels.names().map(Word::as_str).collect::<Vec<_>>(), ["a", "a/c", "b"]);
        assert!(serde_json::from_str::<WordMap>(r#"{"a": null}"#).is_err());
    }
}
