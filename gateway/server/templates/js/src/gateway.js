// What every provider in JavaScript needs, whatever its custodian is: JSON over HTTP, errors, and bytes.

/** Sends a request with a JSON body, if it has one; answers the response's JSON. `send` is that of the WIT's `http`. */
export function json(send, { method, path, body }) {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = body === undefined ? [] : [["content-type", "application/json"]];
    const response = success(send({ method, path, headers, body: fromText(text) }));

    return response.body.length > 0 ? JSON.parse(toText(response.body)) : undefined;
}

/** A response, if it is a success; throws what its status usually means (RFC 9110, section 15.5). */
export function success(response) {
    const { status, headers } = response;
    if (status >= 200 && status < 300) return response;

    const kind = KINDS[status] ?? (status >= 400 && status < 500 ? "internal" : "unavailable");
    const after = headers.find(([name]) => name === "retry-after")?.[1];
    const retryAfterMs = kind === "throttled" && /^\d{1,6}$/.test(after) ? after * 1000 : null;
    throw { kind, code: status, message: `the custodian answered ${status}`, retryAfterMs };
}

const KINDS = {
    401: "credentials",
    403: "denied",
    404: "not-found",
    409: "exists",
    410: "key-gone",
    429: "throttled",
    501: "unsupported",
};

/** An error of the WIT's `types`, to be thrown. */
export const failure = (kind, message) => ({ kind, code: 0, message, retryAfterMs: null });

/** Whether an error says that there is no such thing, or not any more. */
export const isMissing = ({ kind }) => kind === "not-found" || kind === "key-gone";

/** The same provider, where whatever is thrown is a failure that the gateway understands, and no trap. */
export function guarded(provider) {
    const guard = (call) => (argument) => {
        try {
            return call(argument);
        } catch (error) {
            // What the gateway's functions fail with is the payload of an Error; the rest are mistakes of this code.
            throw error.payload ?? (error instanceof Error ? failure("internal", `${error}`.slice(0, 1000)) : error);
        }
    };
    return Object.fromEntries(Object.entries(provider).map(([name, call]) => [name, guard(call)]));
}

/** Bytes as base64 (RFC 4648, section 4), and back. */
export const toBase64 = (bytes) => btoa(toBinary(bytes));
export const fromBase64 = (text) => fromBinary(atob(text));

/** Text as UTF-8, and back: there is no TextEncoder in a component. */
export const fromText = (text) => fromBinary(unescape(encodeURIComponent(text)));
export const toText = (bytes) => decodeURIComponent(escape(toBinary(bytes)));

const toBinary = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const fromBinary = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));
