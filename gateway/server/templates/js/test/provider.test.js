// The provider with a gateway in memory: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromBase64, fromText, toBase64, toText } from "../src/gateway.js";
import { restKms } from "../src/kms.js";

/** A provider whose requests are all answered alike, and the requests. */
function answered(status, body = "", headers = []) {
    const sent = [];
    const send = (request) => {
        sent.push(request);
        return { status, headers, body: fromText(body) };
    };
    return { provider: restKms(send), sent };
}

test("it signs by one request about the operation's key", () => {
    const { provider, sent } = answered(200, '{"signature": "c2lnbmF0dXJl"}');
    const scheme = { tag: "ecdsa", val: "sha256" };
    const signature = provider.sign({ key: {}, scheme, input: { tag: "digest", val: new Uint8Array(2) } });

    assert.equal(toText(signature), "signature");
    assert.deepEqual(sent.map(({ method, path }) => [method, path]), [["post", "/keys/{key}/sign"]]);
    assert.deepEqual(JSON.parse(toText(sent[0].body)), { scheme: "ecdsa(sha-256)", digest: "AAA=" });
});

test("it makes no key of a type that it does not offer", () => {
    const { provider, sent } = answered(200);

    assert.throws(() => provider.createKey({ keyId: "k1", keyType: "rsa2048" }), { kind: "unsupported" });
    assert.deepEqual(sent, []);
});

test("a key that is not there counts as destroyed", () => {
    answered(404).provider.destroyKey({});

    assert.throws(() => answered(503).provider.destroyKey({}), { kind: "unavailable", code: 503 });
});

test("a throttled custodian says when to come back", () => {
    const { provider } = answered(429, "", [["retry-after", "7"]]);

    assert.throws(() => provider.health(), { kind: "throttled", retryAfterMs: 7000 });
});

test("an answer that is not as expected is a failure", () => {
    assert.throws(() => answered(200, "<html>").provider.publicKey({}), { kind: "internal" });
    assert.throws(() => answered(200, "{}").provider.publicKey({}), { kind: "internal" });
});

test("bytes come back from base64 as they went", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

    assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    assert.equal(toText(fromText("signé ✓")), "signé ✓");
});
