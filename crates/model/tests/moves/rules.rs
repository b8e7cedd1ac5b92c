//! The decisions of the crate, and mistakes that can be planted in them: each changes one decision, and nothing else.

use forebay_model::ownership::{
    Act, Change, CopyFate, Duty, Logged, MoveEntry, MoveId, NewState, Ownership, Phase, Pick, Reading, RowFate, Scene,
    Side, Sighting, State, Sums, Taken, Tenure, Wishes, reader,
};
use forebay_model::{Epoch, Position, ShardId};

use crate::world::at;

/// What somebody could get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    StoresWhatItDoesNotOwn,
    CommitsBeforeItSendsOn,
    StoresBeforeTheActivation,
    ComparesWhileTheSourceStores,
    ComparesBeforeTheTargetAwaits,
    RoutesBeforeTheReleaseIsLogged,
    ForgetsToLetTheTargetWait,
    CopiesIntoTheTables,
    IgnoresEpochs,
    TurnsBackWhatIsActivated,
    SendsTheTargetAwayFirst,
    CleansBesideTheLog,
    DoesNotLookAgain,
    BelievesItsMap,
    TakesCleanedForEmpty,
    ForgetsWhatWasSentOn,
    CountsParkedAsStored,
    TakesCopiesAtAnyTime,
    OriginsHaveNoBeginning,
    OvertakesWhatIsParked,
    PicksAnyOwner,
    AsksAgainOnlyWhereCleaned,
    GoesByTheEndOfABatch,
    KeepsWhatItDecided,
    ForgetsThatItRefused,
    TakesTargetsForNew,
}

/// The decisions, with the mistakes that are planted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Mistake>);

impl Rules {
    pub(crate) fn with(mistakes: &[Mistake]) -> Self {
        Self(mistakes.to_vec())
    }

    pub(crate) fn has(&self, mistake: Mistake) -> bool {
        self.0.contains(&mistake)
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    // --- writers ---------------------------------------------------------------------------------------------------

    pub(crate) fn row(&self, ownership: &Ownership, here: ShardId, map: ShardId, is_any_parked: bool) -> RowFate {
        let decides = match ownership.state {
            State::Released { .. } => self.has(Mistake::StoresWhatItDoesNotOwn),
            State::Awaiting { .. } => self.has(Mistake::StoresBeforeTheActivation),
            _ => false,
        };
        if decides {
            return RowFate::Decide { copy_to: None };
        }
        ownership.row(here, map, is_any_parked && !self.has(Mistake::OvertakesWhatIsParked))
    }

    pub(crate) fn copy(&self, ownership: &Ownership, of: MoveId) -> CopyFate {
        let takes = self.has(Mistake::TakesCopiesAtAnyTime) && ownership.state.owns();
        if takes { CopyFate::Store } else { ownership.copy(of) }
    }

    pub(crate) fn take(
        &self,
        ownership: &Ownership,
        change: &Change,
        at: Position,
        sums: impl FnOnce() -> Sums,
    ) -> Taken {
        let sums = || match &change.state {
            NewState::Owned { inherits: Some(expected) } if self.has(Mistake::StoresBeforeTheActivation) => {
                expected.sums.clone()
            }
            _ => sums(),
        };
        match ownership.take(change, at, sums) {
            Taken::Late | Taken::Unfit if self.has(Mistake::IgnoresEpochs) => {
                let state = change.state.state();
                Taken::Changed(
                    Ownership { state, epoch: change.epoch, of: Some(change.of), ..ownership.clone() },
                    Duty::Nothing,
                )
            }
            Taken::Changed(next, Duty::DeleteRows) if self.has(Mistake::CleansBesideTheLog) => {
                Taken::Changed(next, Duty::Nothing)
            }
            Taken::Changed(next, Duty::ParkDecided) if self.has(Mistake::KeepsWhatItDecided) => {
                Taken::Changed(next, Duty::Nothing)
            }
            taken => taken,
        }
    }

    // --- movers ----------------------------------------------------------------------------------------------------

    /// What a mover may do: the one thing that is next, and by mistake something else. `is_less`: everything that the source has is
    /// stored or dead at the target.
    pub(crate) fn acts(&self, scene: Scene<'_>, wishes: Wishes, act: Act, is_less: bool) -> Vec<Act> {
        let MoveEntry { from, to, epoch, .. } = *scene.entry;
        let (source, target) = (scene.source.ownership, scene.target.ownership);
        let is_logged = |shard| scene.logged.contains(&(shard, epoch));
        match &scene.entry.phase {
            Phase::Releasing if self.has(Mistake::RoutesBeforeTheReleaseIsLogged) && is_logged(to) => {
                vec![act, Act::Decide(Phase::Routed)]
            }
            Phase::Releasing if self.has(Mistake::ForgetsToLetTheTargetWait) => {
                let logged = scene.logged.iter().copied().chain([(to, epoch)]).collect();
                vec![Scene { logged: &logged, ..scene }.next(wishes).act]
            }
            Phase::Routed => vec![self.routed(scene, wishes, act, is_less)],
            Phase::Active(_)
                if self.has(Mistake::TurnsBackWhatIsActivated) && wishes.turn_back && target.epoch < epoch =>
            {
                vec![Act::Decide(Phase::TurnedBack)]
            }
            Phase::Active(_) | Phase::Owned if self.has(Mistake::CleansBesideTheLog) && target.epoch >= epoch => {
                vec![Act::Finish]
            }
            Phase::Refused if self.has(Mistake::ForgetsThatItRefused) => vec![Act::Decide(Phase::TurnedBack)],
            Phase::TurnedBack
                if self.has(Mistake::SendsTheTargetAwayFirst) && is_logged(from) && source.epoch < epoch =>
            {
                let away = scene.entry.to_target().filter(|_| !is_logged(to));
                away.map(|change| Act::Append(to, change)).into_iter().collect()
            }
            _ => vec![act],
        }
    }

    fn routed(&self, scene: Scene<'_>, wishes: Wishes, act: Act, is_less: bool) -> Act {
        let MoveEntry { of, from, to, epoch, .. } = *scene.entry;
        let (source, target) = (scene.source.ownership, scene.target.ownership);
        if self.has(Mistake::RoutesBeforeTheReleaseIsLogged)
            && source.state.owns()
            && !scene.logged.iter().any(|&(at, by)| at == from && by > of.0)
        {
            let state = NewState::Released { to };
            return Act::Append(from, Change { unit: scene.entry.unit, epoch, of, state });
        }
        let mut seen = (source.clone(), target.clone());
        if self.has(Mistake::ComparesWhileTheSourceStores) && source.state.owns() {
            let left = source.tenure.map(|tenure| tenure.since);
            seen.0.state = State::Released { to };
            seen.0.tenure = source.tenure.map(|tenure| Tenure { left, ..tenure });
        }
        if self.has(Mistake::ComparesBeforeTheTargetAwaits) {
            (seen.1.state, seen.1.of) = (State::Awaiting { from }, Some(of));
        }
        let scene = Scene {
            source: Side { ownership: &seen.0, ..scene.source },
            target: Side { ownership: &seen.1, ..scene.target },
            ..scene
        };
        if self.has(Mistake::StoresBeforeTheActivation) && is_less {
            let equal = forebay_model::ownership::Compared::Equal(Sums::default());
            return Scene { compared: Some(&equal), ..scene }.next(wishes).act;
        }
        if self.is_any() { scene.next(wishes).act } else { act }
    }

    /// What the map says next.
    pub(crate) fn followed_by(&self, entry: &MoveEntry, phase: Phase, epoch: Epoch) -> Option<MoveEntry> {
        let forced = self.has(Mistake::TurnsBackWhatIsActivated).then(|| MoveEntry {
            epoch,
            phase: phase.clone(),
            ..entry.clone()
        });
        entry.followed_by(phase, epoch).or(forced)
    }

    // --- readers ---------------------------------------------------------------------------------------------------

    pub(crate) fn reading(&self, start: ShardId, receipt: &[Logged], sightings: &[Sighting<'_>]) -> Reading {
        if self.has(Mistake::BelievesItsMap) {
            let here = sightings.iter().rfind(|sighting| sighting.shard == start);
            let is_reached = |position: Position| here.is_some_and(|here| here.position.covers(position));
            let is_behind = receipt.iter().any(|logged| logged.shard == start && !is_reached(logged.last));
            return if is_behind { Reading::Wait(start) } else { Reading::Answer(start) };
        }
        let batch: Vec<Logged> = receipt.iter().map(|logged| Logged { first: logged.last, ..*logged }).collect();
        let receipt = if self.has(Mistake::GoesByTheEndOfABatch) { &batch[..] } else { receipt };
        let ownerships: Vec<Ownership> = sightings.iter().map(|sighting| self.seen(sighting.ownership)).collect();
        let seen = sightings.iter().zip(&ownerships).map(|(sighting, ownership)| Sighting {
            ownership,
            parked_from: sighting.parked_from.filter(|_| !self.has(Mistake::CountsParkedAsStored)),
            ..*sighting
        });
        if self.is_any() {
            reader::next(start, receipt, &seen.collect::<Vec<_>>())
        } else {
            reader::next(start, receipt, sightings)
        }
    }

    /// What a reader makes of what a shard says.
    fn seen(&self, ownership: &Ownership) -> Ownership {
        let mut seen = if self.is_any() { ownership.clone() } else { Ownership::default() };
        if let (State::Cleaned { to }, true) = (seen.state, self.has(Mistake::TakesCleanedForEmpty)) {
            seen.state = State::Released { to };
        }
        if seen.state.takes_copies() && self.has(Mistake::TakesTargetsForNew) {
            seen.tenure = None;
        }
        if self.has(Mistake::ForgetsWhatWasSentOn) {
            seen.edges.clear();
        }
        if self.has(Mistake::OriginsHaveNoBeginning) {
            let tenures = seen.origins.values_mut().chain(&mut seen.tenure).filter(|tenure| tenure.left.is_some());
            tenures.for_each(|tenure| tenure.since = at(0));
        }
        seen
    }

    pub(crate) fn pick<'a>(&self, seen: impl Iterator<Item = (ShardId, &'a Ownership)> + Clone) -> Pick {
        let mut seen = seen;
        if self.has(Mistake::PicksAnyOwner) {
            let holds = |state: State| state.owns() || matches!(state, State::Released { .. });
            return seen
                .find(|(_, ownership)| holds(ownership.state))
                .map_or(Pick::Nobody, |(shard, _)| Pick::From(shard));
        }
        if self.has(Mistake::AsksAgainOnlyWhereCleaned) {
            let is_target = |ownership: &Ownership| ownership.state.takes_copies();
            return reader::pick(seen.filter(|(_, ownership)| !is_target(ownership)));
        }
        reader::pick(seen)
    }
}
