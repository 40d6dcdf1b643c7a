//! The Security Token Service: a form in, XML out.

use super::{ACCOUNT, Account, FOREIGN};
use crate::{Answer, Asked};

impl Account {
    pub(super) fn assume(&self, asked: &Asked) -> Result<Answer, Answer> {
        if !["", "external"].contains(&asked.form("ExternalId").as_str()) {
            return Err(refusal(403, "AccessDenied", "is not authorized to perform: sts:AssumeRole"));
        }

        self.issued("AssumeRole", ACCOUNT)
    }

    pub(super) fn assume_with_token(&self, asked: &Asked) -> Result<Answer, Answer> {
        match asked.form("WebIdentityToken").as_str() {
            "good-token" => self.issued("AssumeRoleWithWebIdentity", ACCOUNT),
            "foreign-token" => self.issued("AssumeRoleWithWebIdentity", FOREIGN),
            _ => Err(refusal(400, "InvalidIdentityToken", "Couldn't retrieve verification key")),
        }
    }

    fn issued(&self, action: &str, account: &str) -> Result<Answer, Answer> {
        let (now, mut users) = (self.now(), self.users());
        if !users.issues {
            return Err(refusal(403, "AccessDenied", "is not authorized to perform: sts:AssumeRole"));
        }

        let (access_key, user) = users.issue(now, account);
        let body = format!(
            "<Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
            user.secret,
            user.token.unwrap(),
            humantime::format_rfc3339_seconds(user.expires.unwrap())
        );
        Ok(xml(action, &body))
    }
}

pub(super) fn identity(account: &str) -> Answer {
    let body = format!(
        "<Arn>arn:aws:iam::{account}:user/gateway</Arn><UserId>AIDA</UserId><Account>{account}</Account>"
    );

    xml("GetCallerIdentity", &body)
}

fn xml(action: &str, body: &str) -> Answer {
    let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";

    Answer::of(
        200,
        format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result>{body}</{action}Result></{action}Response>"
        ),
    )
}

fn refusal(status: u16, name: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{name}</Code>\
         <Message>{message}</Message></Error></ErrorResponse>"
    );

    Answer::of(status, body)
}
