//! Values of enums as JSON spells them: by name, where the wire has numbers.
//!
//! A number that has no name is spelled as digits, and a name that is not known is read as "not set": what reads the
//! JSON says what is wrong with it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::marker::PhantomData;

/// An enum of the wire.
pub trait Wire: TryFrom<i32> {
    /// The name in the `.proto` file.
    fn name(&self) -> &'static str;
}

/// How a name of a `.proto` file is spelled in JSON.
pub trait Spelling {
    /// The spelling.
    fn of(name: &str) -> String;
}

/// As it is.
pub struct Named;

/// `OneWord` as `one_word`.
pub struct Snake;

impl Spelling for Named {
    fn of(name: &str) -> String {
        name.to_owned()
    }
}

impl Spelling for Snake {
    fn of(name: &str) -> String {
        let mut spelled = String::with_capacity(name.len() + 2);
        for (at, letter) in name.char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                spelled.push('_');
            }
            spelled.push(letter.to_ascii_lowercase());
        }
        spelled
    }
}

/// No enum has more values.
const VALUES_MAX: i32 = 32;

fn spelled<E: Wire, S: Spelling>(number: i32) -> String {
    E::try_from(number).map_or_else(|_| number.to_string(), |value| S::of(value.name()))
}

fn number<E: Wire, S: Spelling>(text: &str) -> Option<i32> {
    (0..VALUES_MAX).find(|number| E::try_from(*number).is_ok_and(|value| S::of(value.name()) == text))
}

/// A field that is always there.
pub struct Plain<E, S>(PhantomData<(E, S)>);

impl<E: Wire, S: Spelling> Plain<E, S> {
    /// For `#[serde(with)]`.
    pub fn serialize<O: Serializer>(value: &i32, out: O) -> Result<O::Ok, O::Error> {
        spelled::<E, S>(*value).serialize(out)
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, I: Deserializer<'de>>(from: I) -> Result<i32, I::Error> {
        Ok(number::<E, S>(&String::deserialize(from)?).unwrap_or_default())
    }
}

/// A field that may be left out.
pub struct Optional<E, S>(PhantomData<(E, S)>);

impl<E: Wire, S: Spelling> Optional<E, S> {
    /// For `#[serde(with)]`.
    pub fn serialize<O: Serializer>(value: &Option<i32>, out: O) -> Result<O::Ok, O::Error> {
        value.map(spelled::<E, S>).serialize(out)
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, I: Deserializer<'de>>(from: I) -> Result<Option<i32>, I::Error> {
        Ok(Option::<String>::deserialize(from)?.and_then(|text| number::<E, S>(&text)))
    }
}

macro_rules! wires {
    ($($name:ident),*) => {$(
        impl Wire for crate::qdrant::$name {
            fn name(&self) -> &'static str {
                self.as_str_name()
            }
        }
    )*};
}

wires!(
    Distance,
    Datatype,
    Memory,
    Modifier,
    MultiVectorComparator,
    QuantizationType,
    CompressionRatio,
    BinaryQuantizationEncoding,
    TurboQuantBitSize,
    TokenizerType
);

#[cfg(test)]
mod tests {
    use crate::qdrant::quantization_config::Quantization;
    use crate::qdrant::{QuantizationConfig, ScalarQuantization, VectorParams};
    use serde_json::json;

    #[test]
    fn settings_are_the_same_in_both_forms() {
        let scalar = ScalarQuantization { r#type: 1, quantile: Some(0.5), memory: Some(3), ..Default::default() };
        let quantization = QuantizationConfig { quantization: Some(Quantization::Scalar(scalar)) };
        let params = VectorParams {
            size: 4,
            distance: 1,
            datatype: Some(1),
            quantization_config: Some(quantization),
            ..VectorParams::default()
        };
        let shown = json!({
            "size": 4, "distance": "Cosine", "datatype": "float32",
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.5, "memory": "pinned"}},
        });
        assert_eq!(serde_json::to_value(params).unwrap(), shown);
        assert_eq!(serde_json::from_value::<VectorParams>(shown).unwrap(), params);
    }
}
