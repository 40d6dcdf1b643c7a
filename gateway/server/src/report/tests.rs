//! What is written of a run.

use serde_json::json;

use super::*;

fn case(name: &str, outcome: Outcome) -> Case {
    let promise = format!("The promise of {name}.");

    Case { name: name.to_owned(), promise, outcome, took: Duration::from_micros(1500) }
}

fn report() -> Report {
    let cases = vec![
        case("good", Outcome::Passed),
        case("bad", Outcome::Failed(Difference::new("400", "200 <\u{1b}[2J&\u{0}>"))),
        case("better", Outcome::Advised(Difference::new("409", "201"))),
        case("not-here", Outcome::Skipped("no RSA is offered".to_owned())),
    ];

    Report { subject: "webhook of https://host".to_owned(), cases }
}

#[test]
fn only_a_failure_is_one_for_the_exit_code() {
    let mut report = report();
    assert_eq!(report.exit_code(), ExitCode::FAILURE);

    report.cases.retain(|case| !matches!(case.outcome, Outcome::Failed(_)));
    assert_eq!(report.exit_code(), ExitCode::SUCCESS);
}

#[test]
fn people_read_a_line_for_each_case_and_what_was_different() {
    let lines = anstream::adapter::strip_str(&report().lines().join("\n")).to_string();

    assert_eq!(
        lines,
        "webhook of https://host\n  \
         passed  good      The promise of good. (1.5 ms)\n  \
         failed  bad       The promise of bad. (1.5 ms)\n          \
         expected: 400\n          \
         came:     200 <\\u{1b}[2J&\\u{0}>\n  \
         advised better    The promise of better. (1.5 ms)\n          \
         expected: 409\n          \
         came:     201\n  \
         skipped not-here  no RSA is offered\n\
         not kept: 4 cases, 1 passed, 1 failed, 1 advised, 1 skipped, in 6.0 ms"
    );
}

#[test]
fn programs_read_the_same() {
    let json = report().json();

    assert_eq!(json["subject"], "webhook of https://host");
    for word in ["passed", "failed", "advised", "skipped"] {
        assert_eq!(json[word], 1);
    }
    assert_eq!(
        json["cases"][1],
        json!({
            "name": "bad", "promise": "The promise of bad.", "outcome": "failed", "took_ms": 1.5,
            "expected": "400", "came": "200 <\u{1b}[2J&\u{0}>",
        })
    );
    assert_eq!(json["cases"][3]["why"], "no RSA is offered");
}

#[test]
fn junit_counts_what_failed_and_holds_nothing_that_xml_cannot() {
    let xml = report().junit().unwrap();

    assert!(xml.contains(r#"tests="4" skipped="2" errors="0" failures="1""#), "{xml}");
    assert!(
        xml.contains(r#"<testcase name="good" classname="webhook of https://host" time="0.002""#),
        "{xml}"
    );
    assert!(xml.contains("expected 400; came 200 &lt;&amp;&gt;"), "{xml}");
    assert!(xml.contains("advised: expected 409; came 201"), "{xml}");
    assert!(!xml.chars().any(|letter| letter.is_control() && letter != '\n'), "{xml:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let output = Output::default();
    assert_eq!(output.write(&report()).unwrap(), ExitCode::FAILURE);

    let folder = tempfile::tempdir().unwrap();
    let mut command = <Wanted as clap::CommandFactory>::command();
    let file = folder.path().join("absent").join("report.xml");
    let wanted =
        command.try_get_matches_from_mut(["x", "--json", "--junit", file.to_str().unwrap()]).unwrap();
    let wanted = <Wanted as clap::FromArgMatches>::from_arg_matches(&wanted).unwrap();
    let refused = wanted.output.write(&report()).unwrap_err();
    assert!(refused.to_string().contains("report.xml"), "{refused}");
}

#[derive(clap::Parser)]
struct Wanted {
    #[command(flatten)]
    output: Output,
}
