//! Two bindings that want one key of a Secret, which nobody could see when they were written.

use lockstep_proto::v1::Reject;
use lockstep_proto::v1::reject::Kind;
use serde_json::json;
use uuid::Uuid;

use crate::shop::{Delivery, ONE, Shop, TWO, value};

// Ids say nothing: they are random.
const OLDER: Uuid = TWO;
const YOUNGER: Uuid = ONE;

fn older(shop: &Shop, seq: u64, values: &[(&'static str, &str)]) -> Delivery {
    Delivery { binding: OLDER, registered_us: 1_000, ..shop.delivery(seq, values) }
}

/// One that takes what it can.
fn younger(shop: &Shop, seq: u64, values: &[(&'static str, &str)]) -> Delivery {
    let mut younger = Delivery { binding: YOUNGER, registered_us: 1_001, ..shop.delivery(seq, values) };
    younger.target.adopt = true;
    younger
}

fn names_the_older(reject: &Reject) {
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("key K"), "{}", reject.cause);
    assert!(reject.cause.contains(&OLDER.to_string()), "{}", reject.cause);
}

#[tokio::test]
async fn the_older_of_two_bindings_has_a_key_whoever_came_first() {
    for (came_first, text) in [(OLDER, "another"), (OLDER, "the same"), (YOUNGER, "another"), (YOUNGER, "the same")] {
        let mut shop = Shop::open().await;
        let (older, younger) = (older(&shop, 6, &[("K", "the same")]), younger(&shop, 5, &[("K", text), ("Y", "y")]));
        if came_first == OLDER {
            shop.deliver(&older).await.unwrap();
        } else {
            shop.deliver(&younger).await.unwrap();
            shop.watched().await;
            shop.deliver(&older).await.unwrap();
            // It is told at once what it lost.
            shop.needed(YOUNGER).await;
        }
        names_the_older(&shop.deliver(&younger).await.unwrap_err());
        assert_eq!(shop.data().await.unwrap()["K"], value("the same"));
        // From then on they stand as they are: the older rotates, the younger is refused.
        shop.deliver(&self::older(&shop, 7, &[("K", "rotated")])).await.unwrap();
        names_the_older(&shop.deliver(&self::younger(&shop, 8, &[("K", "more"), ("Y", "y")])).await.unwrap_err());
        assert_eq!(shop.data().await.unwrap()["K"], value("rotated"));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_deleted_secret_goes_back_to_the_older_of_two_bindings() {
    let mut shop = Shop::open().await;
    let (older, younger) = (older(&shop, 5, &[("K", "older's")]), younger(&shop, 6, &[("K", "younger's")]));
    shop.deliver(&older).await.unwrap();
    names_the_older(&shop.deliver(&younger).await.unwrap_err());
    shop.delete("db").await;
    // The server tries again what was refused, and may do it before the older one is restored.
    names_the_older(&shop.deliver(&younger).await.unwrap_err());
    assert!(shop.get("db").await.is_none());
    shop.deliver(&older).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("older's") }));
    // Once it is gone, the other one's turn has come.
    shop.remove(OLDER, 7, true).await.unwrap();
    shop.deliver(&younger).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("younger's") }));
    shop.close().await;
}

#[tokio::test]
async fn a_younger_binding_gets_back_what_an_older_one_took_once_that_is_gone() {
    for purge in [true, false] {
        let mut shop = Shop::open().await;
        let younger = younger(&shop, 5, &[("K", "younger's"), ("Y", "y")]);
        shop.deliver(&younger).await.unwrap();
        shop.watched().await;
        shop.deliver(&older(&shop, 6, &[("K", "older's"), ("O", "o")])).await.unwrap();
        shop.needed(YOUNGER).await;
        names_the_older(&shop.deliver(&younger).await.unwrap_err());
        assert_eq!(shop.data().await.unwrap(), json!({ "K": value("older's"), "O": value("o"), "Y": value("y") }));
        shop.remove(OLDER, 7, purge).await.unwrap();
        shop.deliver(&younger).await.unwrap();
        let data = shop.data().await.unwrap();
        assert_eq!((&data["K"], data.get("O").is_some()), (&json!(value("younger's")), !purge));
        shop.close().await;
    }
}

#[tokio::test]
async fn where_a_server_says_no_dates_who_came_first_keeps_the_key() {
    let mut shop = Shop::open().await;
    let undated = |delivery| Delivery { registered_us: 0, ..delivery };
    shop.deliver(&undated(younger(&shop, 5, &[("K", "first")]))).await.unwrap();
    for older in [older(&shop, 6, &[("K", "second")]), undated(older(&shop, 7, &[("K", "second")]))] {
        let reject = shop.deliver(&older).await.unwrap_err();
        assert!(reject.kind() == Kind::Conflict && reject.cause.contains(&YOUNGER.to_string()), "{}", reject.cause);
    }
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("first") }));
    shop.close().await;
}
