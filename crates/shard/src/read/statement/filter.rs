//! Which orders of a list are wanted.

use std::fmt;

use forebay_model::{Lane, OrderKind, Status};

/// Which orders of a list are wanted: by default all. Its `Display` tells it from every other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Those of that kind.
    pub kind: Option<OrderKind>,
    /// Those of that status.
    pub status: Option<Status>,
}

impl Filter {
    /// Whether everything is wanted.
    pub fn is_open(self) -> bool {
        self == Self::default()
    }

    /// Filters that leave together what this one leaves, each by a walk along one index: the indexes by status are by kind, too.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let is_split = self.status.is_some() && self.kind.is_none();
        let kinds = if is_split { OrderKind::ALL.map(Some).to_vec() } else { vec![self.kind] };
        kinds.into_iter().map(move |kind| Self { kind, ..self })
    }

    /// As a condition in SQL on the rows of a lane. Its values are literals, so that the planner knows the indexes of few rows among many.
    pub(super) fn condition(self, lane: Lane, is_of_everybody: bool) -> String {
        let of_kind = self.kind.map(|kind| format!("and kind = '{kind}'")).unwrap_or_default();
        let Some(status) = self.status else { return of_kind };
        // Its value hidden, so that the indexes of returns are not taken: most returns are of one status.
        let of_kind = self.kind.map(|kind| format!("and kind = (select '{kind}'::text)")).unwrap_or_default();
        // What opens the index of everybody's orders, and leaves out none of them. A customer's list would do well to keep away from it.
        let opening = if is_of_everybody { "and bucket >= 0" } else { "" };
        // Where nothing has ever happened, nothing has to be looked through for what has.
        let events = if lane == Lane::Views { Lane::ViewEvents } else { Lane::Events }.table();
        let happened = if status == Status::Placed {
            String::new()
        } else {
            format!("and (select exists (select from {events}))")
        };
        format!("{of_kind} {happened} and status = {} {opening}", status.number())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.map_or(Ok(()), |kind| write!(f, "kind={kind}"))?;
        self.status.map_or(Ok(()), |status| write!(f, "&status={status}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_by_status_is_parted_and_its_parts_are_by_kind() {
        let parts = |kind, status| Filter { kind, status }.parts().map(|part| part.to_string()).collect::<Vec<_>>();
        assert_eq!(parts(None, None), [""]);
        assert_eq!(parts(Some(OrderKind::Return), None), ["kind=return"]);
        assert_eq!(parts(None, Some(Status::Placed)), ["kind=sale&status=placed", "kind=return&status=placed"]);
        assert_eq!(parts(Some(OrderKind::Sale), Some(Status::Shipped)), ["kind=sale&status=shipped"]);
    }
}
