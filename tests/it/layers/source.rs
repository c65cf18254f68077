//! Reads Rust source as tokens and finds the paths that lead into the crate.

/// The words and marks of a source text, without comments, strings and characters.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match (at(i), at(i + 1)) {
            ('/', '/') => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => i = end_of_comment(&chars, i),
            ('"', _) => i = end_of_string(&chars, i),
            ('\'', '\\') => i += 3 + chars[i + 3..].iter().take_while(|c| **c != '\'').count(),
            ('\'', _) if at(i + 2) == '\'' => i += 2,
            (':', ':') => {
                tokens.push("::".to_owned());
                i += 1;
            }
            (c, _) if word(c) => {
                let length = chars[i..].iter().take_while(|c| word(**c)).count();
                let text: String = chars[i..i + length].iter().collect();
                i += length;
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if text.ends_with('r') && text.len() <= 2 && at(i + hashes) == '"' {
                    i = end_of_raw_string(&chars, i, hashes);
                } else if text == "r" && hashes == 1 {
                    i += 1;
                } else {
                    tokens.push(text);
                }
                continue;
            }
            (c, _) if c.is_whitespace() => {}
            (c, _) => tokens.push(c.to_string()),
        }
        i += 1;
    }
    tokens
}

/// The last place of the comment that begins at `start`; such comments nest.
fn end_of_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            break;
        }
    }
    i - 1
}

/// The place of the quote that ends the string begun at `start`.
fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i
}

/// The place after the raw string whose hashes begin at `start`.
fn end_of_raw_string(chars: &[char], start: usize, hashes: usize) -> usize {
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = start + hashes + 1;
    chars[body..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(chars.len(), |length| body + length + end.len())
}

/// The modules a path into the crate leads to, by their full names, for all paths in a source
/// file that is itself the module `file`.
pub fn paths_into_the_crate(source: &str, file: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|token| token == text);
    let mut paths = Vec::new();
    let mut module = file.to_vec();
    let mut braces = 0;
    // Inline modules, with the depth of braces around each.
    let mut inline = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "mod" if is(i + 2, "{") => {
                module.push(tokens[i + 1].clone());
                inline.push(braces);
                i += 1;
            }
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if inline.last() == Some(&braces) {
                    inline.pop();
                    module.pop();
                }
            }
            "crate" if is(i + 1, "as") => paths.push(Vec::new()),
            "crate" | "repo_pool" | "super" | "self" if is(i + 1, "::") => {
                let mut found = Vec::new();
                i = expand(&tokens, i, Vec::new(), &mut found);
                paths.extend(found.iter().map(|path| resolve(path, &module)));
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    paths
}

/// Reads one path, or all paths of a `use` tree, from `tokens[i]` on; returns the place after it.
fn expand(
    tokens: &[String],
    mut i: usize,
    mut path: Vec<String>,
    out: &mut Vec<Vec<String>>,
) -> usize {
    let get = |i: usize| tokens.get(i).map_or("", String::as_str);
    loop {
        match get(i) {
            "{" => {
                i += 1;
                while !matches!(get(i), "}" | "") {
                    i = expand(tokens, i, path.clone(), out);
                    while !matches!(get(i), "," | "}" | "") {
                        i += 1;
                    }
                    i += usize::from(get(i) == ",");
                }
                return i + 1;
            }
            word if word == "*" || word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(word.to_owned());
                i += 1;
                if get(i) == "::" {
                    i += 1;
                    continue;
                }
            }
            _ => {}
        }
        out.push(path);
        return i;
    }
}

/// The full name of what `path` means inside `module`.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    let mut full = match path.first().map(String::as_str) {
        Some("self" | "super") => module.to_vec(),
        _ => Vec::new(),
    };
    for word in path {
        match word.as_str() {
            "crate" | "repo_pool" if full.is_empty() => {}
            "self" => {}
            "super" => drop(full.pop()),
            name => full.push(name.to_owned()),
        }
    }
    full
}
