//! What keys are called at a service, for people.
#![no_main]

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (template, name) = texts;
    keyport_backends::cloud::fuzz::template(template, name);
});
