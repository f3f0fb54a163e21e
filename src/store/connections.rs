//! The connections to the database, counted.

use std::ops::Add;

use sqlx::Pool;

/// How many there are at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open, with those that have nothing to do.
    pub open: u64,
    /// Those that have nothing to do.
    pub idle: u64,
    /// The most there may be. All of them open and none idle: requests wait for the database.
    pub max: u64,
}

impl Connections {
    pub(super) fn of<D: sqlx::Database>(pool: &Pool<D>) -> Self {
        let (open, max) = (u64::from(pool.size()), u64::from(pool.options().get_max_connections()));
        // The two are not counted at the same moment.
        Self { open, idle: (pool.num_idle() as u64).min(open), max }
    }
}

impl Add for Connections {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { open: self.open + other.open, idle: self.idle + other.idle, max: self.max + other.max }
    }
}
