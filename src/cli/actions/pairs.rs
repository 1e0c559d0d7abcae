//! Parameters as they are given on the command line: names and values in turn.

use crate::error::{Error, Result};
use serde_json::{Map, Value, json};

/// A value: JSON where that can be read, else text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Names and values in turn as an object.
pub(super) fn object(pairs: &[String]) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    for pair in pairs.chunks(2) {
        let [name, text] = pair else {
            return Err(Error::invalid("a parameter has no value: give -p NAME VALUE"));
        };
        object.insert(name.clone(), value(text));
    }
    Ok(object)
}

/// The same as OpenWhisk declares parameters and annotations.
pub(super) fn list(pairs: &[String]) -> Result<Vec<Value>> {
    Ok(object(pairs)?.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_can_be() {
        let given = ["a", "1", "b", "x y", "c", r#"{"d": [true]}"#, "e", "\"1\""].map(str::to_owned);
        let expected = json!({"a": 1, "b": "x y", "c": {"d": [true]}, "e": "1"});
        assert_eq!(Value::Object(object(&given).unwrap()), expected);
        assert_eq!(list(&given[..2]).unwrap(), [json!({"key": "a", "value": 1})]);
        assert!(object(&given[..3]).is_err());
    }
}
