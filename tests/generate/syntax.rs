//! The notation in which the command table gives arguments: `key value [NX | XX] [EX seconds | PX milliseconds]`.

/// A part of a syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A word that stands for itself.
    Word(String),
    /// A name that stands for an argument.
    Argument(String),
    /// `[…]`
    Optional(Vec<Node>),
    /// `[… ...]`, any number of times.
    Repeated(Vec<Node>),
    /// `a | b`
    Choice(Vec<Vec<Node>>),
}

/// Reads a syntax; what does not fit the notation is taken as it stands.
pub fn parse(text: &str) -> Vec<Node> {
    let mut spaced = String::new();
    for letter in text.chars() {
        match letter {
            '[' | ']' | '<' | '>' | '|' => spaced.extend([' ', letter, ' ']),
            other => spaced.push(other),
        }
    }
    let mut tokens = spaced.split_whitespace().peekable();
    sequence(&mut tokens, 0)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// Reads up to the bracket that closes; that is the caller's.
fn sequence(tokens: &mut Tokens<'_>, depth: usize) -> Vec<Node> {
    let (mut choices, mut nodes) = (Vec::new(), Vec::new());
    while let Some(&token) = tokens.peek() {
        if matches!(token, "]" | ">") && depth > 0 {
            break;
        }
        tokens.next();
        match token {
            "[" => {
                let inner = sequence(tokens, depth + 1);
                tokens.next();
                nodes.push(match inner.split_last() {
                    Some((Node::Word(dots), rest)) if dots == "..." => Node::Repeated(rest.to_vec()),
                    _ => Node::Optional(inner),
                });
            }
            "<" => {
                let inner = sequence(tokens, depth + 1);
                tokens.next();
                nodes.extend(inner);
            }
            "|" => choices.push(std::mem::take(&mut nodes)),
            word if word.chars().any(|letter| letter.is_ascii_lowercase()) => {
                nodes.push(Node::Argument(word.trim_matches('"').to_owned()));
            }
            word => nodes.push(Node::Word(word.trim_matches('"').to_owned())),
        }
    }
    if choices.is_empty() {
        return nodes;
    }
    choices.push(nodes);
    vec![Node::Choice(choices)]
}
