//! The pool, driven through its events alone.
