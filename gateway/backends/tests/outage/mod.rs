//! A service that fails and goes on failing, and comes back.

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_stand_ins::{Answer, Fault, Service, StandIn};

use crate::suite::soon;

/// That calls to sign, which have `call` in their names, are made some times while each is answered with `refusal`; that none is
/// made for a while after that, and callers hear so at once; and that they are made again. Time is paused.
pub(crate) async fn is_left_alone<S: Service>(
    (service, call, refusal): (&StandIn<S>, &'static str, Answer),
    (backend, object): (&dyn Backend, &Object),
) {
    let sign = || backend.sign(object, Mechanism::Ecdsa, &[7; 32], soon());
    let before = service.heard().len();
    let calls = || service.heard().iter().skip(before).filter(|heard| heard.contains(call)).count();
    service.faults().always(call, Fault::Answer(refusal));

    let first = sign().await.unwrap_err();
    assert_eq!((first.kind, calls()), (FailureKind::Unavailable, 4), "{first}");
    let second = sign().await.unwrap_err();
    assert_eq!((second.kind, calls()), (FailureKind::Unavailable, 5), "{second}");
    let third = sign().await.unwrap_err();
    assert_eq!((third.kind, calls()), (FailureKind::Unavailable, 5), "{third}");
    assert!(third.message.contains("none is made for a moment"), "{third}");

    service.faults().clear();
    tokio::time::advance(third.retry_after.unwrap()).await;
    sign().await.unwrap();
}
