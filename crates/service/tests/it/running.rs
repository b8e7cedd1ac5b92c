//! [`forebay_service::run`] as a `main` calls it, exit codes and signals included.

use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use forebay_service::{BadSetting, Service, ServiceSettings, http, run};
use tokio::time::timeout;

use crate::server::SOON;

/// The exit code of a run, which has to end by itself.
fn exit_of<F>(settings: ServiceSettings, start: F) -> ExitCode
where
    F: AsyncFnOnce(Service) -> anyhow::Result<()> + Send + 'static,
{
    // Signals reach every run of this process, so there is one at a time.
    static RUNNING: Mutex<()> = Mutex::new(());
    let _alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let (ended, code) = mpsc::channel();
    thread::spawn(move || ended.send(run("test", &settings, start)));
    code.recv_timeout(SOON * 2).expect("the run ends")
}

/// Exit codes cannot be compared, only shown.
#[track_caller]
fn assert_exit(code: ExitCode, expected: u8) {
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
}

fn signal_self(name: &str) {
    let kill = format!("kill -{name} {}", std::process::id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh is there").success());
}

async fn serve_nothing(service: &Service) -> anyhow::Result<()> {
    let listener = http::bind(([127, 0, 0, 1], 0).into()).await?;
    service.serve(listener, Router::new());
    Ok(())
}

/// A task that stops a while after it was asked to.
fn spawn_slow(service: &Service) {
    let shutdown = service.shutdown().clone();
    service.lifecycle.spawn("slow", async move {
        shutdown.soft().cancelled().await;
        let _ = timeout(Duration::from_millis(300), shutdown.hard().cancelled()).await;
        Ok(())
    });
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    let code = exit_of(ServiceSettings::default(), async |service| {
        serve_nothing(&service).await?;
        spawn_slow(&service);
        signal_self("TERM");
        Ok(())
    });
    assert_exit(code, 0);
}

#[test]
fn stop_that_arrives_as_several_signals_still_drains() {
    let code = exit_of(ServiceSettings::default(), async |service| {
        spawn_slow(&service);
        for name in ["TERM", "INT", "TERM", "INT"] {
            signal_self(name);
        }
        Ok(())
    });
    assert_exit(code, 0);
}

#[test]
fn interrupting_again_ends_at_once() {
    let settings = ServiceSettings { shutdown_grace: SOON, ..ServiceSettings::default() };
    let began = Instant::now();
    let code = exit_of(settings, async |service| {
        let shutdown = service.shutdown().clone();
        service.lifecycle.spawn("stubborn", async move {
            shutdown.soft().cancelled().await;
            // Somebody loses patience.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            signal_self("INT");
            shutdown.hard().cancelled().await;
            Ok(())
        });
        signal_self("TERM");
        Ok(())
    });
    assert!(began.elapsed() < SOON, "the grace was waited for");
    assert_exit(code, 1);
}

#[test]
fn signal_abandons_a_start_that_does_not_end() {
    let code = exit_of(ServiceSettings::default(), async |_| {
        signal_self("INT");
        std::future::pending().await
    });
    assert_exit(code, 0);
}

#[test]
fn panicking_task_makes_the_process_fail() {
    let code = exit_of(ServiceSettings::default(), async |service| {
        serve_nothing(&service).await?;
        service.lifecycle.spawn("doomed", async { if true { panic!("on purpose") } else { Ok(()) } });
        Ok(())
    });
    assert_exit(code, 1);
}

#[test]
fn bad_setting_found_late_exits_with_64_and_other_failures_with_1() {
    let settings = ServiceSettings::default();
    let bad = async |_| Err(anyhow::Error::from(BadSetting::new("the third address is not valid")).context("shards"));
    assert_exit(exit_of(settings.clone(), bad), 64);
    assert_exit(exit_of(settings.clone(), async |_| anyhow::bail!("out of luck")), 1);
    let no_file = ServiceSettings { clients_file: Some("/nowhere".into()), ..settings.clone() };
    assert_exit(exit_of(no_file, async |_| Ok(())), 64);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_use = async move |_| {
        let error = http::bind(address).await.expect_err("the port is taken");
        assert_eq!(format!("{error:#}"), format!("cannot listen on {address}: Address already in use (os error 98)"));
        Err(error)
    };
    assert_exit(exit_of(settings, in_use), 1);
}
