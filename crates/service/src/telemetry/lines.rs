//! Lines of the log that say which request they are about.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::request_name::RequestName;

/// Lines of another form, with the name of the request that is being answered, where one is, at their end.
pub(super) struct Named<F> {
    form: F,
    /// What a line ends with, and what the name stands between.
    end: [&'static str; 3],
}

impl<F> Named<F> {
    pub(super) fn text(form: F) -> Self {
        Self { form, end: ["\n", " request_id=", "\n"] }
    }

    /// A name has nothing that would have to be escaped.
    pub(super) fn json(form: F) -> Self {
        Self { form, end: ["}\n", ",\"request_id\":\"", "\"}\n"] }
    }
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(name) = RequestName::current() else { return self.form.format_event(context, writer, event) };
        let mut line = String::new();
        self.form.format_event(context, Writer::new(&mut line), event)?;
        let [end, before, after] = self.end;
        write!(writer, "{}{before}{name}{after}", line.strip_suffix(end).unwrap_or(&line))
    }
}
