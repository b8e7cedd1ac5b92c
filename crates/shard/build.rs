//! The migrations are embedded into the crate, and no compiler setting notices a new file among them.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
