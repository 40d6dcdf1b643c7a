//! The Resource Groups Tagging API: which keys bear which tags.

use serde_json::{Value, json};

use super::{Account, refusal};
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
        let found: Vec<_> = found.collect();
        // Pages of one, which is as long as the service promises them.
        let page = match asked["PaginationToken"].as_str().unwrap_or_default() {
            "" => 0,
            token => match token.parse::<usize>() {
                Ok(page) if page < found.len() => page,
                _ => return refusal(400, "PaginationTokenExpiredException", "no such page"),
            },
        };
        let next = if page + 1 < found.len() { (page + 1).to_string() } else { String::new() };

        let listed: Vec<_> = found.get(page).into_iter().collect();
        Answer::json(200, &json!({ "PaginationToken": next, "ResourceTagMappingList": listed }))
    }
}
