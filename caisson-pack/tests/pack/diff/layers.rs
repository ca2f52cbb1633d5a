//! Layers, told apart by where they stand.

use edgepkg::Digest;
use serde_json::{Value, json};

use super::{changes, compared, draft, layers, put, with_layers};
use crate::archive::layer_of;
use crate::program::Desk;

/// Layers that came, went, moved or were only packed otherwise, and what that
/// costs a device. Chain ids by hand, after the OCI image specification.
#[test]
fn layers_are_told_apart() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    let [base, web] = <[Vec<u8>; 2]>::try_from(layers()).expect("two layers");
    let extra = layer_of("extra", &[b'z'; 100]);
    let id = |layer: &[u8]| Digest::of(layer).to_string();
    let over = |below: &str, layer: &[u8]| {
        Digest::of(format!("{below} {}", id(layer)).as_bytes()).to_string()
    };
    let of = |compared: &Value, what: &str| -> Vec<Value> {
        let changes = changes(compared).into_iter();
        changes.filter(|change| change[0] == what).collect()
    };
    let place = |value: &Value| json!([value["position"], value["chain_id"]]);

    // A new one on top.
    put(
        &desk,
        "b",
        &with_layers(&[base.clone(), web.clone(), extra.clone()], 3),
    );
    let seen = compared(&desk, "a", "b");
    let layer = &of(&seen, "layer")[0];
    assert_eq!((&layer[1], &layer[2]), (&json!(id(&extra)), &Value::Null));
    let top = over(&over(&id(&base), &web), &extra);
    assert_eq!(place(&layer[3]), json!([3, top]));
    assert_eq!(layer[3]["diff_size"], extra.len());
    let totals = &of(&seen, "layers")[0];
    assert_eq!(
        (
            &totals[2]["layers"],
            &totals[3]["layers"],
            &totals[3]["kept"]
        ),
        (&json!(2), &json!(3), &json!(2))
    );
    let new = &seen["new_layers"][0];
    assert_eq!(
        (&new["platform"], &new["layers"]),
        (&json!("linux/amd64"), &json!(1))
    );
    assert_eq!(
        (&new["size"], &new["diff_size"]),
        (&layer[3]["size"], &json!(extra.len()))
    );

    // A new base: the layer above it is the same, and stored again.
    put(&desk, "b", &with_layers(&[extra.clone(), web.clone()], 3));
    let seen = compared(&desk, "a", "b");
    let layers = of(&seen, "layer");
    let facts: Vec<_> = layers
        .iter()
        .map(|layer| json!([layer[1], place(&layer[2]), place(&layer[3])]))
        .collect();
    let none = json!([null, null]);
    assert_eq!(
        facts,
        [
            json!([id(&base), [1, id(&base)], none]),
            json!([id(&extra), none, [1, id(&extra)]]),
            json!([
                id(&web),
                [2, over(&id(&base), &web)],
                [2, over(&id(&extra), &web)]
            ]),
        ]
    );
    assert_eq!(seen["new_layers"][0]["layers"], 2);
    let words = desk.run("diff a b").succeeded().stdout;
    assert!(words.contains("an engine stores it again"), "{words}");

    // The same layer once more, packed as it was.
    put(
        &desk,
        "b",
        &with_layers(&[base.clone(), web.clone(), web.clone()], 3),
    );
    let seen = compared(&desk, "a", "b");
    assert_eq!(of(&seen, "layer").len(), 1);
    assert_eq!(seen["new_layers"][0]["layers"], 1);

    // Packed otherwise: nothing changes on a device.
    put(&desk, "b", &with_layers(&[base, web], 19));
    let seen = compared(&desk, "a", "b");
    assert_eq!(of(&seen, "packing")[0][2]["layers"], 2);
    assert_eq!(of(&seen, "layer"), [Value::Null; 0]);
    assert_eq!(seen["new_layers"][0]["layers"], 0);
    let words = desk.run("diff a b").succeeded().stdout;
    assert!(
        words.contains("2 layers the same unpacked, but packed otherwise"),
        "{words}"
    );
}
