//! One read model in this process: its rules, its generations, and who may touch them when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone_core::{CollectionId, CollectionName, Definition, DefinitionHash, LogPoint, Projection};
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};

use crate::fence::Fence;
use crate::read_models::error::ReadModelError;
use crate::read_models::status::Origin;

/// A generation and the rules that fill it.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub projection: Arc<dyn Projection>,
    pub definition: Definition,
}

/// Which of a model's two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Live,
    Building,
}

/// What holds a generation up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    pub message: String,
    /// Whether only a person can help.
    pub stops: bool,
}

/// A model's rules and generations.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub origin: Origin,
    pub description: Option<String>,
    /// The text that declared it.
    pub toml: Option<Arc<str>>,
    /// The rules that it shall have.
    pub wanted: Arc<dyn Projection>,
    /// What stands live in the store.
    pub live_definition: Definition,
    /// How the live generation is fed; nothing if its rules are not known here.
    pub live: Option<Lane>,
    /// The generation that is filled beside it.
    pub building: Option<Lane>,
    pub live_trouble: Option<Trouble>,
    pub building_trouble: Option<Trouble>,
}

/// One read model in this process.
#[derive(Debug)]
pub(crate) struct Model {
    pub name: CollectionName,
    pub lanes: RwLock<Lanes>,
    /// Held around every commit to the live generation, and around the swap.
    pub gate: Mutex<Option<Fence>>,
    /// Held by whoever feeds the live generation.
    pub feeding: Mutex<()>,
    /// Held by whoever fills the other one.
    pub filling: Mutex<()>,
    /// How far the live generation has been filled, as far as this process knows.
    pub checkpoint: watch::Sender<Option<LogPoint>>,
    pub paused: AtomicBool,
    /// Rung when something changed that waiting loops should look at.
    pub bell: watch::Sender<u64>,
}

impl Model {
    /// Takes the rules and what stands in the store.
    pub(crate) fn new(name: CollectionName, lanes: Lanes) -> Self {
        Self {
            name,
            lanes: RwLock::new(lanes),
            gate: Mutex::new(None),
            feeding: Mutex::new(()),
            filling: Mutex::new(()),
            checkpoint: watch::Sender::new(None),
            paused: AtomicBool::new(false),
            bell: watch::Sender::new(0),
        }
    }

    /// Wakes whoever waits for a change of this model.
    pub(crate) fn ring(&self) {
        self.bell.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells whether somebody paused it.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Notes whether it is paused, and wakes the loops if that changed.
    pub(crate) fn set_paused(&self, paused: bool) {
        if self.paused.swap(paused, Ordering::Relaxed) != paused {
            self.ring();
        }
    }

    /// Returns one of its generations, if it is fed here.
    pub(crate) fn lane(&self, side: Side) -> Option<Lane> {
        let lanes = self.lanes.read();
        match side {
            Side::Live => lanes.live.clone(),
            Side::Building => lanes.building.clone(),
        }
    }

    /// Tells whether a generation still stands on this side.
    pub(crate) fn is_current(&self, side: Side, definition: DefinitionHash) -> bool {
        let lanes = self.lanes.read();
        let lane = match side {
            Side::Live => &lanes.live,
            Side::Building => &lanes.building,
        };
        lane.as_ref().is_some_and(|lane| lane.definition.id.definition == definition)
    }

    /// Returns the generation that queries read.
    pub(crate) fn live_id(&self) -> CollectionId {
        self.lanes.read().live_definition.id.clone()
    }

    /// Tells the waiting how far the live generation has come; it never goes back within a log.
    pub(crate) fn reached(&self, point: LogPoint) {
        self.checkpoint.send_if_modified(|known| {
            let newer = known.is_none_or(|known| known.log != point.log || known.position < point.position);
            if newer {
                *known = Some(point);
            }
            newer
        });
    }

    /// Notes what holds a generation up, or that nothing does any more.
    pub(crate) fn note(&self, side: Side, error: Option<&ReadModelError>) {
        let trouble = error.map(|error| Trouble { message: error.to_string(), stops: error.stops() });
        let mut lanes = self.lanes.write();
        match side {
            Side::Live => lanes.live_trouble = trouble,
            Side::Building => lanes.building_trouble = trouble,
        }
    }

    /// Tells whether a generation waits for a person.
    pub(crate) fn is_stopped(&self, side: Side) -> bool {
        let lanes = self.lanes.read();
        let trouble = match side {
            Side::Live => &lanes.live_trouble,
            Side::Building => &lanes.building_trouble,
        };
        trouble.as_ref().is_some_and(|trouble| trouble.stops)
    }

    /// Lets a stopped model try again.
    pub(crate) fn clear_trouble(&self) {
        {
            let mut lanes = self.lanes.write();
            lanes.live_trouble = None;
            lanes.building_trouble = None;
        }
        self.ring();
    }
}
