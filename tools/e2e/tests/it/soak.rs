use forebay_e2e::soak::{self, History};

/// As `./dev soak events`, with fewer.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_of_arrival_every_list_and_total_is_what_a_model_says_that_sorts_first() {
    let history = History { seed: rand::random(), orders: 1000 };
    println!("seed {}", history.seed);
    assert!(soak::events(history).await.unwrap());
}
