//! Every schedule of a model, breadth first: a counterexample is one of the shortest.
//!
//! A search of our own rather than `stateright`: it is these lines, it brings no crates (that one brings 44), and it tells steps in words.
//! States are known by 64 bits of their hash; of ten million, two have the same with a probability of one in four hundred thousand,
//! and then one is not looked at.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A promise that does not hold, in words.
pub(crate) type Broken = String;

/// What takes note of a step: what it is called, and the state that it leads to, or the promise that it breaks.
pub(crate) type Visit<'a, S> = &'a mut dyn FnMut(&dyn Fn() -> String, Result<S, Broken>);

/// What is searched.
pub(crate) trait Model {
    type State: Hash;

    fn first(&self) -> Self::State;

    /// Everything that can happen next, in an order that depends on nothing but the state.
    fn steps(&self, state: &Self::State, visit: Visit<'_, Self::State>);

    /// What must always hold.
    fn check(&self, state: &Self::State) -> Result<(), Broken>;

    /// What must hold where nothing can happen any more.
    fn check_end(&self, state: &Self::State) -> Result<(), Broken>;
}

/// What a search has found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) broken: Option<Counterexample>,
}

/// How a promise is broken.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) promise: Broken,
    pub(crate) steps: Vec<String>,
}

/// How a state was reached first: by which step of which state.
#[derive(Clone, Copy)]
struct Came {
    from: u32,
    nth: u16,
}

/// Searches everything, or until a promise is broken.
pub(crate) fn explore<M: Model>(model: &M) -> Explored {
    let first = model.first();
    let mut known = HashSet::from([fingerprint(&first)]);
    let mut came = vec![Came { from: 0, nth: 0 }];
    let mut queue = VecDeque::from([(0, first)]);
    while let Some((number, state)) = queue.pop_front() {
        let mut nth = 0;
        let mut broken = model.check(&state).err().map(|promise| (promise, None));
        if broken.is_none() {
            model.steps(&state, &mut |_, next| {
                match next {
                    Ok(next) if known.insert(fingerprint(&next)) => {
                        queue.push_back((came.len() as u32, next));
                        came.push(Came { from: number, nth });
                    }
                    Ok(_) => {}
                    Err(promise) => broken = broken.take().or(Some((promise, Some(nth)))),
                }
                nth += 1;
            });
        }
        if nth == 0 && broken.is_none() {
            broken = model.check_end(&state).err().map(|promise| (promise, None));
        }
        if let Some((promise, last)) = broken {
            let steps = retrace(model, &came, number, last);
            return Explored { states: came.len(), broken: Some(Counterexample { promise, steps }) };
        }
    }
    Explored { states: came.len(), broken: None }
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// The steps to a state, and one more from there: they are taken again, since only their numbers were kept.
fn retrace<M: Model>(model: &M, came: &[Came], mut number: u32, last: Option<u16>) -> Vec<String> {
    let mut way: Vec<u16> = last.into_iter().collect();
    while number != 0 {
        let Came { from, nth } = came[number as usize];
        way.push(nth);
        number = from;
    }
    let mut state = Some(model.first());
    let mut steps = Vec::new();
    for taken in way.into_iter().rev() {
        let Some(here) = state.take() else { break };
        let mut nth = 0;
        model.steps(&here, &mut |name, next| {
            if nth == taken {
                steps.push(name());
                state = next.ok();
            }
            nth += 1;
        });
    }
    steps
}
