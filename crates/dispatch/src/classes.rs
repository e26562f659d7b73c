//! Jobs that are alike for queueing.

use std::collections::HashMap;

use batchmill_core::{ClassId, Priority, Tenant};

/// What the jobs of a class share.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) tenant: Tenant,
    pub(crate) priority: Priority,
    /// Jobs of the class that are queued in the scheduler.
    pub(crate) queued: u64,
}

/// All classes there were; they are few, one a tenant and priority.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    list: Vec<Class>,
    known: HashMap<(Tenant, Priority), ClassId>,
}

impl Classes {
    pub(crate) fn of(&mut self, tenant: &Tenant, priority: Priority) -> ClassId {
        // Jobs come in runs of one class: look at the newest before hashing.
        if let Some(class) = self.list.last()
            && class.priority == priority
            && class.tenant == *tenant
        {
            return self.id_at(self.list.len() - 1);
        }
        if let Some(id) = self.known.get(&(tenant.clone(), priority)) {
            return *id;
        }
        self.list.push(Class { tenant: tenant.clone(), priority, queued: 0 });
        let id = self.id_at(self.list.len() - 1);
        self.known.insert((tenant.clone(), priority), id);
        id
    }

    fn id_at(&self, place: usize) -> ClassId {
        ClassId(u32::try_from(place).expect("fewer than 2^32 pairs of tenant and priority"))
    }

    pub(crate) fn get(&self, id: ClassId) -> &Class {
        &self.list[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: ClassId) -> &mut Class {
        &mut self.list[id.0 as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Class> {
        self.list.iter()
    }
}
