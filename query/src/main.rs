//! The query service.

use std::process::ExitCode;

use forebay_query::Settings;
use forebay_service::http;

fn main() -> ExitCode {
    let settings: Settings = forebay_service::parse();
    forebay_service::run("forebay-query", &settings.service, async |service| {
        let listener = http::bind(settings.listen).await?;
        let api = forebay_query::start(&settings, &service)?;
        service.serve(listener, api);
        Ok(())
    })
}
