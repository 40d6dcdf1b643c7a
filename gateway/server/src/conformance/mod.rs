//! What each contract promises, as cases that any server of it can be asked to keep: a reading of the wire facts that
//! is independent of how this gateway serves them.

mod answer;
mod bodies;
mod case;
mod concurrency;
mod contract;
mod credentials;
mod http;
mod jwk;
mod names;
mod remote_kms;
mod run;
mod server;
mod signature;
mod v1;
mod webhook;

pub(crate) use case::Case;
pub(crate) use contract::Contract;
pub(crate) use run::run;

/// Every case of a contract, in the order they run.
pub(crate) fn cases(contract: Contract) -> Vec<Case> {
    let mut cases = match contract {
        Contract::RemoteKms => {
            [remote_kms::key_cases(), remote_kms::sign_cases(), remote_kms::import_cases()].concat()
        }
        Contract::V1 => [v1::key_cases(), v1::life_cases(), v1::sign_cases(), v1::batch_cases()].concat(),
        Contract::Webhook => [webhook::key_cases(), webhook::sign_cases()].concat(),
    };
    cases.extend(names::cases(contract));
    cases.extend(bodies::cases());
    cases.extend(http::cases());
    cases.extend(concurrency::cases());
    cases.extend(credentials::cases());

    cases
}

#[cfg(test)]
mod tests;
