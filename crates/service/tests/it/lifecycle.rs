//! Tasks that end, fail, panic or do not stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_service::lifecycle::{Lifecycle, Outcome};
use tokio::time::timeout;

use crate::server::SOON;

async fn outcome(lifecycle: Lifecycle) -> Outcome {
    timeout(SOON, lifecycle.run()).await.expect("the service stops by itself")
}

#[tokio::test]
async fn panicking_task_takes_the_service_down() {
    let lifecycle = Lifecycle::new(SOON);
    lifecycle.spawn("doomed", async { if true { panic!("on purpose") } else { Ok(()) } });
    assert_eq!(outcome(lifecycle).await, Outcome::Failed);
}

#[tokio::test]
async fn failing_task_takes_the_service_down_and_the_others_are_drained() {
    let lifecycle = Lifecycle::new(SOON);
    let drained = Arc::new(AtomicBool::new(false));
    let (seen, soft) = (drained.clone(), lifecycle.shutdown().soft().clone());
    lifecycle.spawn("bystander", async move {
        soft.cancelled().await;
        seen.store(true, Ordering::SeqCst);
        Ok(())
    });
    lifecycle.spawn("doomed", async { anyhow::bail!("on purpose") });
    assert_eq!(outcome(lifecycle).await, Outcome::Failed);
    assert!(drained.load(Ordering::SeqCst));
}

#[tokio::test]
async fn task_that_just_ends_takes_the_service_down() {
    let lifecycle = Lifecycle::new(SOON);
    lifecycle.spawn("gone", async { Ok(()) });
    assert_eq!(outcome(lifecycle).await, Outcome::Failed);
}

#[tokio::test]
async fn background_stops_only_after_every_request_is_answered() {
    let lifecycle = Lifecycle::new(SOON);
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    lifecycle.spawn_serving("server", async { Ok(answered.await?) });
    let tokens = lifecycle.shutdown().clone();
    lifecycle.spawn("publisher", async move {
        tokens.answered().cancelled().await;
        Ok(())
    });
    let tokens = lifecycle.shutdown().clone();
    tokens.start();
    let run = tokio::spawn(lifecycle.run());
    let early = timeout(Duration::from_millis(100), tokens.answered().cancelled()).await;
    assert!(early.is_err(), "the server is not done");
    answer.send(()).unwrap();
    assert_eq!(timeout(SOON, run).await.unwrap().unwrap(), Outcome::Drained);
}

#[tokio::test]
async fn task_that_does_not_stop_is_cut_off() {
    let lifecycle = Lifecycle::new(Duration::from_millis(100));
    let hard = lifecycle.shutdown().hard().clone();
    lifecycle.spawn("stubborn", async move {
        hard.cancelled().await;
        Ok(())
    });
    lifecycle.shutdown().start();
    assert_eq!(outcome(lifecycle).await, Outcome::Cut);
}
