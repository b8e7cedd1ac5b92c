//! [`forebay_service::run`] as a `main` calls it, exit codes and signals included.

use std::process::{Command, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use forebay_service::{BadSetting, ServiceSettings, http, run};

use crate::server::SOON;

/// Signals reach every `run` of this process, so one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
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

#[test]
fn sigterm_drains_and_exits_with_0() {
    let _alone = alone();
    let code = run("test", &ServiceSettings::default(), async |service| {
        let listener = http::bind(([127, 0, 0, 1], 0).into()).await?;
        service.serve(listener, Router::new());
        signal_self("TERM");
        Ok(())
    });
    assert_exit(code, 0);
}

#[test]
fn second_signal_ends_at_once() {
    let _alone = alone();
    let settings = ServiceSettings { shutdown_grace: SOON * 100, ..ServiceSettings::default() };
    let code = run("test", &settings, async |service| {
        let shutdown = service.shutdown().clone();
        service.lifecycle.spawn("stubborn", async move {
            shutdown.soft().cancelled().await;
            signal_self("INT");
            shutdown.hard().cancelled().await;
            Ok(())
        });
        signal_self("TERM");
        Ok(())
    });
    assert_exit(code, 1);
}

#[test]
fn signal_abandons_a_start_that_does_not_end() {
    let _alone = alone();
    let code = run("test", &ServiceSettings::default(), async |_| {
        signal_self("INT");
        std::future::pending().await
    });
    assert_exit(code, 0);
}

#[test]
fn panicking_task_makes_the_process_fail() {
    let _alone = alone();
    let code = run("test", &ServiceSettings::default(), async |service| {
        let listener = http::bind(([127, 0, 0, 1], 0).into()).await?;
        service.serve(listener, Router::new());
        service.lifecycle.spawn("doomed", async { if true { panic!("on purpose") } else { Ok(()) } });
        Ok(())
    });
    assert_exit(code, 1);
}

#[test]
fn bad_setting_found_late_exits_with_64_and_other_failures_with_1() {
    let _alone = alone();
    let settings = ServiceSettings::default();
    let bad = async |_| Err(anyhow::Error::from(BadSetting::new("the third address is none")).context("shards"));
    assert_exit(run("test", &settings, bad), 64);
    assert_exit(run("test", &settings, async |_| anyhow::bail!("out of luck")), 1);
    let no_file = ServiceSettings { clients_file: Some("/nowhere".into()), ..settings.clone() };
    assert_exit(run("test", &no_file, async |_| Ok(())), 64);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_use = async |_| {
        let error = http::bind(address).await.expect_err("the port is taken");
        assert_eq!(format!("{error:#}"), format!("cannot listen on {address}: Address already in use (os error 98)"));
        Err(error)
    };
    assert_exit(run("test", &settings, in_use), 1);
}
