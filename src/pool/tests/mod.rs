//! What the pool promises, shown from outside: a simulated host ([`sim`]) that distrusts every answer, one test
//! for each rule of `SEEDS.md` that the pool can show, and a million random events.

mod holding;
mod sim;

mod closing;
mod completion;
mod eviction;
mod idle;
mod prewarm;
mod random;
mod scheduling;
mod starting;
mod waiting;
