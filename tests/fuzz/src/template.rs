//! Templates, which a team writes and the server renders with secrets.

use std::collections::BTreeMap;

use lockstep_api::binding::{BindingSpec, CheckedBinding};
use lockstep_core::binding::Delivered;
use lockstep_core::material::Material;
use lockstep_core::render::CONTENT_MAX_BYTES;
use lockstep_core::template::{check_syntax, render};
use serde_json::json;

use crate::{MATERIAL, Target, text, texts};

/// The target.
pub const TARGET: Target = Target { name: "template", run, seeds };

fn run(data: &[u8]) {
    let template = text(data);
    // The text may be quoted, so it must not say what is looked for.
    if template.contains(MATERIAL) || check_syntax(&template).is_err() {
        return;
    }
    let delivered = delivered(&template);
    let materials = BTreeMap::from([
        ("password".to_owned(), Material::new(MATERIAL.as_bytes().to_vec())),
        ("number".to_owned(), Material::new(b"12".to_vec())),
        ("binary".to_owned(), Material::new([MATERIAL.as_bytes(), b"\xff"].concat())),
    ]);
    match render(&delivered, &[Some(&materials)]) {
        Ok(made) => {
            assert!(made.iter().map(|(_, value)| value.len()).sum::<usize>() <= CONTENT_MAX_BYTES);
            assert!(!format!("{made:?}").contains(MATERIAL), "content shows its values");
            assert!(render(&delivered, &[Some(&materials)]).is_ok_and(|again| again == made), "rendered again it is another");
        }
        Err(error) => assert!(!format!("{error} {error:?}").contains(MATERIAL), "an error quotes a value"),
    }
}

fn delivered(template: &str) -> Delivered {
    let spec = json!({
        "project": "p", "clusters": {}, "items": [{"source": "s", "mount": "kv", "path": "a"}],
        "target": {"directory": {"name": "d"}},
    });
    let spec: BindingSpec = lockstep_api::decode::decode(spec).expect("a spec");
    let mut delivered = CheckedBinding::try_from(&spec).expect("a binding").spec.delivered;
    delivered.templates.insert("made".to_owned(), template.to_owned());
    delivered
}

fn seeds() -> Vec<Vec<u8>> {
    texts([
        "postgres://u:{{ password | urlencode }}@db/{{ number | int + 1 }}",
        "{% for k, v in keys | items %}{{ k }}={{ v | tojson }}\n{% endfor %}",
        "{% if password is defined and number > '1' %}{{ password[:3] ~ number * 3 }}{% else %}-{% endif %}",
        "{{ keys['binary'] }}",
        "{% set a = [1, 2, 3] %}{{ a | join(',') | upper | b64encode }}{# c #}",
        "{% raw %}{{ x }}{% endraw %}{{ missing }}",
        "{{ password | replace('m', 'n') | length | indent(4) }}{{ 1 / 0 }}",
        "{{ ((((((1)))))) + -+-1 }}",
    ])
}
