//! Dispatch from outside: named features, and a seeded simulation that holds a plain model against every step.

mod batches;
mod bounds;
mod budget;
mod cancel;
mod deadlines;
mod doctored;
mod durable;
mod ends_of_the_host;
mod explain;
mod halt;
mod halting;
mod leases;
mod model;
mod pause;
mod policies;
mod retry;
mod rig;
mod rng;
mod scheduler_faults;
mod schedulers;
mod simulation;
mod storm;
mod trial;
mod world;
