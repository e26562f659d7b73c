//! The semantics of flows, rule by rule, from YAML in to text out.

mod attempts;
mod branches;
mod builder;
mod channels;
mod check;
mod checkpoints;
mod crashes;
mod disk;
mod failures;
mod files;
mod flight;
mod inputs;
mod joins;
mod kinds;
mod large;
mod limits;
mod loops;
mod memory;
mod random;
mod refused;
mod sizes;
mod supersteps;
