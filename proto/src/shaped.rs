//! Settings whose JSON has another shape than their message: numbers or names where messages hold one of several,
//! one word where they hold lists. Each module is for `#[serde(with)]` of a field that may be left out.
//!
//! | | JSON | message |
//! |---|---|---|
//! | `threads` | `4`, `"auto"` | `MaxOptimizationThreads` |
//! | `query_encoding` | `"scalar4bits"` | `BinaryQuantizationQueryEncoding` |
//! | `stopwords` | `"english"`, `{"languages": [], "custom": []}` | `StopwordsSet` |
//! | `stemmer` | `{"type": "snowball", "language": "english"}`, `{"type": "none"}` | `StemmingAlgorithm` |
//! | `scoring` | `{"type": "bm25"}`, `true` | `TextScoringParams` |
//! | `prefix` | `true` | `KeywordPrefixParams` |

use crate::qdrant as q;
use serde::{Deserialize, Serialize};

/// A field goes through its JSON: into it what is set, from it what has a message.
macro_rules! shaped {
    ($name:ident, $message:ty, $json:ty) => {
        pub mod $name {
            use super::*;
            use serde::{Deserializer, Serializer};

            /// For `#[serde(with)]`.
            pub fn serialize<O: Serializer>(value: &Option<$message>, out: O) -> Result<O::Ok, O::Error> {
                value.as_ref().and_then(super::Shaped::json).serialize(out)
            }

            /// For `#[serde(with)]`.
            pub fn deserialize<'de, I: Deserializer<'de>>(from: I) -> Result<Option<$message>, I::Error> {
                let json = Option::<$json>::deserialize(from)?;
                Ok(json.and_then(<$message as super::Shaped>::message))
            }
        }
    };
}

/// A message that has another shape as JSON.
trait Shaped: Sized {
    type Json: Serialize;

    /// Nothing where the message says nothing.
    fn json(&self) -> Option<Self::Json>;

    /// Nothing where the JSON says that it is not so.
    fn message(json: Self::Json) -> Option<Self>;
}

/// A number, or a word.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Threads {
    Count(u64),
    Named(Auto),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    Auto,
}

shaped!(threads, q::MaxOptimizationThreads, Threads);

impl Shaped for q::MaxOptimizationThreads {
    type Json = Threads;

    fn json(&self) -> Option<Threads> {
        use q::max_optimization_threads::Variant;
        Some(match self.variant? {
            Variant::Value(count) => Threads::Count(count),
            Variant::Setting(_) => Threads::Named(Auto::Auto),
        })
    }

    fn message(json: Threads) -> Option<Self> {
        use q::max_optimization_threads::{Setting, Variant};
        let variant = match json {
            Threads::Count(count) => Variant::Value(count),
            Threads::Named(Auto::Auto) => Variant::Setting(Setting::Auto.into()),
        };
        Some(Self { variant: Some(variant) })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Default,
    Binary,
    Scalar4Bits,
    Scalar8Bits,
}

shaped!(query_encoding, q::BinaryQuantizationQueryEncoding, Encoding);

impl Shaped for q::BinaryQuantizationQueryEncoding {
    type Json = Encoding;

    fn json(&self) -> Option<Encoding> {
        use q::binary_quantization_query_encoding::{Setting, Variant};
        let Variant::Setting(number) = self.variant?;
        Some(match Setting::try_from(number).ok()? {
            Setting::Default => Encoding::Default,
            Setting::Binary => Encoding::Binary,
            Setting::Scalar4Bits => Encoding::Scalar4Bits,
            Setting::Scalar8Bits => Encoding::Scalar8Bits,
        })
    }

    fn message(json: Encoding) -> Option<Self> {
        use q::binary_quantization_query_encoding::{Setting, Variant};
        let setting = match json {
            Encoding::Default => Setting::Default,
            Encoding::Binary => Setting::Binary,
            Encoding::Scalar4Bits => Setting::Scalar4Bits,
            Encoding::Scalar8Bits => Setting::Scalar8Bits,
        };
        Some(Self { variant: Some(Variant::Setting(setting.into())) })
    }
}

/// One language, or more than that.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stopwords {
    Of(String),
    Set {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        languages: Option<Vec<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Vec<String>>,
    },
}

shaped!(stopwords, q::StopwordsSet, Stopwords);

impl Shaped for q::StopwordsSet {
    type Json = Stopwords;

    fn json(&self) -> Option<Stopwords> {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        Some(match (&self.languages[..], &self.custom[..]) {
            ([only], []) => Stopwords::Of(only.clone()),
            _ => Stopwords::Set { languages: some(&self.languages), custom: some(&self.custom) },
        })
    }

    fn message(json: Stopwords) -> Option<Self> {
        Some(match json {
            Stopwords::Of(language) => Self { languages: vec![language], custom: Vec::new() },
            Stopwords::Set { languages, custom } => {
                Self { languages: languages.unwrap_or_default(), custom: custom.unwrap_or_default() }
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Stemmer {
    Snowball { language: String },
    None,
}

shaped!(stemmer, q::StemmingAlgorithm, Stemmer);

impl Shaped for q::StemmingAlgorithm {
    type Json = Stemmer;

    fn json(&self) -> Option<Stemmer> {
        use q::stemming_algorithm::StemmingParams;
        Some(match self.stemming_params.as_ref()? {
            StemmingParams::Snowball(of) => Stemmer::Snowball { language: of.language.clone() },
            StemmingParams::Disabled(_) => Stemmer::None,
        })
    }

    fn message(json: Stemmer) -> Option<Self> {
        use q::stemming_algorithm::StemmingParams;
        let params = match json {
            Stemmer::Snowball { language } => StemmingParams::Snowball(q::SnowballParams { language }),
            Stemmer::None => StemmingParams::Disabled(q::DisabledStemmer {}),
        };
        Some(Self { stemming_params: Some(params) })
    }
}

/// A kind, or whether there is to be one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scoring {
    Wanted(bool),
    Of {
        #[serde(rename = "type")]
        kind: Bm25,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bm25 {
    Bm25,
}

shaped!(scoring, q::TextScoringParams, Scoring);

impl Shaped for q::TextScoringParams {
    type Json = Scoring;

    fn json(&self) -> Option<Scoring> {
        Some(Scoring::Of { kind: Bm25::Bm25 })
    }

    fn message(json: Scoring) -> Option<Self> {
        let wanted = !matches!(json, Scoring::Wanted(false));
        wanted.then(|| Self { r#type: q::TextScoringType::Bm25.into() })
    }
}

shaped!(prefix, q::KeywordPrefixParams, bool);

impl Shaped for q::KeywordPrefixParams {
    type Json = bool;

    fn json(&self) -> Option<bool> {
        Some(true)
    }

    fn message(json: bool) -> Option<Self> {
        json.then_some(Self {})
    }
}

/// Whether a value of an enum says nothing: its first name stands for none.
pub fn unset(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    /// What was read of the JSON, and what that is written as.
    fn there_and_back<T: Serialize + DeserializeOwned>(json: &Value) -> (T, Value) {
        let read: T = serde_json::from_value(json.clone()).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        (read, written)
    }

    #[test]
    fn settings_of_other_shapes_are_the_same_in_both_forms() {
        for threads in [json!(3), json!("auto")] {
            let given = json!({"indexing_threshold": 5, "max_optimization_threads": threads});
            let (read, written) = there_and_back::<q::OptimizersConfigDiff>(&given);
            assert!(read.max_optimization_threads.unwrap().variant.is_some());
            assert_eq!(written, given);
        }
        let given = json!({"always_ram": true, "query_encoding": "scalar4bits"});
        assert_eq!(there_and_back::<q::BinaryQuantization>(&given).1, given);
        for of in [json!({"stopwords": "english"}), json!({"stopwords": {"custom": ["rag"], "languages": ["german"]}})]
        {
            assert_eq!(there_and_back::<q::TextIndexParams>(&of).1, of);
        }
        for stemmer in [json!({"type": "snowball", "language": "english"}), json!({"type": "none"})] {
            let given = json!({"tokenizer": "word", "stemmer": stemmer, "scoring": {"type": "bm25"}});
            let (read, written) = there_and_back::<q::TextIndexParams>(&given);
            assert!(read.stemmer.unwrap().stemming_params.is_some() && read.scoring.is_some());
            assert_eq!(written, given);
        }
        let given = json!({"is_tenant": true, "prefix": true});
        assert_eq!(there_and_back::<q::KeywordIndexParams>(&given).1, given);
    }

    #[test]
    fn what_is_switched_off_is_left_out() {
        assert_eq!(there_and_back::<q::KeywordIndexParams>(&json!({"prefix": false})).0.prefix, None);
        assert_eq!(there_and_back::<q::TextIndexParams>(&json!({"scoring": false})).0.scoring, None);
        assert!(there_and_back::<q::TextIndexParams>(&json!({"scoring": true})).0.scoring.is_some());
    }

    #[test]
    fn limits_by_field_are_a_map() {
        let given = json!({
            "enabled": true, "multivector_config": {"m": {"max_vectors": 2}}, "sparse_config": {"s": {"max_length": 3}},
        });
        let (read, written) = there_and_back::<q::StrictModeConfig>(&given);
        assert_eq!(read.sparse_config.unwrap().sparse_config["s"].max_length, Some(3));
        assert_eq!(read.multivector_config.unwrap().multivector_config["m"].max_vectors, Some(2));
        assert_eq!(written, given);
    }
}
