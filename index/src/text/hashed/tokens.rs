//! From a text to its tokens, each as its hash.

use super::hash::{Murmur, index};
use super::{Bm25, StopWords, Tokenizer};
use rust_stemmers::Stemmer;
use std::borrow::Cow;
use std::ops::ControlFlow;
use tantivy::tokenizer::{AsciiFoldingFilter, RawTokenizer, TextAnalyzer, TokenStream};

/// What is longer is no word of a language and has no stem: finding one takes time with the square of its length.
const STEMMED_BYTES_MAX: usize = 256;

impl StopWords {
    fn contains(&self, token: &str) -> bool {
        self.others.contains(token) || self.languages.iter().any(|language| language.stop_words().contains(token))
    }
}

impl Bm25 {
    /// Calls `see` with the hash of every token of a text that is kept.
    pub(super) fn each(&self, text: &str, see: &mut dyn FnMut(u32) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.tokenizer {
            Tokenizer::Word | Tokenizer::Whitespace => self.each_whole(text, see),
            Tokenizer::Prefix => self.each_token(text, Some(&self.stop), &mut |token| {
                let mut hash = Murmur::default();
                let mut bytes = [0; 4];
                for (c, chars) in token.chars().zip(1..=self.chars_max) {
                    hash.push_all(c.encode_utf8(&mut bytes));
                    if chars >= self.chars_min {
                        see(hash.index())?;
                    }
                }
                ControlFlow::Continue(())
            }),
        }
    }

    /// The same of a text that is searched for: of each word the longest beginning that is kept. A stop word may be the
    /// beginning of another word.
    pub(super) fn each_whole(&self, text: &str, see: &mut dyn FnMut(u32) -> ControlFlow<()>) -> ControlFlow<()> {
        let stop = (self.tokenizer != Tokenizer::Prefix).then_some(&self.stop);
        self.each_token(text, stop, &mut |token| {
            let chars = token.chars().count();
            if chars < self.chars_min {
                return ControlFlow::Continue(());
            }
            match token.char_indices().nth(self.chars_max) {
                None => see(index(token)),
                Some((end, _)) if self.tokenizer == Tokenizer::Prefix => see(index(&token[..end])),
                Some(_) => ControlFlow::Continue(()),
            }
        })
    }

    /// Calls `see` with every word as it is kept, long or short.
    fn each_token(
        &self,
        text: &str,
        stop: Option<&StopWords>,
        see: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let stemmer = self.stem.map(Stemmer::create);
        let mut folding =
            self.fold.then(|| TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build());
        let mut word = |word: &str| {
            let mut token = Cow::Borrowed(word);
            if let Some(folding) = folding.as_mut().filter(|_| !token.is_ascii()) {
                let mut stream = folding.token_stream(word);
                while stream.advance() {
                    token = Cow::Owned(stream.token().text.clone());
                }
            }
            if self.lowercase && token.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
                token = Cow::Owned(token.to_lowercase());
            }
            if stop.is_some_and(|stop| stop.contains(&token)) {
                return ControlFlow::Continue(());
            }
            match &stemmer {
                Some(stemmer) if token.len() <= STEMMED_BYTES_MAX => see(&stemmer.stem(&token)),
                _ => see(&token),
            }
        };
        match self.tokenizer {
            Tokenizer::Whitespace => text.split_whitespace().try_for_each(&mut word),
            Tokenizer::Word | Tokenizer::Prefix => {
                text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty()).try_for_each(&mut word)
            }
        }
    }
}
