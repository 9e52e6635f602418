//! Small random schemas, and what they allow.

use serde_json::{Value, json};

/// Levels of a schema.
const DEPTH: u32 = 3;

/// Numbers of the generator of Knuth's MMIX: the high bits are random enough for shapes.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % count
    }
}

/// A schema whose answers are short enough for the shortest context.
pub(super) fn random(seed: u64) -> Value {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut schema = object(&mut random, DEPTH);
    // Space between tokens has no bound, and a small model may never come to its end.
    schema["x-guidance"] = json!({"whitespace_flexible": false});
    schema
}

fn any(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => json!({"type": "boolean"}),
        1 => json!({"type": "null"}),
        2 => {
            let low = random.below(50);
            json!({"type": "integer", "minimum": low, "maximum": low + random.below(5000)})
        }
        3 => {
            let values = [json!("red kite"), json!(7), json!(null), json!("ä\"\\"), json!(true)];
            json!({"enum": values[..1 + random.below(5)]})
        }
        4 => json!({"type": "string", "maxLength": 1 + random.below(9)}),
        5 => json!({"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 4}]}),
        6 => {
            let max = random.below(3);
            json!({"type": "array", "items": any(random, depth - 1), "maxItems": max})
        }
        _ => object(random, depth - 1),
    }
}

fn object(random: &mut Random, depth: u32) -> Value {
    let names: Vec<String> = (0..=random.below(3)).map(|i| format!("p{i}")).collect();
    let members = names.iter().map(|name| (name.clone(), any(random, depth.saturating_sub(1))));
    let properties: serde_json::Map<String, Value> = members.collect();
    let required = &names[..random.below(names.len() + 1)];
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Whether `value` is what `schema` asks for; knows what [`random`] makes.
pub(super) fn allows(schema: &Value, value: &Value) -> bool {
    if let Some(values) = schema["enum"].as_array() {
        return values.contains(value);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return either.iter().any(|schema| allows(schema, value));
    }
    match schema["type"].as_str().unwrap() {
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.as_i64().is_some_and(|n| {
            (schema["minimum"].as_i64().unwrap()..=schema["maximum"].as_i64().unwrap()).contains(&n)
        }),
        "string" => value.as_str().is_some_and(|text| {
            text.chars().count() as u64 <= schema["maxLength"].as_u64().unwrap()
        }),
        "array" => value.as_array().is_some_and(|items| {
            items.len() as u64 <= schema["maxItems"].as_u64().unwrap()
                && items.iter().all(|item| allows(&schema["items"], item))
        }),
        "object" => value.as_object().is_some_and(|members| {
            let required = schema["required"].as_array().unwrap();
            required.iter().all(|name| members.contains_key(name.as_str().unwrap()))
                && members.iter().all(|(name, value)| {
                    schema["properties"].get(name).is_some_and(|schema| allows(schema, value))
                })
        }),
        other => panic!("not made here: {other}"),
    }
}
