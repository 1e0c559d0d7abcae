//! One suite for every backend: the same cases, in every format, on modules, on containers and on the fakes that
//! stand in for them.
//!
//! A test's name says all: `stdio::docker::faults::stray_bytes::json` is the case `stray_bytes` in the format `json` on
//! containers. Each table has every case; where one makes no sense in a format, it says why: `stdio.rs` for the formats that
//! are spoken on stdin and stdout, `served.rs` for those of servers in containers, `exchanged.rs` for `wasi:http`. After each case the
//! host is drained, and nothing may be left: neither in the pool's figures nor at the backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(unreachable_pub, reason = "nothing of a test binary is reachable")]

mod bench;
mod cases;
#[cfg(feature = "wasm")]
#[path = "../common/components.rs"]
mod components;
#[cfg(feature = "docker")]
#[path = "../common/docker.rs"]
mod docker_engine;
mod subject;

/// Makes a module with a test of each case and format of a table, for one subject.
macro_rules! tests {
    ($module:ident: $subject:ident, $formats:expr; $($group:ident {
        $($case:ident: $($format:ident)+ $(, not $($other:ident)+: $why:literal)?;)+
    })+) => {
        mod $module {
            $(mod $group {
                $(mod $case {
                    $(#[test]
                    fn $format() {
                        let name = concat!(stringify!($module), "::", stringify!($group), "::",
                            stringify!($case), "::", stringify!($format));
                        crate::bench::run(name, &crate::subject::$subject::OPEN, stringify!($format),
                            crate::cases::$group::$case);
                    })+

                    /// Every format is either run or excused.
                    #[test]
                    fn names_every_format() {
                        let named = [$(stringify!($format),)+ $($(stringify!($other),)+)?];
                        let excuse = concat!("" $(, $why)?);
                        crate::bench::names_every_format(&$formats, &named, excuse);
                    }
                })+
            })+
        }
    };
}

#[cfg(feature = "http-components")]
mod exchanged;
#[cfg(all(feature = "docker", target_os = "linux"))]
mod served;
mod stdio;
