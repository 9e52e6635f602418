//! A source without one of its checks.

use super::MARK;

/// The source without the check that `line`, from 0, marks; `None` when the line has no form of
/// which it is known how to take the check away.
pub(super) fn without(text: &str, line: usize) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let code = lines.get(line)?.trim().strip_suffix(MARK)?.trim().to_owned();
    if code.is_empty() {
        // The mark is alone beneath its condition, which then never holds.
        let above = lines.get_mut(line.checked_sub(1)?)?;
        *above = never(above)?;
    } else {
        *lines.get_mut(line)? = open(&code)?;
    }
    Some(lines.join("\n") + "\n")
}

/// `if CONDITION {`, or `match CONDITION {` with the check in the arm for true.
fn never(line: &str) -> Option<String> {
    let (word, rest) = line.trim().split_once(' ')?;
    let condition = rest.strip_suffix(" {")?;
    // A pattern may stand in a chain and in no parentheses; nothing weaker than `&&` is beside it.
    let held = if condition.starts_with("let ") { condition } else { &format!("({condition})") };
    matches!(word, "if" | "match").then(|| format!("{word} false && {held} {{"))
}

/// One line of code that refuses nothing any more.
fn open(code: &str) -> Option<String> {
    if code.ends_with("?;") {
        return Some(String::new());
    }
    if code.starts_with("at_most:") {
        return Some("at_most: u64::MAX,".into());
    }
    let Some((pattern, body)) = code.split_once(" => ") else {
        return code.contains(" == ").then(|| "true".into());
    };
    if body.starts_with("return ") {
        return Some(format!("{pattern} => {{}}"));
    }
    if body.contains(" == ") {
        return Some(format!("{pattern} => true,"));
    }
    Some(format!("_ => {body}"))
}
