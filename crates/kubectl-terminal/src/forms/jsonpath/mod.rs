//! kubectl's dialect of JSONPath: text around braces, `{range}…{end}`, `\.` in keys, unions, slices and filters. Missing
//! fields print nothing, as `kubectl get -o jsonpath` has it. The dialect is older than RFC 9535 and differs from it.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

mod nodes;
mod parse;

pub use nodes::JsonPathError;
use nodes::{Block, End, Node, Operator, fail};

/// A template that has been read and can be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    blocks: Vec<Block>,
}

type Found<'v> = Vec<Cow<'v, Value>>;

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Template, JsonPathError> {
        Ok(Template { text: text.to_string(), blocks: parse::template(text)? })
    }

    /// Returns the template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Applies the template: the results of one action are joined by blanks, strings stand without quotes.
    pub fn render(&self, document: &Value) -> Result<String, JsonPathError> {
        let mut out = String::new();
        apply(&self.blocks, document, &mut |found| {
            let texts: Vec<String> = found.iter().map(|value| plain(value)).collect();
            out.push_str(&texts.join(" "));
        })?;
        Ok(out)
    }

    /// Applies the template, and hands on what each action finds.
    pub(super) fn find(
        &self,
        document: &Value,
        each: &mut dyn FnMut(&[Cow<'_, Value>]),
    ) -> Result<(), JsonPathError> {
        apply(&self.blocks, document, &mut |found| each(&found))
    }

    /// Applies the template: the results of each action, and each text, become an array of JSON.
    pub fn render_json(&self, document: &Value) -> Result<String, JsonPathError> {
        let mut out = String::new();
        apply(&self.blocks, document, &mut |found| {
            let values = found.into_iter().map(Cow::into_owned).collect();
            out.push_str(&super::json::to_string(&Value::Array(values)));
        })?;
        Ok(out)
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn apply<'v>(
    blocks: &[Block],
    root: &'v Value,
    emit: &mut dyn FnMut(Found<'v>),
) -> Result<(), JsonPathError> {
    for block in blocks {
        match block {
            Block::Text(text) => emit(vec![Cow::Owned(Value::String(text.clone()))]),
            Block::Action(nodes) => emit(walk(nodes, vec![Cow::Borrowed(root)])?),
            Block::Range(nodes, body) => {
                for value in walk(nodes, vec![Cow::Borrowed(root)])? {
                    match value {
                        Cow::Borrowed(value) => apply(body, value, emit)?,
                        // Only literals are owned, and nothing can be found in one but itself.
                        Cow::Owned(value) => apply(body, &value, &mut |found| {
                            emit(found.into_iter().map(|value| Cow::Owned(value.into_owned())).collect());
                        })?,
                    }
                }
            }
        }
    }
    Ok(())
}

fn walk<'v>(nodes: &[Node], input: Found<'v>) -> Result<Found<'v>, JsonPathError> {
    nodes.iter().try_fold(input, |found, node| step(node, found))
}

fn step<'v>(node: &Node, input: Found<'v>) -> Result<Found<'v>, JsonPathError> {
    match node {
        // A text replaces what was found, a number once for each of it; kubectl makes this difference.
        Node::Literal(value @ Value::String(_)) => Ok(vec![Cow::Owned(value.clone())]),
        Node::Literal(value) => Ok(input.iter().map(|_| Cow::Owned(value.clone())).collect()),
        Node::Field(name) => Ok(input.into_iter().filter_map(|value| field(value, name)).collect()),
        Node::Wildcard => Ok(input.into_iter().flat_map(children).collect()),
        Node::Recursive => Ok(input.into_iter().flat_map(descendants).collect()),
        Node::Union(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(walk(part, input.clone())?);
            }
            Ok(found)
        }
        Node::Slice { start, end, step } => {
            let mut found = Vec::new();
            for value in input.into_iter().filter(|value| !value.is_null()) {
                found.extend(slice(value, *start, *end, *step)?);
            }
            Ok(found)
        }
        Node::Filter { left, test } => {
            let mut found = Vec::new();
            for value in input {
                if !value.is_array() {
                    return fail(format!("{} is not array or slice and cannot be filtered", plain(&value)));
                }
                for item in children(value) {
                    if passes(&item, left, test.as_ref())? {
                        found.push(item);
                    }
                }
            }
            Ok(found)
        }
    }
}

fn field<'v>(value: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        Cow::Owned(value) => value.as_object()?.get(name).cloned().map(Cow::Owned),
    }
}

fn children(value: Cow<'_, Value>) -> Found<'_> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(fields)) => fields.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(fields)) => fields.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        Cow::Borrowed(_) | Cow::Owned(_) => Vec::new(),
    }
}

/// Returns a value and all below it that hold others; the leaves themselves are found through their parents.
fn descendants(value: Cow<'_, Value>) -> Found<'_> {
    let below = children(value.clone());
    if below.is_empty() {
        return Vec::new();
    }
    std::iter::once(value).chain(below.into_iter().flat_map(descendants)).collect()
}

fn slice<'v>(
    value: Cow<'v, Value>,
    start: Option<i64>,
    end: End,
    step: Option<i64>,
) -> Result<Found<'v>, JsonPathError> {
    if !value.is_array() {
        return fail("value is not array or slice");
    }
    let items = children(value);
    let length = items.len() as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let start_at = from_end(start.unwrap_or(0));
    let end_at = match end {
        End::Open => length,
        End::At(index) => from_end(index),
        // Index -1 ends at 0 counted from the end, which is the end. Go wraps around at the largest one, which is outside anyway.
        End::AfterStart => match start.unwrap_or(0).wrapping_add(1) {
            index if index <= 0 => index + length,
            index => index,
        },
    };
    if start_at == end_at {
        return Ok(Vec::new());
    }
    let outside = |index| fail(format!("array index out of bounds: index {index}, length {length}"));
    if !(0..length).contains(&start_at) {
        return outside(start_at);
    }
    if !(0..=length).contains(&end_at) {
        return outside(end_at - 1);
    }
    if start_at > end_at {
        return fail(format!("starting index {start_at} is greater than ending index {end_at}"));
    }
    let step = match step.unwrap_or(1) {
        step if step <= 0 => return fail("step must be > 0"),
        step => step as usize,
    };
    let wanted = items.into_iter().skip(start_at as usize).take((end_at - start_at) as usize);
    Ok(wanted.step_by(step).collect())
}

fn passes(item: &Value, left: &[Node], test: Option<&(Operator, Vec<Node>)>) -> Result<bool, JsonPathError> {
    let lefts = walk(left, vec![Cow::Borrowed(item)]);
    let Some((operator, right)) = test else { return Ok(lefts.is_ok_and(|found| !found.is_empty())) };
    let (lefts, rights) = (lefts?, walk(right, vec![Cow::Borrowed(item)])?);
    match (lefts.as_slice(), rights.as_slice()) {
        ([], _) | (_, []) => Ok(false),
        ([left], [right]) => compare(left, *operator, right),
        (_, _) => fail("can only compare one element at a time"),
    }
}

fn compare(left: &Value, operator: Operator, right: &Value) -> Result<bool, JsonPathError> {
    let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) if equality => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, None) => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Less),
            (Some(_), None) | (None, Some(_)) => return fail("incompatible types for comparison"),
        },
        (
            Value::String(_) | Value::Bool(_) | Value::Number(_),
            Value::String(_) | Value::Bool(_) | Value::Number(_),
        ) => {
            return fail("incompatible types for comparison");
        }
        (_, _) => return fail("invalid type for comparison"),
    };
    Ok(match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
    })
}

#[cfg(test)]
mod tests;
