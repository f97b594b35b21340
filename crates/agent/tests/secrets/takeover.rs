use lockstep_agent::command::SecretAccess;
use lockstep_proto::v1::reject::Kind;
use serde_json::json;

use crate::shop::{ONE, Shop, value};

#[tokio::test]
async fn who_led_before_cannot_write_over_what_the_next_one_wrote() {
    let mut before = Shop::open().await;
    before.deliver(&before.delivery(5, &[("K", "five")])).await.unwrap();
    before.watched().await;
    let mut next = before.second().await;
    next.deliver(&next.delivery(7, &[("K", "seven")])).await.unwrap();
    // Both what its watch told it of the new version, and what it had under way before: older is older.
    for seq in [6, 6] {
        let reject = before.deliver(&before.delivery(seq, &[("K", "six")])).await.unwrap_err();
        println!("{}", reject.cause);
        assert_eq!(reject.kind(), Kind::Older);
        assert!(reject.cause.contains("1.6 is older than 1.7"), "{}", reject.cause);
    }
    assert_eq!(before.data().await.unwrap(), json!({ "K": value("seven") }));
    before.deliver(&before.delivery(8, &[("K", "eight")])).await.unwrap();
    assert_eq!(before.data().await.unwrap(), json!({ "K": value("eight") }));
    before.close().await;
    next.close().await;
}

#[tokio::test]
async fn a_version_that_is_not_the_present_one_is_not_written_over() {
    // Without a watch, nothing tells it of what the next one wrote.
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete"] }]);
    let mut before = Shop::with(SecretAccess::Namespaces, &rules).await;
    before.deliver(&before.delivery(5, &[("K", "five")])).await.unwrap();
    let mut next = before.second().await;
    next.deliver(&next.delivery(7, &[("K", "seven")])).await.unwrap();
    let reject = before.deliver(&before.delivery(6, &[("K", "six")])).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Older && reject.cause.contains("which is there already"), "{}", reject.cause);
    assert_eq!((before.requests("patch", Some("409")), before.requests("get", Some("200"))), (1, 1));
    assert_eq!(before.data().await.unwrap(), json!({ "K": value("seven") }));
    before.deliver(&before.delivery(8, &[("K", "eight")])).await.unwrap();
    assert_eq!(before.data().await.unwrap(), json!({ "K": value("eight") }));
    before.close().await;
    next.close().await;
}

#[tokio::test]
async fn who_takes_over_knows_by_the_mark_what_was_applied_last() {
    let mut shop = Shop::open().await;
    let delivery = shop.delivery(5, &[("K", "five")]);
    shop.deliver(&delivery).await.unwrap();
    let mut next = shop.second().await;
    // As its state would say, were it behind: an older revision of the same target.
    let first = next.deliver(&next.delivery(4, &[("K", "four")])).await.unwrap_err();
    assert_eq!(first.kind(), Kind::Older);
    next.deliver(&next.delivery(5, &[("K", "five")])).await.unwrap();
    shop.deliver(&shop.delivery(6, &[("K", "six")])).await.unwrap();
    next.restart().await;
    let held = &next.hello.inventory[0];
    assert_eq!((held.binding.as_slice(), held.revision), (ONE.as_bytes().as_slice(), crate::fixture::revision(6)));
    shop.close().await;
    next.close().await;
}
