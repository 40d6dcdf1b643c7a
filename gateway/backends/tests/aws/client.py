"""Asks the services at URL for everything that the gateway asks them for, with the vendor's own client.

What the client cannot read it does not return, and what it is refused it raises by its name, so that each answer and each refusal
here has the shape that the vendor's own description of the services gives it.
"""

import hashlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL, ACCESS_KEY, SECRET, REGION = sys.argv[1:]


def client(service, access_key=ACCESS_KEY, secret=SECRET):
    return boto3.client(
        service,
        endpoint_url=URL,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refused(name, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error
        assert error.response["Error"]["Message"], error
    else:
        raise AssertionError(f"{name} was expected")


def made(kms, spec):
    key = kms.create_key(
        KeySpec=spec,
        KeyUsage="SIGN_VERIFY",
        Description="a key",
        Tags=[{"TagKey": "keyport:key-id", "TagValue": spec}, {"TagKey": "keyport:gateway", "TagValue": "boto"}],
    )["KeyMetadata"]
    assert key["KeySpec"] == spec and key["KeyState"] == "Enabled" and key["KeyManager"] == "CUSTOMER", key
    return key


def signed(kms, key, algorithm):
    is_pure = algorithm in ("ED25519_SHA_512", "ML_DSA_SHAKE_256")
    name = algorithm[-7:].replace("_", "")[-6:].lower()
    answer = kms.sign(
        KeyId=key["Arn"],
        Message=b"message" if is_pure else hashlib.new(name, b"message").digest(),
        MessageType="RAW" if is_pure else "DIGEST",
        SigningAlgorithm=algorithm,
    )
    assert answer["KeyId"] == key["Arn"] and answer["SigningAlgorithm"] == algorithm and answer["Signature"], answer


kms, tagging, sts = client("kms"), client("resourcegroupstaggingapi"), client("sts")
curves = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"]
for spec in curves + ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "RSA_2048"]:
    key = made(kms, spec)
    public = kms.get_public_key(KeyId=key["KeyId"])
    assert public["KeyId"] == key["Arn"] and public["KeyUsage"] == "SIGN_VERIFY" and public["PublicKey"], public
    for algorithm in public["SigningAlgorithms"]:
        signed(kms, key, algorithm)

alias = "alias/boto-1"
assert kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == key["Arn"]
refused("AlreadyExistsException", kms.create_alias, AliasName=alias, TargetKeyId=key["KeyId"])
refused("NotFoundException", kms.describe_key, KeyId="alias/nobody")
sign = {"KeyId": alias, "MessageType": "DIGEST", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}
refused("ValidationException", kms.sign, Message=b"short", **sign)
refused("InvalidKeyUsageException", kms.sign, Message=b"x", **(sign | {"SigningAlgorithm": "ECDSA_SHA_256"}))

kms.disable_key(KeyId=key["KeyId"])
refused("DisabledException", kms.sign, Message=b"x" * 32, **sign)
disabled = kms.describe_key(KeyId=alias)["KeyMetadata"]
assert disabled["KeyState"] == "Disabled" and "DeletionDate" not in disabled, disabled
kms.enable_key(KeyId=key["KeyId"])
leaving = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
assert leaving["KeyId"] == key["Arn"] and leaving["KeyState"] == "PendingDeletion" and leaving["DeletionDate"], leaving
assert kms.describe_key(KeyId=alias)["KeyMetadata"]["DeletionDate"] == leaving["DeletionDate"]
refused("KMSInvalidStateException", kms.schedule_key_deletion, KeyId=key["KeyId"])
refused("KMSInvalidStateException", kms.sign, Message=b"x" * 32, **sign)
refused("KMSInvalidStateException", kms.enable_key, KeyId=key["KeyId"])
assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyState"] == "Disabled"
refused("KMSInvalidStateException", kms.cancel_key_deletion, KeyId=key["KeyId"])
kms.enable_key(KeyId=key["KeyId"])
assert kms.sign(Message=b"x" * 32, **sign)["Signature"]

found = tagging.get_resources(
    ResourceTypeFilters=["kms"],
    TagFilters=[{"Key": "keyport:key-id", "Values": ["RSA_2048"]}, {"Key": "keyport:gateway", "Values": ["boto"]}],
)["ResourceTagMappingList"]
assert [resource["ResourceARN"] for resource in found] == [key["Arn"]], found

assert sts.get_caller_identity()["Account"]
role = sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/keyport", RoleSessionName="boto")["Credentials"]
assert role["Expiration"].timestamp() > 0 and role["SessionToken"], role
refused("UnrecognizedClientException", client("kms", access_key="AKIANOBODY").describe_key, KeyId=alias)
refused("InvalidSignatureException", client("kms", secret="another").describe_key, KeyId=alias)
print("all is as described")
