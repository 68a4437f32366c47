//! Changes in one line, for a column of a table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::template::diff::change::Change;
use crate::template::diff::path::{ORDER, Step, steps};
use crate::template::form::RESTARTED_AT;

/// Returns the changes in one short line, e.g. `nginx 1.7.9 -> 1.9.1; +1 env; resources`.
pub fn summary(changes: &[Change]) -> String {
    let mut line = Line::default();
    for change in changes {
        line.add(change);
    }
    line.text()
}

/// The parts of the line.
#[derive(Default)]
struct Line {
    images: Vec<String>,
    restart: bool,
    /// Families of elements in the order of their first change.
    families: Vec<Family>,
    fields: Vec<String>,
}

/// Elements of one kind: variables, volumes, labels.
#[derive(Default)]
struct Family {
    name: String,
    added: usize,
    removed: usize,
    /// An element may change in several fields.
    changed: BTreeSet<String>,
}

impl Line {
    fn add(&mut self, change: &Change) {
        let steps = steps(&change.path);
        let (holder, rest) = split(&steps);
        match (holder, rest) {
            (Some((_, container)), [Step::Field(field)]) if field == "image" => {
                self.images.push(format!("{container} {}", image(change)));
            }
            (Some((list, container)), []) => self.count(list, container, change, true),
            (None, [Step::Field(metadata), Step::Field(map), Step::Field(key), below @ ..])
                if metadata == "metadata" && (map == "annotations" || map == "labels") =>
            {
                match key == RESTARTED_AT {
                    true => self.restart = true,
                    false => self.count(map, key, change, below.is_empty()),
                }
            }
            (_, [Step::Field(root), rest @ ..]) if root == "metadata" && !rest.is_empty() => self.name(rest),
            (_, [Step::Field(list), Step::Element(label), below @ ..]) => {
                let label = format!("{holder:?}/{label}");
                self.count(list, &label, change, below.is_empty());
            }
            (_, rest) => self.name(rest),
        }
    }

    /// Counts a change of one element of a family.
    fn count(&mut self, family: &str, label: &str, change: &Change, whole: bool) {
        let place = self.families.iter().position(|it| it.name == family);
        let place = place.unwrap_or_else(|| {
            self.families.push(Family { name: family.to_string(), ..Family::default() });
            self.families.len() - 1
        });
        let family = &mut self.families[place];
        match (whole, &change.from, &change.to) {
            (true, None, Some(_)) => family.added += 1,
            (true, Some(_), None) => family.removed += 1,
            (true | false, _, _) => {
                family.changed.insert(label.to_string());
            }
        }
    }

    fn name(&mut self, steps: &[Step]) {
        let name = match steps.first() {
            Some(Step::Field(name) | Step::Element(name)) => name.clone(),
            None => "template".to_string(),
        };
        if !self.fields.contains(&name) {
            self.fields.push(name);
        }
    }

    fn text(self) -> String {
        let mut parts = self.images;
        parts.extend(self.restart.then(|| "restart".to_string()));
        for Family { name, added, removed, changed } in self.families {
            for (sign, count) in [("+", added), ("-", removed), ("~", changed.len())] {
                if count > 0 {
                    parts.push(format!("{sign}{count} {}", noun(&name, count)));
                }
            }
        }
        parts.extend(self.fields);
        match parts.is_empty() {
            true => "no change".to_string(),
            false => parts.join("; "),
        }
    }
}

/// Splits `spec` and the container off the front: a list and the container's name, and what is left.
fn split(steps: &[Step]) -> (Option<(&str, &str)>, &[Step]) {
    match steps {
        [Step::Field(spec), Step::Field(list), Step::Element(name), rest @ ..]
            if spec == "spec"
                && ["containers", "initContainers", "ephemeralContainers"].contains(&list.as_str()) =>
        {
            (Some((list, name)), rest)
        }
        [Step::Field(spec), rest @ ..] if spec == "spec" && !rest.is_empty() => (None, rest),
        all => (None, all),
    }
}

/// Puts the API's name of a list into the singular where it is one.
fn noun(name: &str, count: usize) -> &str {
    match count {
        1 if !name.ends_with(ORDER) => name
            .strip_suffix("ses")
            .map_or(name.strip_suffix('s').unwrap_or(name), |_| &name[..name.len() - 2]),
        _ => name,
    }
}

fn image(change: &Change) -> String {
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or("(none)").to_string();
    let (from, to) = (text(&change.from), text(&change.to));
    let (one, other) = (Reference::read(&from), Reference::read(&to));
    if one.repository == other.repository {
        let same_tag = one.tag == other.tag;
        let (before, after) = (one.version(same_tag), other.version(same_tag));
        if before != after {
            return format!("{before} -> {after}");
        }
        return format!("{from} -> {to}");
    }
    format!("{} -> {}", one.short(), other.short())
}

/// An image's name in its parts.
struct Reference<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn read(image: &'a str) -> Reference<'a> {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (image, None),
        };
        match name.rsplit_once(':') {
            // A colon before a slash leads a registry's port.
            Some((repository, tag)) if !tag.contains('/') => Reference { repository, tag: Some(tag), digest },
            Some(_) | None => Reference { repository: name, tag: None, digest },
        }
    }

    /// Returns what tells this image from another of its repository.
    fn version(&self, same_tag: bool) -> String {
        match (self.tag, self.digest) {
            (Some(tag), Some(digest)) if same_tag => format!("{tag}@{}", short_digest(digest)),
            (Some(tag), Some(_) | None) => tag.to_string(),
            (None, Some(digest)) => short_digest(digest),
            (None, None) => "latest".to_string(),
        }
    }

    fn short(&self) -> String {
        let tag = self.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{}", short_digest(digest))).unwrap_or_default();
        format!("{}{tag}{digest}", self.repository)
    }
}

/// Cuts a digest down to what people compare: the algorithm and seven digits.
fn short_digest(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, hex)) => format!("{algorithm}:{}", hex.chars().take(7).collect::<String>()),
        None => digest.chars().take(7).collect(),
    }
}
