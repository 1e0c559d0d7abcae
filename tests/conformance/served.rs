//! The table of the formats of servers: only a container can be one, and only where its host comes to it by itself.

use kiln::Format;

pub const FORMATS: [Format; 3] = [Format::Openwhisk, Format::Server, Format::HttpStream];

tests! { docker: docker, crate::served::FORMATS;
    bodies {
        every_size: openwhisk server http_stream;
        long_ones_in_parts: server http_stream, not openwhisk: "arguments and result are one JSON object each, held whole";
        every_byte: server http_stream, not openwhisk: "it carries text: see `every_character`";
        every_character: openwhisk server http_stream;
        a_body_that_is_not_text_is_refused: openwhisk, not server http_stream: "they carry any bytes";
        stderr_is_kept_apart: openwhisk server http_stream;
        much_stderr_is_kept_apart: openwhisk server http_stream;
    }
    metadata {
        e11_status_and_headers_reach_the_caller: server http_stream, not openwhisk: "its result is one JSON object";
        the_function_is_told_of_the_request: server http_stream,
            not openwhisk: "its arguments are all that it is told: see tests/backend_docker/whisk.rs";
        the_environment_is_the_declared_one: openwhisk server http_stream;
        e3_no_caller_is_in_anothers_environment: openwhisk server http_stream;
        arguments: openwhisk server http_stream;
    }
    faults {
        an_exit_code_is_told: openwhisk server http_stream;
        a_trap_is_told: openwhisk server http_stream;
        a_signal_is_told: openwhisk server http_stream;
        half_a_reply_fails: openwhisk server http_stream;
        an_endless_loop_times_out: openwhisk server http_stream;
        an_endless_loop_holds_up_nobody_else: openwhisk server http_stream;
        memory_exhaustion_is_told: openwhisk server http_stream;
        a_flood_is_cut: openwhisk server http_stream;
        silence_times_out: openwhisk server http_stream;
        e2_stray_bytes_cost_the_sandbox: openwhisk server http_stream;
        e2_a_double_reply_reaches_nobody: openwhisk server http_stream;
        e2_a_late_reply_reaches_nobody: openwhisk server http_stream;
        e1_garbage_fails_at_once: openwhisk server http_stream;
        the_functions_own_error_is_told: openwhisk server http_stream;
    }
    reuse {
        i1_two_hundred_in_a_row: openwhisk server http_stream;
        one_use_each: openwhisk server http_stream;
        three_uses_each: openwhisk server http_stream;
        e10_hanging_up_frees_the_sandbox: openwhisk server http_stream;
        every_caller_gets_its_own_reply: openwhisk server http_stream;
        w2_several_at_once_in_one_sandbox: openwhisk server, not http_stream: "its contract is one request at a time";
    }
    starts {
        w9_cold_then_warm: openwhisk server http_stream;
        w9_prewarmed: openwhisk server http_stream;
        w9_recreated: openwhisk server http_stream;
        w9_recreated_prewarm: openwhisk server http_stream;
        w22_a_failed_initialisation_is_told: openwhisk server http_stream;
        w22_it_is_initialised_once: openwhisk, not server http_stream: "they aren't told which function they are";
        an_initialisation_without_end_times_out: openwhisk server http_stream;
        e9_initialisation_is_not_the_requests_time: openwhisk server http_stream;
    }
}
