// Verifies every JWS of the file named on the command line with jose, by its public key as it was answered, and
// sees that each key imports into Web Cryptography as it is.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { compactVerify, importJWK } from "jose";

const parameters = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384" },
  ES512: { name: "ECDSA", namedCurve: "P-521" },
  EdDSA: { name: "Ed25519" },
};
for (const alg of ["256", "384", "512"]) {
  parameters[`RS${alg}`] = { name: "RSASSA-PKCS1-v1_5", hash: `SHA-${alg}` };
  parameters[`PS${alg}`] = { name: "RSA-PSS", hash: `SHA-${alg}` };
}

const signed = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { jwk, alg, jws } of signed) {
  // A key of RSA is created for one algorithm and used for all.
  const key = { ...jwk, alg };
  await webcrypto.subtle.importKey("jwk", key, parameters[alg], true, ["verify"]);

  const { protectedHeader } = await compactVerify(jws, await importJWK(key, alg), { algorithms: [alg] });
  if (protectedHeader.kid !== jwk.kid) throw new Error(`${alg}: another key id`);
  const [header, payload, signature] = jws.split(".");
  const forged = `${header}.${payload.slice(0, -2)}AA.${signature}`;
  const accepted = await compactVerify(forged, await importJWK(key, alg)).then(() => true, () => false);
  if (accepted) throw new Error(`${alg}: a forgery was accepted`);
}
console.log(`verified ${signed.length}`);
