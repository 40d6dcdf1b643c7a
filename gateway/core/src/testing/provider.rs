//! A provider that behaves as told.
#![expect(clippy::wildcard_enum_match_arm, reason = "most conducts concern one function of the provider")]

use super::*;

/// How the provider behaves. All but the first try what they must not.
#[derive(Clone, Debug)]
pub(crate) enum Conduct {
    /// As it should.
    Honest,
    /// Signs with this object instead of the key's own.
    OtherObject(String),
    /// Asks for two signatures and returns the second.
    SignsTwice,
    /// Signs with a mechanism of another scheme.
    OtherMechanism,
    /// Signs with an id that is no operation's.
    OutsideOperation,
    /// Names itself another provider.
    OtherProvider,
    /// Answers bytes that nobody signed.
    Forges,
    /// Changes one bit of the signature.
    Tampers,
    /// Signs while it should create, or creates while it should sign.
    OtherOperation,
    /// Answers this public key at create.
    OtherPublicKey(Vec<u8>),
    /// Answers at create without having made anything.
    CreatesNothing,
    /// Answers a handle that is too long.
    LongHandle,
    /// Says it destroyed a key, and did not.
    KeepsKeys,
    /// Fails without asking anybody.
    Fails(FailureKind),
    /// Goes on with capabilities after its call was given up.
    Lingers,
    /// Asks so often how its own key stands, then signs.
    LooksOften(usize),
    /// Asks how this object stands, then signs with its own key.
    LooksAt(String),
    /// Signs when its time is over.
    Late(Arc<TestClock>),
    /// Names another reference at import than it was given.
    OtherReference,
    /// Takes over the same key pair twice.
    ImportsTwice,
    /// Takes over a key pair while it should have one made, or has one made while it should take one over.
    SwapsSources,
}

#[derive(Debug)]
pub(crate) struct TestProvider {
    pub(super) custody: Arc<Custody>,
    pub(super) id: ProviderId,
    pub(super) connection: ConnectionName,
    pub(super) conduct: Mutex<Conduct>,
    pub(super) lingering: Mutex<Option<Target>>,
}

impl TestProvider {
    fn target(&self, call: &Call, key: KeyId) -> Target {
        Target {
            operation: call.operation,
            provider: self.id,
            connection: self.connection.clone(),
            object: key.to_string(),
        }
    }

    /// Uses the capability of a call that is over.
    pub(crate) async fn linger(&self) -> Result<Vec<u8>, Failure> {
        let target = self.lingering.lock().unwrap().clone().unwrap();
        self.custody.sign(target, Mechanism::Ecdsa).await
    }

    /// Asks how the key of a call that is over stands.
    pub(crate) async fn look_back(&self) -> Result<KeyState, Failure> {
        let target = self.lingering.lock().unwrap().clone().unwrap();
        self.custody.state(target).await
    }
}

#[async_trait]
impl Provider for TestProvider {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let target = self.target(&call, request.id);
        match conduct {
            Conduct::Fails(kind) => return Err(Failure::new(kind, "as told")),
            Conduct::OtherOperation => {
                self.custody.sign(target, Mechanism::Ecdsa).await?;
                unreachable!("custody let a create sign");
            }
            Conduct::CreatesNothing => {
                return Ok(Created { handle: None, public_key: TestToken::fixed_public() });
            }
            Conduct::SwapsSources => {
                let reference = request.id.to_string();
                let public_key = self.custody.import_key(target, request.key_type, reference).await?;
                return Ok(Created { handle: None, public_key });
            }
            _ => (),
        }

        let public_key = self.custody.generate(target, request.key_type).await?;
        Ok(match conduct {
            Conduct::OtherPublicKey(public_key) => Created { handle: None, public_key },
            Conduct::LongHandle => Created { handle: Some(vec![0; 4097]), public_key },
            _ => Created { handle: Some(b"handle".to_vec()), public_key },
        })
    }

    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let ImportKey { key, reference } = request;
        let (custody, target, key_type) = (&self.custody, self.target(&call, key.id), key.key_type);

        let public_key = match conduct {
            Conduct::SwapsSources => custody.generate(target, key_type).await?,
            Conduct::OtherReference => custody.import_key(target, key_type, key.id.to_string()).await?,
            Conduct::ImportsTwice => {
                custody.import_key(target.clone(), key_type, reference.clone()).await?;
                custody.import_key(target, key_type, reference).await?
            }
            Conduct::OtherPublicKey(public_key) => {
                custody.import_key(target, key_type, reference).await?;
                public_key
            }
            _ => custody.import_key(target, key_type, reference).await?,
        };
        Ok(Created { handle: None, public_key })
    }

    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure> {
        self.custody.public_key(self.target(&call, key.id)).await
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let target = self.target(&call, request.key.id);
        let custody = &self.custody;
        match conduct {
            Conduct::OtherObject(object) => custody.sign(Target { object, ..target }, Mechanism::Ecdsa).await,
            Conduct::SignsTwice => {
                custody.sign(target.clone(), Mechanism::Ecdsa).await?;
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::OtherMechanism => custody.sign(target, Mechanism::RsaPss(Hash::Sha256)).await,
            Conduct::OutsideOperation => {
                let operation = crate::custody::OperationId(u64::MAX);
                custody.sign(Target { operation, ..target }, Mechanism::Ecdsa).await
            }
            Conduct::OtherProvider => {
                custody.sign(Target { provider: ProviderId(8), ..target }, Mechanism::Ecdsa).await
            }
            Conduct::Forges => Ok(vec![1; 64]),
            Conduct::Tampers => {
                let mut signature = custody.sign(target, Mechanism::Ecdsa).await?;
                signature[10] ^= 1;
                Ok(signature)
            }
            Conduct::OtherOperation => custody.generate(target, KeyType::EcP256).await,
            Conduct::Fails(kind) => Err(Failure::new(kind, "as told")),
            Conduct::Late(clock) => {
                clock.advance(Duration::from_secs(3600));
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::LooksOften(times) => {
                for _ in 0..times {
                    custody.state(target.clone()).await?;
                }
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::LooksAt(object) => {
                custody.state(Target { object, ..target.clone() }).await?;
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::Lingers => {
                *self.lingering.lock().unwrap() = Some(target);
                Err(Failure::new(FailureKind::Unavailable, "later"))
            }
            _ => custody.sign(target, Mechanism::Ecdsa).await,
        }
    }

    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        match conduct {
            Conduct::KeepsKeys => Ok(()),
            Conduct::Fails(kind) => Err(Failure::new(kind, "as told")),
            _ => self.custody.destroy(self.target(&call, key.id)).await,
        }
    }

    async fn health(&self, call: Call) -> Result<(), Failure> {
        let origin =
            Origin { operation: call.operation, provider: self.id, connection: self.connection.clone() };

        self.custody.health(origin).await
    }
}
