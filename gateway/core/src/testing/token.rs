//! A token with keys in memory, which behaves as told.

use super::*;

/// A token with P-256 keys in memory.
#[derive(Debug, Default)]
pub(crate) struct TestToken {
    pub(crate) objects: Mutex<HashMap<String, Arc<EcdsaKeyPair>>>,
    pub(crate) outside: AtomicBool,
    pub(crate) failing: Mutex<Option<FailureKind>>,
    pub(crate) signatures: AtomicUsize,
    pub(crate) imports: AtomicUsize,
    pub(crate) looked_for: AtomicUsize,
    /// How often it was asked how an object stands.
    pub(crate) looked_at: AtomicUsize,
    /// Whether new objects get a native id that is not their key-id.
    pub(crate) names: AtomicBool,
    /// Whether it answers no question about itself or an object before nobody waits for that any more.
    pub(crate) silent: AtomicBool,
    /// Whether it has one object for each name.
    pub(crate) derives: AtomicBool,
    /// Whether it signs with another key than it is asked for, until it is told to forget.
    pub(crate) confused: AtomicBool,
    /// Whether custody verifies what it signs.
    pub(crate) verified: AtomicBool,
    /// Held while a generate waits.
    pub(crate) gate: tokio::sync::Mutex<()>,
    /// Whether it keeps what it destroyed.
    pub(crate) keeps: AtomicBool,
    /// What it keeps of that.
    pub(crate) kept: Mutex<HashMap<String, Arc<EcdsaKeyPair>>>,
    /// How often it was asked to restore something.
    pub(crate) restores: AtomicUsize,
    /// How it fails when it has restored something.
    pub(crate) forgetful: Mutex<Option<FailureKind>>,
    /// Held while a restore waits, after it was done.
    pub(crate) restoring: tokio::sync::Mutex<()>,
    /// Held while a destroy waits, before it is done.
    pub(crate) destroying: tokio::sync::Mutex<()>,
    /// Held while it does not say how it is.
    pub(crate) musing: tokio::sync::Mutex<()>,
}

impl TestToken {
    /// Has an object that nobody asked the token for.
    pub(crate) fn add(&self, native_id: &str) {
        let pair = Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
        self.objects.lock().unwrap().insert(native_id.to_owned(), pair);
    }

    /// Gives another token every object that this one has.
    pub(crate) fn copy_to(&self, other: &Self) {
        other.objects.lock().unwrap().clone_from(&self.objects.lock().unwrap());
    }

    /// Gives another token all that this one keeps of what it destroyed.
    pub(crate) fn copy_to_kept(&self, other: &Self) {
        other.kept.lock().unwrap().clone_from(&self.kept.lock().unwrap());
    }

    /// A public key that is nobody's.
    pub(crate) fn fixed_public() -> Vec<u8> {
        static PUBLIC: OnceLock<Vec<u8>> = OnceLock::new();
        PUBLIC
            .get_or_init(|| public(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
            .clone()
    }

    fn fail(&self) -> Result<(), Failure> {
        match *self.failing.lock().unwrap() {
            Some(kind) => Err(Failure::new(kind, "the token was told to fail")),
            None => Ok(()),
        }
    }

    async fn answer(&self, deadline: Instant) -> Result<(), Failure> {
        if self.silent.load(Ordering::Relaxed) {
            tokio::time::sleep_until(deadline.into()).await;
            return Err(Failure::new(FailureKind::Unavailable, "the token is silent"));
        }
        if tokio::time::Instant::now().into_std() >= deadline {
            return Err(Failure::new(FailureKind::Unavailable, "nobody waits for the token"));
        }
        self.fail()
    }

    fn object(&self, native_id: &NativeId) -> Result<Arc<EcdsaKeyPair>, Failure> {
        let objects = self.objects.lock().unwrap();
        objects
            .get(native_id.as_str())
            .cloned()
            .ok_or_else(|| Failure::new(FailureKind::NotFound, "no object"))
    }
}

pub(super) fn public(pair: &EcdsaKeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

#[async_trait]
impl Backend for TestToken {
    fn acts_outside(&self) -> bool {
        self.outside.load(Ordering::Relaxed)
    }

    async fn generate(&self, request: Generate, _: Instant) -> Result<Generated, Failure> {
        self.fail()?;
        drop(self.gate.lock().await);
        let pair = Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
        let der = public(&pair);
        let mut native_id = request.key_id.to_string();
        if self.names.load(Ordering::Relaxed) {
            native_id.insert_str(0, "native-");
        }
        if self.derives.load(Ordering::Relaxed) {
            request.name.as_str().clone_into(&mut native_id);
        }
        self.objects.lock().unwrap().insert(native_id.clone(), pair);

        Ok(Generated { native_id: NativeId::new(native_id), public: PublicKey::from_der(&der).unwrap() })
    }

    async fn import(&self, request: Generate, material: Material, _: Instant) -> Result<Generated, Failure> {
        self.imports.fetch_add(1, Ordering::Relaxed);
        let Material::Ec { scalar, point, .. } = material else {
            return Err(Failure::new(FailureKind::Unsupported, "P-256 only"));
        };
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar.expose(), &point)
            .map_err(|rejected| Failure::new(FailureKind::InvalidArgument, rejected.to_string()))?;

        let public = PublicKey::from_der(&public(&pair)).unwrap();
        self.objects.lock().unwrap().insert(request.key_id.to_string(), Arc::new(pair));
        Ok(Generated { native_id: NativeId::new(request.key_id.to_string()), public })
    }

    async fn find(&self, _: &TenantId, key_id: KeyId, _: Instant) -> Result<Option<NativeId>, Failure> {
        let found = self.objects.lock().unwrap().contains_key(&key_id.to_string());
        Ok(found.then(|| NativeId::new(key_id.to_string())))
    }

    async fn locate(&self, reference: &str, _: Instant) -> Result<Generated, Failure> {
        self.looked_for.fetch_add(1, Ordering::Relaxed);
        let bad = || Failure::new(FailureKind::InvalidArgument, "no reference");
        let native_id = NativeId::new(reference.strip_prefix("id:").ok_or_else(bad)?.to_owned());
        let public = PublicKey::from_der(&public(&*self.object(&native_id)?)).unwrap();

        Ok(Generated { native_id, public })
    }

    async fn public_key(&self, object: &Object, _: Instant) -> Result<PublicKey, Failure> {
        Ok(PublicKey::from_der(&public(&*self.object(&object.native_id)?)).unwrap())
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        self.answer(deadline).await?;
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        let name = object.native_id.as_str();
        let is_kept = self.kept.lock().unwrap().contains_key(name);

        Ok(match self.objects.lock().unwrap().contains_key(name) {
            true => KeyState::Enabled,
            false if is_kept => KeyState::PendingDeletion(Some(Timestamp(1))),
            false => KeyState::Gone,
        })
    }

    async fn sign(
        &self,
        object: &Object,
        _: Mechanism,
        input: &[u8],
        _: Instant,
    ) -> Result<Vec<u8>, Failure> {
        self.fail()?;
        self.signatures.fetch_add(1, Ordering::Relaxed);
        // Others come in between, as with any token.
        tokio::task::yield_now().await;
        let digest = AwsDigest::import_less_safe(input, &SHA256).unwrap();
        if self.confused.load(Ordering::Relaxed) {
            let another = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            return Ok(another.sign_digest(&digest).unwrap().as_ref().to_vec());
        }
        Ok(self.object(&object.native_id)?.sign_digest(&digest).unwrap().as_ref().to_vec())
    }

    fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    async fn forget(&self, _: &Object) {
        self.confused.store(false, Ordering::Relaxed);
    }

    async fn destroy(&self, object: &Object, _: Instant) -> Result<(), Failure> {
        self.fail()?;
        drop(self.destroying.lock().await);
        let destroyed = self.objects.lock().unwrap().remove_entry(object.native_id.as_str());
        if self.keeps.load(Ordering::Relaxed) {
            self.kept.lock().unwrap().extend(destroyed);
        }
        Ok(())
    }

    fn restores(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    async fn restore(&self, object: &Object, _: Instant) -> Result<(), Failure> {
        self.fail()?;
        self.restores.fetch_add(1, Ordering::Relaxed);
        let kept = self.kept.lock().unwrap().remove_entry(object.native_id.as_str());
        self.objects.lock().unwrap().extend(kept);
        self.object(&object.native_id)?;
        drop(self.restoring.lock().await);

        match *self.forgetful.lock().unwrap() {
            Some(kind) => Err(Failure::new(kind, "it was restored, and nobody hears of it")),
            None => Ok(()),
        }
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        drop(self.musing.lock().await);
        self.answer(deadline).await
    }
}
