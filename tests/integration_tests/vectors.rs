//! The protocol's test vectors, one by one, through the built program: the table, and its tests.
//!
//! A line of the table makes a test of its name. It runs the function of that name in the file before it, which
//! holds everything that the vector says. `pending "why"` at the end of a line turns the test round: the function
//! must fail. What came of all of them stands in `CONFORMANCE.md`.

use proof::Vector;
use std::sync::OnceLock;

mod errors;
mod ground;
mod proof;
mod replies;
mod requests;
mod streams;

macro_rules! vectors {
    ($($number:literal $title:literal $file:ident::$test:ident $(pending $reason:literal)?;)+) => {
        static VECTORS: [Vector; [$($number),+].len()] = [$(Vector {
            number: $number,
            title: $title,
            test: stringify!($test),
            proof: $file::$test,
            pending: vectors!(@pending $($reason)?),
            outcome: OnceLock::new(),
        }),+];

        $(
            #[test]
            fn $test() {
                proof::check(&VECTORS, stringify!($test));
            }
        )+
    };
    (@pending) => { None };
    (@pending $reason:literal) => { Some($reason) };
}

vectors! {
    1 "A key as Bearer token or `x-api-key`; a wrong one is 401" requests::vector_01_client_keys;
    2 "Unknown betas and fields: 200, one warning" requests::vector_02_unknown_betas_and_fields;
    3 "System message in mid-conversation, folded; its effort" requests::vector_03_system_folded;
    4 "The same with the role `developer`" requests::vector_04_system_as_developer;
    5 "System message with an effort and no content" requests::vector_05_effort_without_content;
    6 "`clear_at: next_user_message`" requests::vector_06_cleared_system_message;
    7 "Results before text, in the order of the calls" requests::vector_07_results_before_text;
    8 "System message between calls and results" requests::vector_08_system_between_call_and_result;
    9 "Images of a tool's result follow the results" requests::vector_09_media_of_results;
    9 "Responses: images stay inside of the result" requests::vector_09_media_of_results_in_responses;
    10 "`is_error` is told in words" requests::vector_10_failed_tools;
    11 "Results without content, calls without text" requests::vector_11_empty_contents;
    12 "Two calls with one id stay two pairs" requests::vector_12_same_ids;
    13 "Ids of Mistral's form" requests::vector_13_ids_for_mistral;
    14 "Long and odd names of tools, there and back" requests::vector_14_names_of_tools;
    15 "Corner cases of `input_schema`" requests::vector_15_schemas;
    16 "No tools, no `tool_choice`" requests::vector_16_no_tools;
    17 "One call where one is wanted" requests::vector_17_one_call;
    18 "Stop sequences across chunks end the call" requests::vector_18_stop_sequences;
    19 "`max_tokens` clamped; 0 asks nobody" requests::vector_19_max_tokens;
    20 "`metadata.user_id` never as it is" requests::vector_20_user_id;
    21 "Thinking off where it cannot be off" requests::vector_21_no_thinking;
    22 "Tools for a model that takes none on chat completions" requests::vector_22_tools_on_newer_models;
    22 "Responses: tools for such a model go there" requests::vector_22_tools_on_newer_models_in_responses;
    23 "`strict` where the schema fits" requests::vector_23_output_format;
    24 "PDF as a file, or refused by name" requests::vector_24_pdf;
    25 "What no other vendor can do is refused" requests::vector_25_refusals;
    26 "Server tools: refused alone, dropped among others" requests::vector_26_server_tools;
    27 "Deferred tools" requests::vector_27_deferred_tools;
    28 "Numbers in tool inputs keep their bytes" requests::vector_28_numbers;
    29 "The prefix of a conversation keeps its bytes" requests::vector_29_prefix;
    30 "The billing header is not sent" requests::vector_30_billing_header;
    31 "Reasoning that DeepSeek wants back" requests::vector_31_reasoning_echo;
    32 "Foreign thinking is dropped" requests::vector_32_foreign_thinking;
    33 "gzip bodies; other encodings are refused" requests::vector_33_encodings;
    34 "Calls make `tool_use`, whatever the finish reason says" replies::vector_34_finish_and_calls;
    35 "Arguments in every form" replies::vector_35_arguments;
    36 "Usage adds up" replies::vector_36_usage;
    37 "Usage that is wrong or missing" replies::vector_37_odd_usage;
    38 "A refusal in words" replies::vector_38_refusal;
    39 "A filter that left nothing" replies::vector_39_content_filter;
    40 "Errors with status 200" replies::vector_40_errors_in_success;
    41 "A stream where none was asked for, and the reverse" replies::vector_41_wrong_kind;
    42 "Thinking, text, calls; the signature holds" replies::vector_42_order_of_blocks;
    43 "The plain stream, event by event" streams::vector_43_plain_stream;
    44 "The same stream, cut at every byte" streams::vector_44_every_cut;
    45 "Reasoning and text in turns" streams::vector_45_alternation;
    46 "Interleaved calls" streams::vector_46_interleaved_calls;
    47 "A whole call in one chunk, nameless" streams::vector_47_call_in_one_chunk;
    48 "All calls with index 0" streams::vector_48_same_index;
    49 "Arguments before the name" streams::vector_49_late_name;
    50 "`{}` before the arguments" streams::vector_50_empty_object_first;
    51 "Text after a call" streams::vector_51_text_after_call;
    52 "An error in the stream, and as its first chunk" streams::vector_52_errors;
    53 "Ends, proper and not" streams::vector_53_ends;
    54 "Silence and a client that leaves" streams::vector_54_silence;
    55 "Usage on every chunk, on the last, never" streams::vector_55_usage;
    56 "Azure's chunks" streams::vector_56_azure;
    57 "Empty members open no blocks" streams::vector_57_empty_members;
    58 "The limit inside of a call" streams::vector_58_limit_in_call;
    59 "`<think>` across chunks" streams::vector_59_think_tags;
    60 "Responses: reasoning goes back before its call" streams::vector_60_encrypted_reasoning;
    61 "Gemini's thought signatures go back" streams::vector_61_thought_signatures;
    62 "Rate limits, waits, and empty purses" errors::vector_62_rate_limits;
    63 "Errors of every shape" errors::vector_63_shapes;
    64 "Context overflow in the words that agents parse" errors::vector_64_overflow;
    64 "Overflow by `max_tokens` alone is tried once more" errors::vector_64_overflow_retried;
    65 "The gateway's own key; unknown paths" errors::vector_65_own_faults;
    66 "The official SDKs" errors::vector_66_sdks;
    66 "The SDKs' old majors" errors::vector_66_old_sdks;
}

#[test]
fn every_vector_is_in_the_table() {
    let mut numbers: Vec<u32> = VECTORS.iter().map(|vector| vector.number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    numbers.dedup();
    assert_eq!(numbers, (1..=66).collect::<Vec<_>>());
}

#[test]
fn conformance() {
    proof::conformance(&VECTORS);
}
