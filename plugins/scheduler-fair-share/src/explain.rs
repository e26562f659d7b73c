//! Why a job waits, for people.

use std::time::Duration;

use batchmill_core::{MonoTime, QueuePosition, Token, format_duration};
use batchmill_plugin::Spot;

use crate::{
    Charge, FairShare,
    charge::PER_COST,
    shares::{Kind, ROOT, ShareId},
};

impl FairShare {
    pub(crate) fn position(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let spot = self.lanes.find(token)?;
        let lane = self.classes.lane(number(spot));
        let own = spot.ahead + self.ahead_in_other_lanes(token, spot);
        let waited = format_duration(now.since(spot.enqueued));
        let mut reason = match lane.held {
            true => "its class is held; ".to_owned(),
            false => self.standing(lane.leaf, now),
        };
        reason += &match own {
            0 => "first of its share".to_owned(),
            own => format!("{own} of its share are before it"),
        };
        reason += &format!(" (priority {}, queued {waited} ago)", lane.priority);
        Some(QueuePosition::new(self.ahead(spot, own), reason))
    }

    /// Where each share from the top down to `leaf` stands among its neighbours.
    fn standing(&self, leaf: ShareId, now: MonoTime) -> String {
        let mut path: Vec<ShareId> = self.shares.up_from(leaf).collect();
        path.reverse();
        path.into_iter().map(|id| self.standing_of(id, now)).collect()
    }

    fn standing_of(&self, id: ShareId, now: MonoTime) -> String {
        let share = self.shares.get(id);
        let line = self.shares.front(share.parent).all();
        let Some(own) = line.iter().find(|contender| contender.id == id) else { return String::new() };
        let place = line.iter().filter(|contender| *contender < own).count() + 1;
        let (about, parent) = (self.shares.about(id), self.shares.about(share.parent));
        let itself = if parent.path == about.path && share.kind == Kind::Leaf { " itself" } else { "" };
        let within = if share.parent == ROOT { String::new() } else { format!(" in `{}`", parent.path) };
        let (path, weight) = (&about.path, about.weight);
        let used = self.used(id, now).map(|used| format!(", {used} used,")).unwrap_or_default();
        format!("share `{path}`{itself} of weight {weight}{used} is {place} of {}{within}; ", line.len())
    }

    /// What a share used, where that is remembered.
    fn used(&self, id: ShareId, now: MonoTime) -> Option<String> {
        let used = u64::try_from(self.shares.used(id, now)?).unwrap_or(u64::MAX);
        Some(match self.charge {
            Charge::Time => format_duration(Duration::from_nanos(used)),
            Charge::Memory => format!("{:.1} GiB-seconds", used as f64 / 1e9),
            Charge::Cost => format!("{:.1}", used as f64 / PER_COST as f64),
        })
    }

    fn ahead_in_other_lanes(&self, token: Token, spot: Spot) -> usize {
        let own = self.classes.lane(number(spot));
        let key = (self.ageing.rank(own.priority, spot.enqueued), token);
        let lanes = self.shares.front(own.leaf).all().iter().filter(|lane| lane.id != number(spot));
        let before = lanes.map(|lane| {
            let priority = self.classes.lane(lane.id).priority;
            let jobs = self.lanes.iter(lane.id as usize);
            jobs.filter(|(enqueued, token)| (self.ageing.rank(priority, *enqueued), *token) < key).count()
        });
        before.sum()
    }

    /// Known where no other share has a say, or where the job is the very next.
    fn ahead(&self, spot: Spot, own: usize) -> Option<u64> {
        let lane = self.classes.lane(number(spot));
        let mut fronts = self.shares.up_from(lane.leaf).map(|id| (id, self.shares.front(self.shares.get(id).parent)));
        let known = !lane.held
            && match own {
                0 => fronts.all(|(id, front)| front.first().is_some_and(|first| first.id == id)),
                // Those of its own priority and another class may take turns with it in ways that are not counted.
                _ => fronts.all(|(_, front)| front.all().len() == 1) && self.is_alone_in_its_priority(spot),
            };
        known.then_some(own as u64)
    }

    fn is_alone_in_its_priority(&self, spot: Spot) -> bool {
        let own = self.classes.lane(number(spot));
        let mut lanes = self.shares.front(own.leaf).all().iter().filter(|lane| lane.id != number(spot));
        lanes.all(|lane| self.classes.lane(lane.id).priority != own.priority)
    }
}

fn number(spot: Spot) -> u32 {
    u32::try_from(spot.lane).expect("lanes are counted in 32 bits")
}
