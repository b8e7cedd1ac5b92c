//! The program: its settings and its end.

use std::process::Command;

#[test]
fn a_bad_setting_is_one_line_and_exit_64() {
    for (flag, value, says) in [
        ("--shards", "postgres://u:secret@h", "names no database"),
        ("--shards", "mysql://h/x", "postgres://user@host:port/database"),
        ("--nats", "http://[", "address of a NATS server"),
        ("--partition", "week", "day, hour and month"),
        ("--listen", "here", "--listen"),
    ] {
        let mut writer = Command::new(env!("CARGO_BIN_EXE_forebay-writer"));
        // Another writer may have the usual port.
        let run = writer.env("FOREBAY_WRITER_LISTEN", "127.0.0.1:0").args([flag, value]).output().unwrap();
        let text = String::from_utf8(run.stderr).unwrap();
        let line = text.lines().last().unwrap_or_default();
        assert_eq!(run.status.code(), Some(64), "{flag} {value}: {text}");
        assert!(line.contains(says) && !text.contains("secret"), "{flag} {value}: {text}");
    }
}
