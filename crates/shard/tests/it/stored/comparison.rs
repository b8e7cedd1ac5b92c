//! Facts as they should be, against what is stored.

use bytes::Bytes;
use forebay_model::Lane;
use forebay_shard::{Comparison, Disagreement};

use crate::facts::{fact, frame, overflowing};
use crate::scene::Scene;

#[tokio::test]
async fn what_is_missing_other_or_impossible_is_told_apart() {
    let scene = Scene::new("compared").await;
    let stored = [fact("A").order(), fact("B").order(), fact("C").at("2025-03-01T00:00:00Z").order()];
    scene.writer(Lane::Orders).await.commit(&[frame(1, &stored)]).await.unwrap();
    let mut comparison = Comparison::new(&scene.addresses(), Lane::Orders);
    let all: Vec<Bytes> = stored.iter().cloned().map(Bytes::from).collect();
    assert_eq!(comparison.differences(&all).await.unwrap(), []);
    assert_eq!(comparison.differences(&[]).await.unwrap(), []);

    let facts = [
        fact("C").at("2025-03-01T00:00:00Z").order(),
        overflowing(&fact("A")),
        fact("A").order(),
        fact("B").price(7).order(),
        // No partition is there for it.
        fact("D").at("2020-01-01T00:00:00Z").order(),
    ];
    let facts = facts.map(Bytes::from);
    let found = comparison.differences(&facts).await.unwrap();
    assert_eq!(found.iter().map(|difference| difference.fact).collect::<Vec<_>>(), [1, 3, 4]);
    assert!(matches!(&found[0].disagreement, Disagreement::Refused { detail } if detail.contains("overflow")));
    let Disagreement::Other { fact, stored } = &found[1].disagreement else { panic!("{found:?}") };
    assert!(fact.contains("\"total\": 7") && stored.contains("\"total\": 100"), "{fact} {stored}");
    assert!(matches!(&found[2].disagreement, Disagreement::Missing { fact } if fact.contains("\"D\"")));
    assert_eq!(scene.count("orders").await, 3);
}
