//! One event, one file; what several events share is in [`queue`], [`fill`], [`finish`], [`waiting`], [`close`],
//! [`suspects`], [`resources`], [`budget`] and [`limited`].

pub(crate) mod accepted;
pub(crate) mod answered;
pub(crate) mod attempt_ended;
pub(crate) mod cancel;
pub(crate) mod drain;
pub(crate) mod journal_failed;
pub(crate) mod limit_changed;
pub(crate) mod pause;
pub(crate) mod plain;
pub(crate) mod pressure_sampled;
pub(crate) mod recalled;
pub(crate) mod sealed;
pub(crate) mod storage_full;
pub(crate) mod timer_fired;

pub(crate) mod budget;
pub(crate) mod close;
pub(crate) mod crowded;
pub(crate) mod fill;
pub(crate) mod finish;
pub(crate) mod limited;
pub(crate) mod pressure;
pub(crate) mod queue;
pub(crate) mod resources;
pub(crate) mod suspects;
pub(crate) mod waiting;
