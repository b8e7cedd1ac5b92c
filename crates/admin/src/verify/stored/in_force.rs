//! The views that a shard derives facts with, against those of the map.

use anyhow::Result;
use forebay_model::Lane;
use forebay_shard::ViewsInForce;
use forebay_shard::check::Snapshot;

use crate::verify::report::DifferenceKind;
use crate::verify::verification::Verification;

impl Verification<'_> {
    /// A view is ready only when every shard has taken it, and stays in force until the map drops it.
    pub(crate) async fn views_in_force(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        // Where nothing was ever read, the shard begins with the map's.
        let Some(taken) = ViewsInForce::read(snapshot.connection()).await? else { return Ok(()) };
        for view in self.scope.map.settings().views.ready().iter() {
            if taken.views.get(view.id).is_none() {
                let detail = format!("the view {} is ready, and this shard does not derive it", view.spec);
                self.report.differs(snapshot.shard(), Lane::Views, DifferenceKind::Fact, detail);
            }
        }
        Ok(())
    }
}
