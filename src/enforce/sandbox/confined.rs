//! The [`Sandbox`] of real runs: a step and its limits in, the same step run through this program's `__contain` out.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::{Availability, Facts, Profile, Reach, availability};
use crate::enforce::{EnforceError, Job, Limits, Refused, Sandbox, Step};
use crate::model::{Environment, Level, Verdict};
use crate::policy;

/// Confines steps as far as this machine can. Holds their temporary directories, which go with it.
#[derive(Debug, Default)]
pub struct Confined {
    temporary: Mutex<Vec<tempfile::TempDir>>,
    profiles: Mutex<Vec<(Limits, Profile)>>,
}

/// Begins to find out what can be confined here, which takes some time, while something else is done.
pub fn look_ahead() -> Option<std::thread::JoinHandle<()>> {
    let look = || {
        availability();
    };
    // Without a thread it is found out when it is needed.
    std::thread::Builder::new().name("sandbox".to_owned()).spawn(look).ok()
}

/// What the policy makes of a machine that has no sandbox: `None` where it has one or may go without.
pub fn objection(policy: &policy::Sandbox) -> Option<(Verdict, String)> {
    objection_on(availability(), policy)
}

fn objection_on(available: &Availability, policy: &policy::Sandbox) -> Option<(Verdict, String)> {
    let verdict = match policy.on_unavailable.value {
        Level::Deny => Verdict::Deny,
        Level::Ask => Verdict::Ask,
        _ => return None,
    };
    let why =
        format!("{} ([sandbox] on-unavailable, {})", available.words().join("; "), policy.on_unavailable.location);
    (!available.works()).then_some((verdict, why))
}

impl Confined {
    /// The profile of a step.
    pub fn profile(limits: &Limits, environment: &Environment, policy: &policy::Sandbox) -> Profile {
        let reach = match limits.port {
            Some(port) => Reach::Gateway { port },
            // Code of packages has no business on a network that nobody watches.
            None if limits.runs_packages && !limits.open => Reach::Nothing,
            None => Reach::Open,
        };
        let facts = Facts { environment, project: &environment.cwd, write: &limits.write, reach, policy };
        if limits.runs_packages { Profile::script(&facts) } else { Profile::installer(&facts) }
    }

    /// A directory for the step alone.
    fn temporary(&self) -> Result<PathBuf, EnforceError> {
        let made = tempfile::Builder::new().prefix("tidewaiter-").tempdir();
        let directory = made.map_err(EnforceError::io(std::env::temp_dir()))?;
        let path = directory.path().to_owned();
        self.temporary.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        Ok(path)
    }
}

impl Sandbox for Confined {
    fn contain(&self, mut step: Step, limits: &Limits, job: &Job<'_>) -> Result<Step, EnforceError> {
        // What asks was asked before.
        if let Some((Verdict::Deny, reason)) = objection(&job.policy.sandbox) {
            return Err(EnforceError::Sandbox { reason });
        }
        if !availability().works() {
            return Ok(step);
        }
        let mut profile = Self::profile(limits, job.environment, &job.policy.sandbox);
        let temporary = self.temporary()?;
        step.set(super::nested::CONTAINED, &temporary);
        profile.temporary = Some(temporary);
        hand_over(&mut profile)?;
        step.arguments = super::arguments(&step.program, &step.arguments);
        step.program = super::engine();
        let (name, value) = super::variable(&profile);
        step.set(name, value);
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner).push((limits.clone(), profile));
        Ok(step)
    }

    fn hint(&self) -> Option<String> {
        let profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.last().map(|(_, profile)| profile.hint())
    }

    fn refused(&self) -> Vec<Refused> {
        let temporary = self.temporary.lock().unwrap_or_else(PoisonError::into_inner);
        temporary.iter().flat_map(|d| super::nested::read(d.path())).map(super::nested::Attempt::refused).collect()
    }

    fn sentences(&self, limits: &Limits) -> Vec<String> {
        if !availability().works() {
            return availability().words();
        }
        let profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = profiles.iter().rev().find(|(of, _)| of == limits).or(profiles.last());
        profile.map_or_else(|| availability().words(), |(_, profile)| profile.describe())
    }
}

/// In a network of its own the process listens at the gateway's port itself; what comes there is carried to the gateway.
#[cfg(target_os = "linux")]
fn hand_over(profile: &mut Profile) -> Result<(), EnforceError> {
    if let Reach::Gateway { port } = profile.reach
        && profile.namespaces
    {
        let handoff = super::Handoff::new().map_err(EnforceError::io(std::env::temp_dir()))?;
        profile.handoff = Some(handoff.path());
        handoff.then(move |listener| super::bridge(&listener, port));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn hand_over(_profile: &mut Profile) -> Result<(), EnforceError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, Valued};

    #[test]
    fn policy_decides_where_there_is_no_sandbox() {
        let none = Availability { landlock_abi: 0, seccomp: true, namespaces: Err("no".to_owned()) };
        let some = Availability { landlock_abi: 3, ..none.clone() };
        let mut policy = Policy::default().sandbox;
        assert_eq!(objection_on(&none, &policy), None, "the default says it and goes on");
        for (level, verdict) in [(Level::Ask, Verdict::Ask), (Level::Deny, Verdict::Deny)] {
            policy.on_unavailable = Valued::built_in(level);
            assert_eq!(objection_on(&none, &policy).map(|(v, _)| v), Some(verdict));
            assert_eq!(objection_on(&some, &policy), None);
        }
    }
}
