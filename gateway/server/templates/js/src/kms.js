// A provider of keys in a REST key service. `wit/deps/keyport/provider.wit` says what each function promises.

import { failure, fromBase64, guarded, isMissing, json, toBase64 } from "./gateway.js";

const OFFERS = [
    { keyType: "ec-p256", schemes: [{ tag: "ecdsa", val: "sha256" }] },
    { keyType: "ed25519", schemes: [{ tag: "ed25519" }] },
];

/** The provider, whoever sends its requests: a gateway, or a test in its place. */
export function restKms(send) {
    const ask = (method, path, body) => json(send, { method, path, body });

    return guarded({
        describe() {
            return { name: "{{name}}", version: "0.1.0", offers: OFFERS, maxMessage: 65536, properties: [] };
        },

        createKey({ keyId, keyType }) {
            if (!OFFERS.some((offer) => offer.keyType === keyType)) {
                throw failure("unsupported", `no keys of type ${keyType}`);
            }
            const key = ask("post", "/keys", { name: keyId, type: keyType });
            return { handle: null, publicKey: fromBase64(key.public_key) };
        },

        // The gateway puts what the service calls the operation's key in the place of {key}.
        publicKey() {
            return fromBase64(ask("get", "/keys/{key}").public_key);
        },

        sign({ scheme, input }) {
            const body = { scheme: named(scheme), [input.tag]: toBase64(input.val) };
            return fromBase64(ask("post", "/keys/{key}/sign", body).signature);
        },

        destroyKey() {
            try {
                ask("delete", "/keys/{key}");
            } catch (error) {
                if (!isMissing(error)) throw error;
            }
        },

        health() {
            ask("get", "/health");
        },
    });
}

/** What the service calls a scheme: `ecdsa(sha-256)`, `ed25519`. */
const named = ({ tag, val }) => (val ? `${tag}(${val.replace("sha", "sha-")})` : tag);
