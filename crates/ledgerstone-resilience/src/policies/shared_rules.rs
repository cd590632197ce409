//! Finds policies of one dependency that disagree about what they share.

use std::collections::BTreeMap;

use crate::policy_builder::PolicyBuilder;

/// What the policies seen so far want of each dependency, and who said so first.
#[derive(Debug, Default)]
pub(crate) struct SharedRules {
    wanted: BTreeMap<(String, &'static str), (String, String)>,
}

impl SharedRules {
    /// Takes in a policy, or says with which earlier one it disagrees.
    pub(crate) fn join(&mut self, policy: &str, builder: &PolicyBuilder) -> Result<(), String> {
        let (dependency, slots) = builder.shared();
        let wants = [
            ("circuit breaker", slots.circuit_breaker.as_ref().map(|rules| format!("{rules:?}"))),
            ("bulkhead", slots.bulkhead.map(|rules| format!("{rules:?}"))),
            ("budget", slots.budget().map(|rules| format!("{rules:?}"))),
        ];
        for (slot, rules) in wants.into_iter().filter_map(|(slot, rules)| Some((slot, rules?))) {
            let key = (dependency.to_owned(), slot);
            let (first, before) =
                self.wanted.entry(key).or_insert_with(|| (policy.to_owned(), rules.clone()));
            if *before != rules {
                return Err(format!(
                    "the {slot} of dependency {dependency} is shared with policy {first}, and their values \
                     differ; give both the same values, or each a dependency of its own"
                ));
            }
        }
        Ok(())
    }
}
