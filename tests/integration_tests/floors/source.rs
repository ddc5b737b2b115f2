//! A source file as the floors see it: without comments and strings, its paths written out.

/// One file under `src/`.
pub(super) struct Source {
    /// Its path under `src/`.
    pub(super) name: String,
    code: String,
}

/// A path with more than one segment, or the use of a crate, resolved as far as the text allows:
/// `super::` at the root becomes `crate::`, groups are written out.
#[derive(Debug)]
pub(super) struct Path {
    segments: Vec<String>,
    pub(super) line: usize,
}

impl Path {
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }

    /// Whether this is the given path or something in it.
    pub(super) fn is_in(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split("::").collect();
        self.segments.len() >= parts.len() && self.segments.iter().zip(parts).all(|(own, part)| own == part)
    }

    pub(super) fn is_in_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.is_in(path))
    }
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), code: blank_out(text) }
    }

    /// The top-level module, such as `translate`; `lib` and `main` for the two roots.
    pub(super) fn module(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// How many lines there are, without those of test modules at the end of the file.
    pub(super) fn lines(&self) -> usize {
        let tests = self.code.match_indices("#[cfg(test)]").find(|(at, mark)| {
            let rest = self.code[at + mark.len()..].trim_start();
            rest.starts_with("mod ") || rest.starts_with("pub mod ")
        });
        tests.map_or(self.code.as_str(), |(at, _)| &self.code[..at]).lines().count()
    }

    /// Every path that the file names.
    pub(super) fn paths(&self) -> Vec<Path> {
        let tokens = tokens(&self.code);
        let mut reader =
            Reader { tokens: &tokens, at: 0, depth: self.depth(), inner: Vec::new(), found: Vec::new() };
        reader.read();
        reader.found
    }

    /// How many `super::` lead from the file's module to the root.
    fn depth(&self) -> usize {
        self.name.matches('/').count() + usize::from(!matches!(self.module(), "lib" | "main"))
    }
}

struct Reader<'a> {
    tokens: &'a [(String, usize)],
    at: usize,
    depth: usize,
    /// For each open brace, whether it is that of an inner module.
    inner: Vec<bool>,
    found: Vec<Path>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while self.at < self.tokens.len() {
            let previous = self.at.checked_sub(1).map_or("", |before| self.token(before));
            match self.token(self.at) {
                "{" => {
                    let module = self.at >= 2 && self.token(self.at - 2) == "mod";
                    self.inner.push(module);
                }
                "}" => drop(self.inner.pop()),
                // A field or a method is no path, whatever its name.
                word if is_word(word) && previous != "." && !BEFORE_PATHS.contains(&word) => {
                    self.path(Vec::new());
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads one path from a word on, with the groups at its end.
    fn path(&mut self, mut segments: Vec<String>) {
        let line = self.tokens[self.at].1;
        loop {
            match self.token(self.at) {
                "{" => return self.group(&segments),
                word if is_word(word) => segments.push(word.to_owned()),
                _ => break,
            }
            self.at += 1;
            if self.token(self.at) != "::" {
                break;
            }
            self.at += 1;
        }
        if segments.len() > 1 {
            self.found.push(Path { segments: self.resolve(segments), line });
        }
    }

    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while !matches!(self.token(self.at), "}" | "") {
            let token = self.token(self.at);
            if is_word(token) && token != "as" {
                self.path(prefix.to_vec());
            } else {
                // A renaming `as x` is passed over together with its new name.
                self.at += if token == "as" { 2 } else { 1 };
            }
        }
        self.at += 1;
    }

    fn resolve(&self, segments: Vec<String>) -> Vec<String> {
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        let to_root = self.depth + self.inner.iter().filter(|module| **module).count();
        let own_crate = segments[0] == "aiapiproxy";
        if own_crate || (ups > 0 && ups >= to_root) {
            let rest = segments.into_iter().skip(if own_crate { 1 } else { ups });
            return std::iter::once("crate".to_owned()).chain(rest).collect();
        }
        segments
    }

    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(token, _)| token)
    }
}

/// Words that may stand before a path that begins with `::`, and are no part of it.
const BEFORE_PATHS: &[&str] =
    &["use", "impl", "dyn", "for", "in", "as", "return", "else", "where", "move", "mut"];

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(String, usize)> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, code);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let length = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        line += usize::from(first == '\n');
        if !first.is_whitespace() {
            tokens.push((rest[..length].to_owned(), line));
        }
        rest = &rest[length..];
    }
    tokens
}

/// The text with comments, strings and characters blanked out; line ends stay.
fn blank_out(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let quoted = quoted_length(rest, code.chars().next_back()).map(|length| length.min(rest.len()));
        let taken = quoted.unwrap_or_else(|| first.len_utf8());
        let blank = |c| if quoted.is_some() && c != '\n' { ' ' } else { c };
        code.extend(rest[..taken].chars().map(blank));
        rest = &rest[taken..];
    }
    code
}

/// How long the comment, string or character is that begins here, if one does.
fn quoted_length(rest: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if rest.starts_with('"') {
        return Some(string_length(rest));
    }
    let hashes = rest.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes.filter(|hashes| !in_word && rest[hashes + 1..].starts_with('"')) {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 2;
        return Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()));
    }
    // A character, not a lifetime: one character, or an escape, and then the closing quote.
    let inside = rest.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return inside[2..].find('\'').map(|at| at + 4);
    }
    let width = inside.chars().next()?.len_utf8();
    inside[width..].starts_with('\'').then_some(width + 2)
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = if rest[at..].starts_with("/*") {
            depth += 1;
            2
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
