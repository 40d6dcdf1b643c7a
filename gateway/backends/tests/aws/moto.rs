//! `moto`, a service of somebody else's making: what it does as the real one does.
//!
//! It hashes what it is told is a digest, salts RSASSA-PSS otherwise, and has neither Ed25519 nor keys that are disabled for signing, so
//! of signatures only their shape is looked at.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use keyport_backends::aws::Aws;
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::scheme::KeyType;
use keyport_core::signature::Signature;
use keyport_stand_ins::aws::{ACCESS_KEY, REGION, SECRET, StandIn};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::account::{access_key, connection, signed};
use crate::python::{ended, program};
use crate::suite::{object, request, soon};

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_client_takes_the_stand_in_for_the_service() {
    let Some(python) = program("python").await else { return };
    let service = StandIn::start();

    let mut command = Command::new(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/client.py");
    command.arg(script).args([&service.url(), ACCESS_KEY, SECRET, REGION]);
    let said = ended(command, Duration::from_secs(120)).await;

    assert!(said.as_ref().is_ok_and(|said| said.contains("all is as described")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_found_used_and_deleted() {
    let Some(moto) = Moto::start(None).await else { return };
    let aws = Aws::open(connection(&moto.url)).unwrap();
    aws.health(soon()).await.unwrap();
    assert_eq!(aws.identity(soon()).await.unwrap(), Some(format!("aws:123456789012:{REGION}")));

    for key_type in
        [KeyType::EcP256, KeyType::EcP384, KeyType::EcP521, KeyType::EcSecp256k1, KeyType::Rsa2048]
    {
        let request = request(key_type);
        let made = aws.generate(request.clone(), soon()).await.unwrap();
        let object = object(&request, &made.native_id);
        assert_eq!(made.public.key_type(), key_type);
        assert_eq!(aws.generate(request.clone(), soon()).await.unwrap().native_id, made.native_id);
        assert_eq!(aws.locate(made.native_id.as_str(), soon()).await.unwrap().public, made.public);

        if key_type == KeyType::EcP256 {
            let signature = signed(&aws, &object).await.unwrap();
            assert!(Signature::new(key_type, signature).is_some());
        }
        for _ in 0..2 {
            aws.destroy(&object, soon()).await.unwrap();
            assert_eq!(aws.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
        }
        for _ in 0..2 {
            aws.restore(&object, soon()).await.unwrap();
            let found = aws.find(&request.tenant, request.key_id, soon()).await.unwrap();
            assert_eq!(found.as_ref(), Some(&made.native_id));
        }
        aws.destroy(&object, soon()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_its_alias_is_found_by_its_tags() {
    let Some(moto) = Moto::start(None).await else { return };
    let aws = Aws::open(connection(&moto.url)).unwrap();
    let request = request(KeyType::EcP256);
    let made = aws.generate(request.clone(), soon()).await.unwrap();

    let alias = format!("alias/keyport-{}", request.key_id);
    moto.told(&format!("client('kms').delete_alias(AliasName='{alias}')")).await;

    assert_eq!(
        aws.find(&request.tenant, request.key_id, soon()).await.unwrap(),
        Some(made.native_id.clone())
    );
    assert_eq!(aws.generate(request, soon()).await.unwrap().native_id, made.native_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_check_of_signatures_lets_in_whoever_has_the_secret_and_a_policy() {
    // Three calls that nobody checks make a user.
    let Some(moto) = Moto::start(Some(3)).await else { return };
    let keys = moto.told(USER).await;
    let (id, secret) = keys.trim().split_once(' ').unwrap();
    let opened = async |secret: &str| {
        let mut connection = connection(&moto.url);
        connection.credentials = access_key(id, secret);
        Aws::open(connection).unwrap()
    };

    let aws = opened(secret).await;
    aws.health(soon()).await.unwrap();
    // It refuses in XML, which the service does not speak: only the status tells.
    assert_eq!(opened("another").await.health(soon()).await.unwrap_err().kind, FailureKind::Denied);
    let denied = aws.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
    assert_eq!(denied.kind, FailureKind::Denied);
}

/// A service of its own for each test.
struct Moto {
    url: String,
    python: PathBuf,
    _process: Child,
}

impl Moto {
    /// One that checks who calls, and what, after so many calls that it does not check.
    async fn start(unchecked: Option<u32>) -> Option<Self> {
        let (server, python) = (program("moto_server").await?, program("python").await?);
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(server);
        command.args(["-H", "127.0.0.1", "-p", &free.port().to_string()]).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(unchecked) = unchecked {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", unchecked.to_string());
        }

        let process = command.spawn().unwrap();
        let listens = async {
            while TcpStream::connect(free).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listens).await.unwrap();
        Some(Self { url: format!("http://{free}"), python, _process: process })
    }

    /// What the vendor's client does to it.
    async fn told(&self, statement: &str) -> String {
        let client = format!(
            "import boto3, json\nclient = lambda service: boto3.client(service, endpoint_url='{}', region_name='{REGION}', \
             aws_access_key_id='{ACCESS_KEY}', aws_secret_access_key='{SECRET}')\n",
            self.url
        );
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(client + statement);

        ended(command, Duration::from_secs(60)).await.unwrap()
    }
}

const USER: &str = "
iam = client('iam')
iam.create_user(UserName='gateway')
key = iam.create_access_key(UserName='gateway')['AccessKey']
policy = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'kms:DescribeKey', 'Resource': '*'}]}
iam.put_user_policy(UserName='gateway', PolicyName='keyport', PolicyDocument=json.dumps(policy))
print(key['AccessKeyId'], key['SecretAccessKey'])
";
