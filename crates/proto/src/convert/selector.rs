//! Label selectors.

use lockstep_core::selector::{Operator, Requirement, Selector};

use super::{ProtocolError, wrong};
use crate::v1;

/// The selector of a field.
pub(super) fn selector(field: &'static str, message: v1::Selector) -> Result<Selector, ProtocolError> {
    let one = |r: v1::Requirement| {
        let operator: Operator = r.operator.parse().map_err(wrong(field))?;
        Requirement::new(r.key, operator, r.values).map_err(wrong(field))
    };
    message.requirements.into_iter().map(one).collect::<Result<_, _>>().map(Selector::new)
}

/// The other way.
pub(super) fn selector_message(selector: &Selector) -> v1::Selector {
    let one = |r: &Requirement| v1::Requirement {
        key: r.key().to_owned(),
        operator: r.operator().as_str().to_owned(),
        values: r.values().to_vec(),
    };
    v1::Selector { requirements: selector.requirements().iter().map(one).collect() }
}
