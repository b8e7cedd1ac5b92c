//! The servers that all tests share.

use forebay_stack::shared;

#[tokio::test]
async fn every_test_gets_databases_of_its_own_on_different_servers() {
    let shared = shared().await;
    let urls = shared.create_databases(4, "Own Databases!").await;
    let more = shared.create_database("owndatabases").await;
    assert!(!urls.contains(&more));
    let mut servers = Vec::new();
    for url in &urls {
        assert_eq!(shared.sql(url, "create table mine (id int)").await.expect("psql"), "");
        servers.push(shared.sql(url, "show data_directory").await.expect("psql"));
    }
    assert_eq!(servers[0], servers[3]);
    servers.truncate(3);
    servers.sort();
    servers.dedup();
    assert_eq!(servers.len(), 3);
}

#[tokio::test]
async fn prefixes_differ_and_are_fit_for_names() {
    let shared = shared().await;
    let (one, two) = (shared.unique_prefix("A hint, rather too long for a name"), shared.unique_prefix("hint"));
    assert_ne!(one, two);
    for name in [one, two] {
        assert!(name.len() <= 40 && name.starts_with('t'), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
    }
}
