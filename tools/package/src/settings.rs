//! The file that the units read: every setting of the services, with what it is for and what it is where nothing is said.

use std::collections::BTreeSet;

use clap::{Arg, Command};

const HEAD: &str = "\
# Settings of Forebay's services, as environment variables. A line that begins with # is not read: what stands there is what
# holds where nothing is said. After a change: systemctl restart forebay.target
# What stands here can have passwords in it, so only root and the group forebay may read it.
";

/// The whole file.
pub(crate) fn file(command: &Command) -> String {
    let mut file = HEAD.to_owned();
    // What several services have stands with the first of them.
    let mut told = BTreeSet::new();
    for name in ["ingest", "writer", "query"] {
        let service = command.find_subcommand(name).expect("the command has the services");
        let about = service.get_about().cloned().unwrap_or_default().to_string();
        file.extend(["\n# ==== forebay ", name, ": ", &about, "\n"]);
        for setting in service.get_arguments() {
            let Some(variable) = setting.get_env() else { continue };
            let variable = variable.to_string_lossy();
            if told.insert(variable.to_string()) {
                file += &entry(setting, &variable);
            }
        }
    }
    file
}

fn entry(setting: &Arg, variable: &str) -> String {
    let help = setting.get_long_help().or(setting.get_help()).cloned().unwrap_or_default().to_string();
    let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let mut entry = String::from("\n");
    for line in help.lines() {
        entry += format!("# {line}").trim_end();
        entry.push('\n');
    }
    entry + &format!("#{variable}={}\n", quoted(&defaults.join(",")))
}

/// A value that has what the reader of the file would take for something else.
fn quoted(value: &str) -> String {
    if value.contains([' ', '"', '\'', '\\', '#', ';', '|', '$']) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_a_service_that_is_missing_could_not_be_found_by_its_operator() {
        let command = forebay_cli::command_line();
        let file = file(&command);
        for name in ["ingest", "writer", "query"] {
            for setting in command.find_subcommand(name).expect("there").get_arguments() {
                let Some(variable) = setting.get_env() else { continue };
                let line = format!("\n#{}=", variable.to_string_lossy());
                assert_eq!(file.matches(&line).count(), 1, "{line}");
            }
        }
        assert!(file.lines().all(|line| line.is_empty() || line.starts_with('#')), "{file}");
    }

    #[test]
    fn an_address_with_two_servers_stays_one_value() {
        assert_eq!(quoted("postgres://a|b"), "\"postgres://a|b\"");
        assert_eq!(quoted("127.0.0.1:80"), "127.0.0.1:80");
    }
}
