//! The words and signs of an action.

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A function or keyword.
    Word(String),
    /// `.a.b`; empty: `.`.
    Field(Vec<String>),
    Text(String),
    Number(String),
    Pipe,
    Open,
    Close,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }
}

/// Where the braces are that end an action; those in a text do not.
pub(super) fn end_of_action(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at),
            Some(_) | None => {}
        }
    }
    None
}

/// An action taken apart.
pub(super) fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut rest) = (Vec::new(), action);
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '|' => push(&mut tokens, Token::Pipe, 1),
            '(' => push(&mut tokens, Token::Open, 1),
            ')' => push(&mut tokens, Token::Close, 1),
            '"' => {
                let end = end_of_text(rest).ok_or("a text without its end")?;
                let text = serde_json::from_str(&rest[..end]).map_err(|_| format!("the text {}", &rest[..end]))?;
                push(&mut tokens, Token::Text(text), end)
            }
            '`' => return Err("a text in backquotes: of a Helm chart, import what `helm template` makes of it".to_owned()),
            '.' => {
                let end = rest.find(|c: char| !is_part(c) && c != '.').unwrap_or(rest.len());
                let names = rest[1..end].split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect();
                push(&mut tokens, Token::Field(names), end)
            }
            c if c.is_ascii_digit() => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                push(&mut tokens, Token::Number(rest[..end].to_owned()), end)
            }
            c if is_part(c) => {
                let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                push(&mut tokens, Token::Word(rest[..end].to_owned()), end)
            }
            '$' => return Err("a variable ($)".to_owned()),
            c => return Err(format!("the sign {c:?}")),
        };
        rest = &rest[taken..];
    }
    Ok(tokens)
}

fn push(tokens: &mut Vec<Token>, token: Token, length: usize) -> usize {
    tokens.push(token);
    length
}

/// Of a text that begins with its quote.
fn end_of_text(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
