//! The seeds of a fuzz target, for the tests of the crate that the target looks into.

use std::path::Path;

/// Gives every seed of a target to its check, and names the one that it is at.
pub fn each(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz").join("seeds").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the target has seeds") {
        let path = entry.expect("the folder can be read").path();
        eprintln!("{}", path.display());
        check(&std::fs::read(&path).expect("the seed can be read"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
