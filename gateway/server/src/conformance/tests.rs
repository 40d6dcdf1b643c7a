//! The cases as a whole.

use std::collections::BTreeSet;

use clap::ValueEnum;

use super::*;

#[test]
fn every_contract_has_its_cases_and_each_a_name_and_a_promise_of_its_own() {
    for contract in Contract::value_variants() {
        let cases = cases(*contract);
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();

        assert!(cases.len() >= 35, "{contract:?} has {}", cases.len());
        assert_eq!(names.len(), cases.len(), "two cases of {contract:?} have one name");
        for Case { name, promise, .. } in &cases {
            let is_kebab = name.split('-').all(|word| {
                let mut letters = word.bytes();
                !word.is_empty()
                    && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            });
            assert!(is_kebab, "{name}");
            assert!(promise.ends_with('.'), "{promise}");
        }
    }
}
