//! Words of a string, as a filter sees them: runs of letters and digits, in lower case. No stemming and
//! no stop words: a filter says what is there, a text query what it means.

/// What is asked of the words of a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    words: Vec<String>,
    how: How,
}

/// How the words have to be there.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// Each of them, anywhere.
    All,
    /// At least one of them.
    Any,
    /// All of them, one behind the other.
    Phrase,
    /// As a phrase, whose last word may go on.
    Prefix,
}

impl Words {
    /// Asks for the words of a text; a text without a word asks for what no string has.
    pub fn new(text: &str, how: How) -> Self {
        Self { words: words(text).collect(), how }
    }

    /// The words, in their order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How they have to be there.
    pub fn how(&self) -> How {
        self.how
    }

    /// Whether a string has them.
    pub fn are_in(&self, text: &str) -> bool {
        let asked = &self.words[..];
        let Some((last, before)) = asked.split_last() else { return false };
        match self.how {
            How::All => {
                let mut left: Vec<&String> = asked.iter().collect();
                words(text).any(|word| {
                    left.retain(|asked| **asked != word);
                    left.is_empty()
                })
            }
            How::Any => words(text).any(|word| asked.contains(&word)),
            How::Phrase | How::Prefix => {
                let own: Vec<String> = words(text).collect();
                let ends = |word: &String| match self.how {
                    How::Prefix => word.starts_with(last.as_str()),
                    _ => word == last,
                };
                own.windows(asked.len()).any(|run| run[..before.len()] == *before && ends(&run[before.len()]))
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, how: How, asked: &str, expected: bool) {
        assert_eq!(Words::new(asked, how).are_in(text), expected, "{how:?} `{asked}` in `{text}`");
    }

    #[test]
    fn words_are_found_as_asked() {
        let text = "The Quick-brown fox, ÜBER 2 dogs";
        check(text, How::All, "dogs quick", true);
        check(text, How::All, "dogs slow", false);
        check(text, How::Any, "slow über", true);
        check(text, How::Any, "slow", false);
        check(text, How::Phrase, "quick brown", true);
        check(text, How::Phrase, "brown quick", false);
        check(text, How::Phrase, "quick bro", false);
        check(text, How::Prefix, "quick bro", true);
        check(text, How::Prefix, "FO", true);
        check(text, How::Prefix, "ox", false);
        for how in [How::All, How::Any, How::Phrase, How::Prefix] {
            check(text, how, "...", false);
            check("", how, "fox", false);
        }
    }
}
