//! The table of components that are called by requests. Their fixture does a part of what the others do: what it can't be asked
//! for is in `tests/wasi_http/`.

use kiln::Format;

pub const FORMATS: [Format; 1] = [Format::WasiHttp];

macro_rules! exchanged {
    ($module:ident: $subject:ident) => {
        tests! { $module: $subject, crate::exchanged::FORMATS;
            bodies {
                every_size: wasi_http;
                long_ones_in_parts: wasi_http;
                every_byte: wasi_http;
                every_character: wasi_http;
            }
            metadata {
                the_environment_is_the_declared_one: wasi_http;
                e3_no_caller_is_in_anothers_environment: wasi_http;
            }
            faults {
                a_trap_is_told: wasi_http;
                an_endless_loop_times_out: wasi_http;
                an_endless_loop_holds_up_nobody_else: wasi_http;
                memory_exhaustion_is_told: wasi_http;
            }
            reuse {
                i1_two_hundred_in_a_row: wasi_http;
                one_use_each: wasi_http;
                three_uses_each: wasi_http;
                every_caller_gets_its_own_reply: wasi_http;
            }
            starts {
                w9_cold_then_warm: wasi_http;
                w9_prewarmed: wasi_http;
                w9_recreated: wasi_http;
                w9_recreated_prewarm: wasi_http;
            }
        }
    };
}

exchanged!(wasm: wasi_http);
#[cfg(feature = "preview3")]
exchanged!(wasm_preview3: wasi_service);
