//! A list is taken apart as it comes: each item is decoded as soon as it is whole, so that of thousands never more than one is
//! held as text.

use memchr::memchr2;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Error;

/// What stands around the items of a list.
#[derive(Deserialize)]
pub(crate) struct Around {
    pub(crate) metadata: ListMetadata,
    /// Whatever was no object.
    #[serde(default, rename = "items")]
    _items: [(); 0],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListMetadata {
    #[serde(default)]
    pub(crate) resource_version: String,
    #[serde(default, rename = "continue")]
    pub(crate) more: String,
}

/// The text of a list, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Items {
    /// What stands around the items.
    around: Vec<u8>,
    /// The beginning of an item that is not whole.
    begun: Vec<u8>,
    /// How many objects and arrays are open.
    depth: usize,
    within: Within,
    place: Place,
}

/// Where in a list a byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Around,
    /// In the array of the items, and in none of them.
    Between,
    Item,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Structure,
    String,
    /// Behind a backslash.
    Escape,
}

/// At which depth the items are: in an array in the list.
const ITEMS: usize = 2;

impl Items {
    /// Takes in what has come, and gives away each item that it makes whole.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        text: &[u8],
        each: &mut impl FnMut(T),
    ) -> Result<(), Error> {
        // Where what has not been put anywhere begins.
        let mut start = 0;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            match self.within {
                Within::Escape => self.within = Within::String,
                Within::String => match memchr2(b'"', b'\\', &text[at..]) {
                    Some(length) => {
                        at += length;
                        self.within = if text[at] == b'"' { Within::Structure } else { Within::Escape };
                    }
                    None => break,
                },
                Within::Structure => match byte {
                    b'"' => self.within = Within::String,
                    b'{' | b'[' => {
                        self.depth += 1;
                        if byte == b'[' && self.depth == ITEMS {
                            self.put(&text[start..=at]);
                            start = at + 1;
                            self.place = if is_items(&self.around) { Place::Between } else { Place::Around };
                        } else if byte == b'{' && self.place == Place::Between && self.depth == ITEMS + 1 {
                            self.put(&text[start..at]);
                            start = at;
                            self.place = Place::Item;
                        }
                    }
                    b'}' | b']' => {
                        if self.place == Place::Item && self.depth == ITEMS + 1 {
                            each(self.decoded(&text[start..=at])?);
                            start = at + 1;
                            self.place = Place::Between;
                        } else if self.place == Place::Between && self.depth == ITEMS {
                            self.put(&text[start..at]);
                            start = at;
                            self.place = Place::Around;
                        }
                        self.depth = self.depth.saturating_sub(1);
                    }
                    _ => {}
                },
            }
            at += 1;
        }
        self.put(&text[start..]);
        Ok(())
    }

    /// Puts a part of the text where it belongs.
    fn put(&mut self, text: &[u8]) {
        match self.place {
            Place::Around => self.around.extend_from_slice(text),
            Place::Between => self.around.extend(text.iter().filter(|byte| **byte != b',')),
            Place::Item => self.begun.extend_from_slice(text),
        }
    }

    /// Decodes an item from its end, behind what has begun it.
    fn decoded<T: DeserializeOwned>(&mut self, end: &[u8]) -> Result<T, Error> {
        if self.begun.is_empty() {
            return serde_json::from_slice(end);
        }
        self.begun.extend_from_slice(end);
        let item = serde_json::from_slice(&self.begun);
        self.begun.clear();
        item
    }

    /// Returns what stands around the items, once all has come.
    pub(crate) fn around(self) -> Result<Around, Error> {
        serde_json::from_slice(&self.around)
    }
}

/// Tells whether a text ends with the beginning of the items.
fn is_items(text: &[u8]) -> bool {
    let key = text.trim_ascii_end().strip_suffix(b"[").map(<[u8]>::trim_ascii_end);
    let key = key.and_then(|text| text.strip_suffix(b":")).map(<[u8]>::trim_ascii_end);
    key.is_some_and(|key| key.ends_with(b"\"items\""))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Around, Error, Items};

    /// Takes a text in pieces of a length.
    fn taken(text: &str, length: usize) -> Result<(Vec<Value>, Around), Error> {
        let (mut items, mut found) = (Items::default(), Vec::new());
        for piece in text.as_bytes().chunks(length) {
            items.take(piece, &mut |item: Value| found.push(item))?;
        }
        Ok((found, items.around()?))
    }

    #[test]
    fn items_are_the_same_however_the_text_comes() {
        let text = r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"next","labels":["a"]}, "items" : [
            {"metadata":{"name":"a","note":"{[\"}\\"},"spec":{"items":[{"items":[]},[{}]]}},
            {"metadata":{"name":"ü"}}, {} ], "last":[{"items":[1]}]}"#;
        let whole: Value = serde_json::from_str(text).unwrap();
        for length in 1..=text.len() {
            let (items, around) = taken(text, length).unwrap();
            assert_eq!(Value::from(items), whole["items"], "{length}");
            assert_eq!((&*around.metadata.resource_version, &*around.metadata.more), ("7", "next"));
        }
    }

    #[test]
    fn a_list_may_be_empty_and_say_its_items_first() {
        for text in
            [r#"{"items":[],"metadata":{"resourceVersion":"7"}}"#, r#"{"metadata":{"resourceVersion":"7"}}"#]
        {
            let (items, around) = taken(text, 3).unwrap();
            assert!(items.is_empty() && around.metadata.more.is_empty());
        }
        let (items, _) = taken(r#"{"items":[{"a":1}],"metadata":{}}"#, 4).unwrap();
        assert_eq!(items.len(), 1);
    }

    #[test]
    fn what_is_no_list_of_objects_is_an_error() {
        for text in [
            "",
            "<html>",
            "[]",
            r#"{"metadata":{},"items":[{"a":1}"#,
            r#"{"metadata":{},"items":[{"a":1},7]}"#,
            r#"{"metadata":{},"items":[null]}"#,
            r#"{"metadata":{},"items":[[]]}"#,
            r#"{"metadata":{},"items":[{"a" 1}]}"#,
            r#"{"metadata":{},"items":[{}]}}"#,
            r#"{"items":[{}]}"#,
        ] {
            assert!(taken(text, 5).is_err(), "{text}");
        }
    }
}
