//! Some of the fault cases, each for a few seconds. `./dev faults` runs all of them, and for as long as one likes.

use std::path::Path;

use forebay_e2e::matrix::{Case, Span, run};
use forebay_stack::{Server, ServiceName};

/// Runs a case by a new seed. Everything that is wrong is told at once, with the seed by which it can be repeated.
async fn passes(case: Case) {
    let seed = u64::from(rand::random::<u32>());
    println!("{}: seed {seed}", case.name());
    let artefacts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    let report = run(case, seed, Span::Brief, &artefacts).await.unwrap();
    assert!(report.has_passed(), "{report:#?}");
    assert!(report.orders.accepted > 100 && report.injected > 0, "nothing was tried: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_between_commit_and_notice_loses_nothing() {
    passes(Case::Failpoint("after-commit=abort:0.02")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_shard_holds_up_nothing_else() {
    passes(Case::Freeze(Server::Postgres(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_before_the_log_is_noticed_and_leaves_nothing_behind() {
    passes(Case::BlackHole(ServiceName::Ingest, Server::Nats)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_come_twice_are_stored_once() {
    passes(Case::FramesTwice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_before_it_notes_what_it_has_derived_derives_it_again() {
    passes(Case::Failpoint("after-derived=abort:0.05")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derived_stream_that_is_gone_is_derived_again() {
    passes(Case::DerivedDeleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_that_hang_up_leave_is_stored_and_derived_or_not_there_at_all() {
    passes(Case::HangUps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_dead_letters_and_stops_nothing() {
    passes(Case::Poison).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_ingest_answers_every_request_that_it_has() {
    passes(Case::Stop(ServiceName::Ingest)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: ./dev faults moves-killed"]
async fn buckets_arrive_with_any_process_killed_while_they_move() {
    passes(Case::MovesKilled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_as_it_was_stops_its_bucket_while_it_moves() {
    passes(Case::MovedRows).await;
}
