//! The table of the formats that are spoken on stdin and stdout, by modules and images alike.

macro_rules! suite {
    ($subject:ident) => {
        tests! { $subject: $subject, kiln::Format::STDIO;
            bodies {
                every_size: default http json frame;
                long_ones_in_parts: default http json frame;
                every_byte: default http frame, not json: "it carries text: see `every_character`";
                every_character: default http json frame;
                a_body_that_is_not_text_is_refused: json, not default http frame: "they carry any bytes";
                stderr_is_kept_apart: default http json frame;
                much_stderr_is_kept_apart: default http json frame;
            }
            metadata {
                e11_status_and_headers_reach_the_caller: http json frame, not default: "its stdout is the body alone";
                the_function_is_told_of_the_request: default http json frame;
                the_environment_is_the_declared_one: default http json frame;
                e3_no_caller_is_in_anothers_environment: default http json frame;
                arguments: default http json frame;
            }
            faults {
                an_exit_code_is_told: default http json frame;
                a_trap_is_told: default http json frame;
                a_signal_is_told: default http json frame;
                half_a_reply_fails: http json frame, not default: "half of any bytes are any bytes";
                an_endless_loop_times_out: default http json frame;
                an_endless_loop_holds_up_nobody_else: default http json frame;
                memory_exhaustion_is_told: default http json frame;
                a_flood_is_cut: default http json frame;
                silence_times_out: default http json frame;
                e2_stray_bytes_cost_the_sandbox: http json frame, not default: "any bytes are the reply";
                e2_a_double_reply_reaches_nobody: http json frame, not default: "any bytes are the reply";
                e2_a_late_reply_reaches_nobody: default http json frame;
                e1_garbage_fails_at_once: http json frame, not default: "any bytes are the reply";
                another_calls_id_fails: frame, not default http json: "they have no ids";
                the_functions_own_error_is_told: default http json frame;
            }
            reuse {
                i1_two_hundred_in_a_row: default http json frame;
                one_use_each: default http json frame;
                three_uses_each: http json frame, not default: "each process serves one request";
                e10_hanging_up_frees_the_sandbox: default http json frame;
                every_caller_gets_its_own_reply: default http json frame;
            }
            starts {
                w9_cold_then_warm: default http json frame;
                w9_prewarmed: default http json frame;
                w9_recreated: http json frame, not default: "a one-shot sandbox is never idle, so none is evicted";
                w9_recreated_prewarm: http json frame, not default: "a one-shot sandbox is never idle, so none is evicted";
                w22_a_failed_initialisation_is_told: default http json frame;
                an_initialisation_without_end_times_out: default http json frame;
                e9_initialisation_is_not_the_requests_time: http json frame, not default: "each request is its process's initialisation, too";
            }
            runtimes {
                w3_w8_stem_cells_serve_any_function: frame, not default http json: "they have no word for source";
                w22_the_code_is_loaded_once: frame, not default http json: "they have no word for source";
                w2_functions_share_nothing: frame, not default http json: "they have no word for source";
                w22_an_error_in_the_code_is_told: frame, not default http json: "they have no word for source";
                code_that_never_loads_times_out: frame, not default http json: "they have no word for source";
            }
        }
    };
}

suite!(fake_wasm);
suite!(fake_docker);
#[cfg(feature = "wasm")]
suite!(wasm);
#[cfg(feature = "wasm")]
suite!(wasm_component);
#[cfg(feature = "docker")]
suite!(docker);
#[cfg(feature = "docker")]
suite!(docker_attach);
