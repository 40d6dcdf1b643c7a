//! C_Initialize, whose pReserved is the library's own: the one call of PKCS#11 that cannot be made without unsafe code.

use std::ffi::CString;
use std::ptr::NonNull;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;

/// Initialises the library; `reserved` is what it gets as pReserved.
pub(super) fn initialise(library: &Pkcs11, reserved: Option<&str>) -> Result<(), Error> {
    // The library is called from several threads, and locks with what the system has.
    let flags = CInitializeFlags::OS_LOCKING_OK;
    let Some(reserved) = reserved else { return library.initialize(CInitializeArgs::new(flags)) };

    let reserved = CString::new(reserved).map_err(|_nul| Error::InvalidValue)?;
    let pointer = NonNull::from(reserved.as_ref()).cast();
    #[expect(
        unsafe_code,
        reason = "PKCS#11 leaves pReserved to the library, so only its manual can vouch for it"
    )]
    // SAFETY: NSS and kryoptic, the libraries that use pReserved, read a C string there, during this call only, and the
    // string outlives it.
    let arguments = unsafe { CInitializeArgs::new_with_reserved(flags, pointer) };
    library.initialize(arguments)
}
