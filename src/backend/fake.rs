//! A backend in memory, steered by a handle: for tests of whatever drives backends.
