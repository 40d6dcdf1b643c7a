//! Sealed material that somebody changed in the store: it never opens, and never does worse than fail.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::Result;
use keyport_core::backend::{Backend, Object};
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::scheme::KeyType;
use keyport_core::store::{Reseal, SealedKeys};

libfuzzer_sys::fuzz_target!(|sealed: Vec<u8>| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

    runtime.block_on(async {
        let master: MasterKey = "00".repeat(32).parse().unwrap();
        let soft = Soft::open(Arc::new(Changed(sealed)), &master, Bounds::default()).await;
        let Ok(soft) = soft else { return };

        let key_id: KeyId = "11".repeat(16).parse().unwrap();
        let object = Object {
            tenant: "acme".parse().unwrap(),
            key_id,
            native_id: NativeId::new(key_id.to_string()),
            key_type: KeyType::EcP256,
        };
        assert!(soft.public_key(&object, Instant::now() + Duration::from_secs(5)).await.is_err());
    });
});

/// A store whose every key has these bytes.
#[derive(Debug)]
struct Changed(Vec<u8>);

#[async_trait]
impl SealedKeys for Changed {
    async fn put(&self, _: &TenantId, _: KeyId, _: &[u8]) -> Result<()> {
        Ok(())
    }

    async fn get(&self, _: &TenantId, _: KeyId) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.0.clone()))
    }

    async fn delete(&self, _: &TenantId, _: KeyId) -> Result<()> {
        Ok(())
    }

    async fn mark(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    async fn reseal(&self, _: &[u8], _: &Reseal) -> Result<u64> {
        Ok(0)
    }
}
