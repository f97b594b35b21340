//! Each target a fixed number of times, on the same inputs in each run.

use lockstep_fuzz::{
    agent_message, caller_token, certificate, glob, manifest, name, rounds, selector, server_message, template, vault_answer,
};

#[test]
fn what_an_agent_says_is_taken_apart_or_refused() {
    rounds::run(agent_message::TARGET, 500_000);
}

#[test]
fn what_a_server_says_is_taken_apart_or_refused() {
    rounds::run(server_message::TARGET, 500_000);
}

#[test]
fn certificates_and_requests_are_taken_apart_or_refused() {
    rounds::run(certificate::TARGET, 300_000);
}

#[test]
fn what_callers_show_is_a_token_or_refused() {
    rounds::run(caller_token::TARGET, 300_000);
}

#[test]
fn a_selector_means_what_kubernetes_says_it_means() {
    rounds::run(selector::TARGET, 200_000);
}

#[test]
fn a_glob_means_what_is_documented_in_bounded_time() {
    rounds::run(glob::TARGET, 60_000);
}

#[test]
fn templates_end_and_their_errors_say_no_value() {
    rounds::run(template::TARGET, 15_000);
}

#[test]
fn manifests_are_taken_apart_or_refused() {
    rounds::run(manifest::TARGET, 400_000);
}

#[test]
fn names_are_written_as_they_are_read() {
    rounds::run(name::TARGET, 200_000);
}

#[test]
fn errors_say_nothing_of_what_a_vault_answered() {
    rounds::run(vault_answer::TARGET, 200_000);
}
