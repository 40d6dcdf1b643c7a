# What the gateway may do at its transit engine: make, read, use and delete the keys whose names begin with its prefix, and allow
# the deletion of one right before it is deleted (`keys/NAME/config`, which the first path covers). It may not have keys exported
# or backed up, nor make that possible, so that no key leaves with a login that is stolen.

path "transit/keys/keyport-*" {
  capabilities       = ["create", "read", "update", "delete"]
  allowed_parameters = {
    "allow_plaintext_backup" = [false]
    "exportable"             = [false]
    "*"                      = []
  }
}

path "transit/sign/keyport-*" {
  capabilities = ["update"]
}
