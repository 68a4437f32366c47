//! Reads a template into blocks and nodes, character by character as kubectl does, so that it stops at the same errors.

use serde_json::Value;

use super::nodes::{Block, End, JsonPathError, Node, Operator, fail};

/// Ranges in ranges. Go's stack grows; this one does not.
const DEEPEST: usize = 100;

/// Reads a whole template and nests its ranges.
pub(super) fn template(text: &str) -> Result<Vec<Block>, JsonPathError> {
    let mut rest = text;
    let mut items = Vec::new();
    while let Some(open) = rest.find('{') {
        if open > 0 {
            items.push(Item::Block(Block::Text(rest[..open].to_string())));
        }
        let mut scanner = Scanner { rest: &rest[open + 1..] };
        items.push(scanner.action()?);
        rest = scanner.rest;
    }
    if !rest.is_empty() {
        items.push(Item::Block(Block::Text(rest.to_string())));
    }
    let (blocks, ended) = nest(&mut items.into_iter(), 0)?;
    if ended { fail("not in range, nothing to end") } else { Ok(blocks) }
}

enum Item {
    Block(Block),
    Range(Vec<Node>),
    End,
}

/// Collects blocks up to an `{end}`; tells whether there was one. A range that is never ended goes to the template's end.
fn nest(items: &mut impl Iterator<Item = Item>, depth: usize) -> Result<(Vec<Block>, bool), JsonPathError> {
    if depth > DEEPEST {
        return fail(format!("more than {DEEPEST} ranges in each other"));
    }
    let mut blocks = Vec::new();
    while let Some(item) = items.next() {
        match item {
            Item::Block(block) => blocks.push(block),
            Item::Range(nodes) => blocks.push(Block::Range(nodes, nest(items, depth + 1)?.0)),
            Item::End => return Ok((blocks, true)),
        }
    }
    Ok((blocks, false))
}

struct Scanner<'t> {
    rest: &'t str,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Takes text as long as a condition holds.
    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &'t str {
        self.skip(self.rest.find(|c| !condition(c)).unwrap_or(self.rest.len()))
    }

    /// Reads what stands between braces; the opening one is behind.
    fn action(&mut self) -> Result<Item, JsonPathError> {
        let mut nodes = Vec::new();
        let mut range = false;
        let mut end = false;
        loop {
            if self.rest.starts_with("[?(") {
                nodes.push(self.filter()?);
                continue;
            }
            if self.rest.starts_with("..") {
                self.recursive(&mut nodes)?;
                continue;
            }
            match self.peek() {
                None | Some('\n' | '\r') => return fail("unclosed action"),
                Some('}') => {
                    self.skip(1);
                    break;
                }
                // The current object; `$` means the same to kubectl.
                Some(' ' | '@' | '$') => _ = self.skip(1),
                Some('[') => nodes.extend(self.array()?),
                Some(quote @ ('"' | '\'')) => nodes.push(self.quoted(quote)?),
                Some('.') => nodes.push(self.field()),
                Some(c) if c == '+' || c == '-' || c.is_numeric() => nodes.push(self.number()?),
                Some(c) if is_word(c) => match self.take_while(|c| !is_terminator(c)) {
                    "true" => nodes.push(Node::Literal(Value::Bool(true))),
                    "false" => nodes.push(Node::Literal(Value::Bool(false))),
                    "range" => range = true,
                    "end" => end = true,
                    word => return fail(format!("unrecognized identifier {word}")),
                },
                Some(c) => {
                    return fail(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c)));
                }
            }
        }
        Ok(match (end, range) {
            (true, _) => Item::End,
            (false, true) => Item::Range(nodes),
            (false, false) => Item::Block(Block::Action(nodes)),
        })
    }

    fn recursive(&mut self, nodes: &mut Vec<Node>) -> Result<(), JsonPathError> {
        if nodes.last() == Some(&Node::Recursive) {
            return fail("invalid multiple recursive descent");
        }
        nodes.push(Node::Recursive);
        self.skip(2);
        if self.peek().is_some_and(is_word) {
            nodes.push(self.name());
        }
        Ok(())
    }

    fn field(&mut self) -> Node {
        self.skip(1);
        self.name()
    }

    /// Reads a key up to the next terminator that no backslash hides.
    fn name(&mut self) -> Node {
        let mut name = String::new();
        let mut escaped = false;
        let mut length = 0;
        for c in self.rest.chars() {
            match c {
                '\\' if !escaped => escaped = true,
                c if !escaped && is_terminator(c) => break,
                c => {
                    // kubectl drops every backslash, an escaped one too.
                    if c != '\\' {
                        name.push(c);
                    }
                    escaped = false;
                }
            }
            length += c.len_utf8();
        }
        self.skip(length);
        if name == "*" { Node::Wildcard } else { Node::Field(name) }
    }

    fn number(&mut self) -> Result<Node, JsonPathError> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let length = self.rest[sign..].find(|c: char| c != '.' && !c.is_numeric());
        let text = self.skip(length.map_or(self.rest.len(), |length| sign + length));
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Node::Literal(number.into()));
        }
        match text.parse::<f64>() {
            Ok(number) => Ok(Node::Literal(number.into())),
            Err(_) => fail(format!("cannot parse number {text}")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Node, JsonPathError> {
        let inside = &self.rest[1..];
        let mut escaped = false;
        let close = inside.find(|c| {
            let closes = c == quote && !escaped;
            escaped = c == '\\';
            closes || c == '\n'
        });
        match close {
            Some(at) if inside[at..].starts_with(quote) => {
                self.skip(at + 2);
                Ok(Node::Literal(Value::String(unquote(&inside[..at])?)))
            }
            Some(_) | None => fail("unterminated quoted string"),
        }
    }

    fn array(&mut self) -> Result<Vec<Node>, JsonPathError> {
        let close = match self.rest.find([']', '\n']) {
            Some(at) if self.rest[at..].starts_with(']') => at,
            Some(_) | None => return fail("unterminated array"),
        };
        let text = &self.skip(close + 1)[1..close];
        if text.contains(',') {
            let part = |part: &str| inner(&format!("[{}]", part.trim_matches(' ')));
            return Ok(vec![Node::Union(text.split(',').map(part).collect::<Result<_, _>>()?)]);
        }
        if let Some(key) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))
            && !key.contains('\'')
        {
            return inner(&format!(".{key}"));
        }
        slice(if text == "*" { ":" } else { text }).map(|slice| vec![slice])
    }

    fn filter(&mut self) -> Result<Node, JsonPathError> {
        let inside = &self.rest[3..];
        let (mut quote, mut closed, mut before) = (None, false, ' ');
        let close = inside.find(|c| {
            let stop = match c {
                '"' | '\'' => {
                    match quote {
                        None => quote = Some(c),
                        Some(open) if open == c && before != '\\' => closed = true,
                        Some(_) => {}
                    }
                    false
                }
                ')' => quote.is_some() == closed,
                c => c == '\n',
            };
            before = c;
            stop
        });
        let Some(close) = close.filter(|at| inside[*at..].starts_with(')')) else {
            return fail("unterminated filter");
        };
        if !inside[close + 1..].starts_with(']') {
            return fail("unclosed array expect ]");
        }
        self.skip(3 + close + 2);
        condition(&inside[..close])
    }
}

fn condition(text: &str) -> Result<Node, JsonPathError> {
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let split = text.find(is_operator).filter(|at| *at > 0).and_then(|at| {
        let length = text[at..].find(|c| !is_operator(c))?;
        Some((&text[..at], &text[at..at + length], &text[at + length..]))
    });
    let Some((left, operator, right)) = split else {
        return Ok(Node::Filter { left: inner(text)?, test: None });
    };
    let operator = match operator {
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        other => return fail(format!("unrecognized filter operator {other}")),
    };
    Ok(Node::Filter { left: inner(left)?, test: Some((operator, inner(right)?)) })
}

/// Reads a part of an action as an action of its own.
fn inner(text: &str) -> Result<Vec<Node>, JsonPathError> {
    match (Scanner { rest: &format!("{text}}}") }).action()? {
        Item::Block(Block::Action(nodes)) => Ok(nodes),
        Item::Block(Block::Text(_) | Block::Range(..)) | Item::Range(_) | Item::End => {
            fail("range and end stand for themselves only")
        }
    }
}

fn slice(text: &str) -> Result<Node, JsonPathError> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str| match part.parse::<i64>() {
        Ok(number) if !part.starts_with('+') => Ok(Some(number)),
        Err(_) if part.is_empty() => Ok(None),
        Ok(_) | Err(_) => fail(format!("invalid array index {text}")),
    };
    let part = |at: usize| parts.get(at).map_or(Ok(None), |part| number(part));
    let end = match (parts.len(), part(1)?) {
        (1, _) => End::AfterStart,
        (2 | 3, None) => End::Open,
        (2 | 3, Some(index)) => End::At(index),
        (_, _) => return fail(format!("invalid array index {text}")),
    };
    Ok(Node::Slice { start: part(0)?, end, step: part(2)? })
}

/// Resolves the escapes of a Go string.
fn unquote(text: &str) -> Result<String, JsonPathError> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let known = match chars.next() {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('v') => Some('\u{b}'),
            Some(quoted @ ('\\' | '"' | '\'')) => Some(quoted),
            Some('x') => hex(&mut chars, 2),
            Some('u') => hex(&mut chars, 4),
            Some('U') => hex(&mut chars, 8),
            Some(_) | None => None,
        };
        match known {
            Some(c) => out.push(c),
            None => return fail(format!("unquote string {text} error invalid syntax")),
        }
    }
    Ok(out)
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    // A sign is none, though `from_str_radix` takes one.
    let text: String = chars.take(digits).filter(char::is_ascii_hexdigit).collect();
    if text.len() < digits {
        return None;
    }
    u32::from_str_radix(&text, 16).ok().and_then(char::from_u32)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}
