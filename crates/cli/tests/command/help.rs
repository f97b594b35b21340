use crate::run::Place;

const COMMANDS: &[&str] = &[
    "login",
    "context",
    "context list",
    "context use",
    "context show",
    "context delete",
    "apply",
    "diff",
    "delete",
    "get",
    "describe",
    "status",
    "wait",
    "who-has",
    "deliveries",
    "sync",
    "audit",
    "audit verify",
    "doctor",
    "cluster",
    "cluster register",
    "cluster pause",
    "cluster resume",
    "cluster revoke",
    "cluster rejoin",
    "cluster remove",
    "cluster token",
    "cluster revoke-tokens",
    "confirm",
    "epoch",
    "epoch show",
    "epoch open",
    "log-filter",
    "log-filter show",
    "log-filter set",
    "log-filter reset",
    "import",
    "completion",
    "version",
];

#[test]
fn every_command_answers_help_with_an_example() {
    let place = Place::new();
    for command in COMMANDS {
        let done = place.run(&format!("{command} --help"));
        assert_eq!(done.code, 0, "{command}");
        assert!(done.stdout.contains("Examples:"), "{command}: {}", done.stdout);
        assert!(done.stdout.contains(&format!("lockstep {command}")), "{command}: {}", done.stdout);
        assert_eq!(done.stderr, "", "{command}");
    }
}

#[test]
fn every_argument_is_described() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.run(&format!("{command} -h")).stdout;
        let arguments = help.split("\nArguments:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap());
        for line in arguments.into_iter().flat_map(str::lines).filter(|line| line.trim_start().starts_with(['<', '['])) {
            assert!(line.trim().contains("  "), "{command}: {line}");
        }
    }
}

#[test]
fn the_version_is_data() {
    let place = Place::new();
    assert_eq!(place.run("version").stdout, format!("lockstep {}\n", env!("CARGO_PKG_VERSION")));
    let json = place.run("version -o json").stdout;
    assert_eq!(json, format!("{{\n  \"version\": \"{}\"\n}}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_exits_with_two_and_says_why() {
    let place = Place::new();
    for (words, why) in [
        ("", "Usage: lockstep"),
        ("gett bindings", "unrecognized subcommand"),
        ("get", "required"),
        ("get bindings -l env=a=b,", "not a label"),
        ("get deliveries --status Broken", "is not a delivery status: Pending, Sending, InSync"),
        ("wait --for=InSync --all", "is nothing to wait for"),
        ("who-has", "required"),
        ("deliveries --status Broken", "is not a delivery status: Pending, Sending, InSync"),
        ("sync b --timeout 5s", "--wait"),
        ("audit --since soon", "is not a duration"),
        ("audit verify --from 7", "--hash"),
        ("audit verify --from 7 --hash xyz", "--hash"),
        ("log-filter", "Usage: lockstep log-filter"),
        ("log-filter set", "<FILTER>"),
        ("log-filter set debug --ttl soon", "is not a duration"),
        ("cluster register Prod", "is not a valid name"),
        ("cluster register prod --label env", "is not KEY=VALUE"),
        ("cluster token prod --ttl soon", "is not a duration"),
        ("cluster remove prod --secrets=forget", "[possible values: retain, purge]"),
        ("cluster register prod -o helmet", "[possible values: table, json, yaml, helm]"),
        ("cluster register prod -o helm --deliver-to Shop", "is not a valid name"),
    ] {
        let done = place.run(words);
        assert_eq!(done.code, 2, "{words}: {done:?}");
        assert!(done.stderr.contains(why), "{words}: {done:?}");
    }
}
