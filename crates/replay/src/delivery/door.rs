//! Whether an address is that of another service than it is taken for.

use forebay_client::{Client, Refusal, Role};

/// Why a service of a client refuses: what it says or, where it does not know what it is asked for, that it is another one than is meant.
pub(crate) async fn refused(client: &Client, meant: Role, refusal: &Refusal) -> String {
    let said = format!("{meant} answers {refusal}");
    if !matches!(refusal.status, 404 | 405) {
        return said;
    }
    let Some(welcome) = client.welcome(meant).await else { return said };
    if welcome.name != "forebay" || welcome.roles.contains(&meant.to_string()) {
        return said;
    }
    let flag = if meant == Role::Query { "--query" } else { "--to" };
    let (address, is) = (client.address(meant), welcome.roles.join(" and "));
    format!("{address} is {is}, and not {meant}: {flag} wants the address of {meant}, such as {}", meant.url_default())
}
