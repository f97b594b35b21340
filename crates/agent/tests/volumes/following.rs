//! What a replica that stands by makes of what goes wrong with the one that works.

use std::fs;

use lockstep_testbed::wait;
use uuid::Uuid;

use crate::fixture::{BINDING, write_private};
use crate::site::PATIENCE;
use crate::two::Two;

/// Another binding, with which nothing is wrong.
const OTHER: Uuid = Uuid::from_u128(0xb2);
const FAILURES: &str = "lockstep_agent_volume_cache_failures_total";

/// A key of a cache, as `openssl rand -base64 32` prints one.
const FIRST_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const SECOND_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=\n";

#[tokio::test]
async fn with_the_others_disk_full_a_standby_keeps_the_rest_and_gives_no_older_version() {
    let mut two = Two::start(|_| {}).await;
    two.site.deliver(&mut two.link, 1, "one").await;
    two.site.deliver_as(&mut two.link, OTHER, "other", 2, "unchanged").await;
    let standby = two.beside(|_| {}).await;
    two.given(&standby.client, "checkout-db", "one").await;
    two.given(&standby.client, "other", "unchanged").await;
    assert_eq!(standby.judged(), ["follow", "lease", "volumes"]);

    // As where there is no room: the new file cannot be written aside, and the former one stays.
    let aside = two.file(0, BINDING).with_extension("sealed.tmp");
    fs::create_dir(&aside).unwrap();
    two.site.deliver(&mut two.link, 3, "two").await;
    assert!(two.file(0, BINDING).exists());
    assert!(two.ask(&two.client, "checkout-db").await.unwrap().ends_with("two"), "pods get it all the same");
    two.not_given(&standby.client, "checkout-db").await;
    assert!(!two.file(1, BINDING).exists(), "the former one stays on the other disk");
    assert!(two.ask(&standby.client, "other").await.unwrap().ends_with("unchanged"));

    fs::remove_dir(&aside).unwrap();
    two.site.deliver(&mut two.link, 4, "three").await;
    two.given(&standby.client, "checkout-db", "three").await;
    two.end(standby).await;
}

#[tokio::test]
async fn what_was_damaged_on_the_others_disk_is_refused_and_said_until_it_is_whole_again() {
    let mut two = Two::start(|_| {}).await;
    two.site.deliver(&mut two.link, 1, "one").await;
    two.site.deliver_as(&mut two.link, OTHER, "other", 2, "unchanged").await;
    let mut bytes = fs::read(two.file(0, BINDING)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(two.file(0, BINDING), bytes).unwrap();

    let standby = two.beside(|_| {}).await;
    two.given(&standby.client, "other", "unchanged").await;
    two.not_given(&standby.client, "checkout-db").await;
    standby.answers(503, "does not have yet what pods may mount: of 1 bindings it cannot be used here").await;
    standby.answers(503, "it is not as it was sealed in this cluster").await;
    assert!(standby.metric(FAILURES) >= 1.0);
    assert!(!two.file(1, BINDING).exists() && two.file(1, OTHER).exists());

    two.site.deliver(&mut two.link, 3, "two").await;
    two.given(&standby.client, "checkout-db", "two").await;
    standby.answers(200, "standing by").await;
    two.end(standby).await;
}

#[tokio::test]
async fn of_one_that_works_without_a_cache_a_standby_says_so_and_asks_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["wrong", "right"].map(|name| folder.path().join(name));
    write_private(&files[0], "no key\n");
    write_private(&files[1], FIRST_KEY);
    let mut two = Two::start(|arguments| arguments.cache.key_file = Some(files[0].clone())).await;
    two.site.deliver(&mut two.link, 1, "one").await;
    let standby = two.beside(|arguments| arguments.cache.key_file = Some(files[1].clone())).await;
    standby.answers(503, "the replica that works has no cache, so there is nothing to follow").await;
    let asked = || two.site.fixture.metric("lockstep_agent_token_reviews_total").parse::<f64>().unwrap();
    let before = asked();
    wait::until("it to ask again", PATIENCE, async || asked() >= before + 2.0).await.unwrap();
    standby.answers(503, "has no cache").await;
    two.not_given(&standby.client, "checkout-db").await;
    two.end(standby).await;
}

#[tokio::test]
async fn with_other_keys_a_standby_takes_nothing_and_all_of_it_once_its_keys_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["first", "second"].map(|name| folder.path().join(name));
    write_private(&files[0], FIRST_KEY);
    write_private(&files[1], SECOND_KEY);
    let mut two = Two::start(|arguments| arguments.cache.key_file = Some(files[0].clone())).await;
    two.site.deliver(&mut two.link, 1, "one").await;
    two.site.deliver_as(&mut two.link, OTHER, "other", 2, "unchanged").await;

    let standby = two.beside(|arguments| arguments.cache.key_file = Some(files[1].clone())).await;
    standby.answers(503, "of 2 bindings it cannot be used here, of one because it was sealed with key").await;
    two.not_given(&standby.client, "checkout-db").await;
    assert!(!two.file(1, BINDING).exists());
    // The kubelet puts the file right while the agent runs.
    write_private(&files[1], &format!("{SECOND_KEY}{FIRST_KEY}"));
    standby.answers(200, "standing by").await;
    two.given(&standby.client, "checkout-db", "one").await;
    two.given(&standby.client, "other", "unchanged").await;
    let said = two.site.log.text().matches("cannot be used here; it is asked for again").count();
    assert!(said >= 2, "each is said");
    two.end(standby).await;
}
