use super::who::tests::user;
use super::*;

#[test]
fn only_a_token_that_was_found_good_for_our_audience_is() {
    let status = |authenticated: Option<bool>, audiences: Option<&[&str]>| TokenReviewStatus {
        authenticated,
        audiences: audiences.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
        user: Some(user("system:serviceaccount:shop:web", &[])),
        error: None,
    };
    assert!(good(&status(Some(true), Some(&["lockstep"]))).is_some());
    for (authenticated, audiences) in [
        (Some(true), None),
        (Some(true), Some(&[][..])),
        (Some(true), Some(&["vault"][..])),
        (Some(false), Some(&["lockstep"][..])),
        (None, Some(&["lockstep"][..])),
    ] {
        assert_eq!(good(&status(authenticated, audiences)), None, "{authenticated:?} {audiences:?}");
    }
}

#[test]
fn what_the_api_server_said_of_a_token_is_not_repeated() {
    for code in [400, 403, 422, 500] {
        assert!(!away(&RequestError::Refused { code, message: "canary".to_owned() }).contains("canary"));
    }
    assert!(!away(&RequestError::Failed("canary".to_owned())).contains("canary"));
}
