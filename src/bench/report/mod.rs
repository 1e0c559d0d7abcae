//! The report: one HTML page that needs nothing but itself, neither network nor script to be read.
//!
//! Curves are SVG drawn here, each in a wide and a narrow form of which the style shows one; bars are plain boxes. The
//! script only lets curves be hidden and says to a test that all of them are there. Every name in the page is escaped
//! where it is written (`text.rs`): a function may be called anything in a result that somebody else wrote.
//!
//! ```text
//!   page.rs: head, machine, versions, raw data ─┬─ start.rs ──► plot.rs, bars.rs, table.rs
//!                                               ├─ load.rs ───► plot.rs, table.rs
//!                                               └─ density.rs ► plot.rs, table.rs
//! ```

mod bars;
mod density;
mod load;
mod page;
mod plot;
mod scale;
mod start;
mod table;
mod text;

pub use page::page;

#[cfg(test)]
mod tests;
