//! The policies of a program by name: from settings, reloaded without losing what they have learnt.

mod shared_rules;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::circuit_breaker::BreakerReport;
use crate::dependencies::Dependencies;
use crate::invalid_policy::InvalidPolicy;
use crate::onion::Onion;
use crate::policies::shared_rules::SharedRules;
use crate::policy::Policy;
use crate::policy_builder::PolicyBuilder;
use crate::policy_settings::{PolicyParts, PolicySettings};

/// The policies of a program, by name. Clones are the same registry.
///
/// 1. All policies are checked before any is built; one that contradicts itself, or another policy of its
///    dependency, changes nothing.
/// 2. A reload reaches every [`Policy`] that was handed out, and its clones, each at once; a call under way
///    ends under the rules that it began with.
/// 3. Breakers, bulkheads and budgets keep their state by the name of the dependency through a reload.
/// 4. A policy that a reload leaves out is not found any more; who holds it goes on with what it was.
#[derive(Debug, Clone)]
pub struct Policies {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parts: PolicyParts,
    dependencies: Dependencies,
    policies: ArcSwap<BTreeMap<String, Policy>>,
    /// One reload at a time; calls never wait for it.
    reloading: Mutex<()>,
}

impl Policies {
    /// Builds the policies that `settings` name; `parts` holds what they refer to.
    ///
    /// # Errors
    ///
    /// The first policy that cannot be, in the order of their names, and why.
    pub fn from_settings(
        settings: &BTreeMap<String, PolicySettings>,
        parts: PolicyParts,
    ) -> Result<Self, InvalidPolicy> {
        let (dependencies, policies) = (Dependencies::new(), ArcSwap::default());
        let shared = Shared { parts, dependencies, policies, reloading: Mutex::new(()) };
        let made = Self { shared: Arc::new(shared) };
        made.reload(settings)?;
        Ok(made)
    }

    /// Puts other settings in the place of those that hold.
    ///
    /// # Errors
    ///
    /// The first policy that cannot be, and why; then everything stays as it was.
    pub fn reload(&self, settings: &BTreeMap<String, PolicySettings>) -> Result<(), InvalidPolicy> {
        let Shared { parts, dependencies, policies, reloading } = &*self.shared;
        let _alone = reloading.lock();
        let checked = check(settings, parts)?;
        // Nothing fails from here on.
        let before = policies.load_full();
        let mut after = BTreeMap::new();
        for (name, builder) in checked {
            let onion = builder.peel(dependencies);
            after.insert(name.clone(), follow(before.get(name), onion));
        }
        policies.store(Arc::new(after));
        drop(before);
        dependencies.forget_unused();
        Ok(())
    }

    /// Returns the policy of this name; it follows reloads.
    pub fn get(&self, name: &str) -> Option<Policy> {
        self.shared.policies.load().get(name).cloned()
    }

    /// Returns the names of all policies, in order.
    pub fn names(&self) -> Vec<String> {
        self.shared.policies.load().keys().cloned().collect()
    }

    /// Returns what policies share by the name of their dependency, for policies that are built by hand.
    pub fn dependencies(&self) -> &Dependencies {
        &self.shared.dependencies
    }

    /// Reports every circuit breaker, in the order of their names.
    pub fn breakers(&self) -> Vec<BreakerReport> {
        self.shared.dependencies.breakers()
    }

    /// Lets the breaker of this name refuse everything until it is closed; `false` if there is none.
    pub fn isolate(&self, name: &str) -> bool {
        self.shared.dependencies.isolate(name)
    }

    /// Closes the breaker of this name, wherever it stands; `false` if there is none.
    pub fn close(&self, name: &str) -> bool {
        self.shared.dependencies.close(name)
    }
}

/// Hands the new onion to those who hold the policy already.
fn follow(policy: Option<&Policy>, onion: Onion) -> Policy {
    match policy {
        Some(policy) => {
            policy.replace(onion);
            policy.clone()
        }
        None => Policy::of(onion),
    }
}

fn check<'s>(
    settings: &'s BTreeMap<String, PolicySettings>,
    parts: &PolicyParts,
) -> Result<Vec<(&'s String, PolicyBuilder)>, InvalidPolicy> {
    let mut shared = SharedRules::default();
    let mut checked = Vec::with_capacity(settings.len());
    for (name, policy) in settings {
        let invalid = |reason| InvalidPolicy::new(name, reason);
        let builder = policy.builder(name, parts).map_err(invalid)?;
        builder.check()?;
        shared.join(name, &builder).map_err(invalid)?;
        checked.push((name, builder));
    }
    Ok(checked)
}
