//! The table of the formats of servers: only a container can be one, and only where its host comes to it by itself.

use kiln::Format;

pub const FORMATS: [Format; 1] = [Format::Openwhisk];

tests! { docker: docker, crate::served::FORMATS;
    bodies {
        every_size: openwhisk;
        long_ones_in_parts: , not openwhisk: "what it is asked and what it answers are one JSON object each, held whole";
        every_byte: , not openwhisk: "it carries text: see `every_character`";
        every_character: openwhisk;
        a_body_that_is_not_text_is_refused: openwhisk;
        stderr_is_kept_apart: openwhisk;
        much_stderr_is_kept_apart: openwhisk;
    }
    metadata {
        e11_status_and_headers_reach_the_caller: , not openwhisk: "its result is one JSON object";
        the_function_is_told_of_the_request: , not openwhisk: "its arguments are all that it is told: see tests/backend_docker/whisk.rs";
        the_environment_is_the_declared_one: openwhisk;
        e3_no_caller_is_in_anothers_environment: openwhisk;
        arguments: openwhisk;
    }
    faults {
        an_exit_code_is_told: openwhisk;
        a_trap_is_told: openwhisk;
        a_signal_is_told: openwhisk;
        half_a_reply_fails: openwhisk;
        an_endless_loop_times_out: openwhisk;
        an_endless_loop_holds_up_nobody_else: openwhisk;
        memory_exhaustion_is_told: openwhisk;
        a_flood_is_cut: openwhisk;
        silence_times_out: openwhisk;
        e2_stray_bytes_cost_the_sandbox: openwhisk;
        e2_a_double_reply_reaches_nobody: openwhisk;
        e2_a_late_reply_reaches_nobody: openwhisk;
        e1_garbage_fails_at_once: openwhisk;
        another_calls_id_fails: , not openwhisk: "it has no ids";
        the_functions_own_error_is_told: openwhisk;
    }
    reuse {
        i1_two_hundred_in_a_row: openwhisk;
        one_use_each: openwhisk;
        three_uses_each: openwhisk;
        e10_hanging_up_frees_the_sandbox: openwhisk;
        every_caller_gets_its_own_reply: openwhisk;
    }
    starts {
        w9_cold_then_warm: openwhisk;
        w9_prewarmed: openwhisk;
        w9_recreated: openwhisk;
        w9_recreated_prewarm: openwhisk;
        w22_a_failed_initialisation_is_told: openwhisk;
        an_initialisation_without_end_times_out: openwhisk;
        e9_initialisation_is_not_the_requests_time: openwhisk;
        w22_it_is_initialised_once: openwhisk;
    }
}
