//! The Resource Groups Tagging API: which keys bear which tags.

use serde_json::{Value, json};

use super::Account;
use crate::Answer;

impl Account {
    pub(super) fn resources(&self, body: &[u8]) -> Answer {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let filters = asked["TagFilters"].as_array().cloned().unwrap_or_default();
        let matches = |tags: &[(String, String)]| {
            filters.iter().all(|filter| {
                let values = filter["Values"].as_array().cloned().unwrap_or_default();
                tags.iter()
                    .any(|(key, value)| filter["Key"] == *key && values.iter().any(|wanted| wanted == value))
            })
        };

        let keys = self.keys();
        let found = keys.all().iter().filter(|key| !self.index_lags() && matches(&key.tags)).map(|key| {
            let tags: Vec<_> =
                key.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            json!({ "ResourceARN": key.arn, "Tags": tags })
        });
        Answer::json(
            200,
            &json!({ "PaginationToken": "", "ResourceTagMappingList": found.collect::<Vec<_>>() }),
        )
    }
}
