//! The writer service.

use std::process::ExitCode;

use forebay_service::http;
use forebay_writer::Settings;

fn main() -> ExitCode {
    let settings: Settings = forebay_service::parse();
    forebay_service::run("forebay-writer", &settings.service, async |service| {
        let listener = http::bind(settings.listen).await?;
        let api = forebay_writer::start(&settings, &service)?;
        service.serve(listener, api);
        Ok(())
    })
}
