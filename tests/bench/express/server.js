// A signing service as one would write it in Node: Express, ES256, bearer token, HTTPS. No audit log, no policy, no
// isolation. It answers the same calls as the gateway's webhook contract, so that one client drives both.
//
//   node server.js FOLDER jose|node
//
// FOLDER holds server.pem, server.key and token. `jose` signs with the jose package (a flattened JWS, which goes
// through WebCrypto), `node` with node:crypto, which hashes what it signs.

import { createHash, generateKeyPairSync, sign as signOnce, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import express from 'express';
import { FlattenedSign } from 'jose';

const [folder, crypto] = process.argv.slice(2);
const sha256 = (data) => createHash('sha256').update(data).digest();
const token = sha256(readFileSync(join(folder, 'token'), 'utf8').trim());
const keys = new Map();

const signers = {
  async jose(key, digest) {
    const jws = await new FlattenedSign(digest).setProtectedHeader({ alg: 'ES256' }).sign(key.privateKey);
    return Buffer.from(jws.signature, 'base64url');
  },
  async node(key, digest) {
    return signOnce('sha256', digest, key.privateKey);
  },
};
const sign = signers[crypto];

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.json({ limit: '64kb' }));

app.use((request, response, next) => {
  const [scheme, presented] = (request.get('authorization') ?? '').split(' ');
  if (scheme !== 'Bearer' || !timingSafeEqual(sha256(presented ?? ''), token)) {
    return response.status(401).json({ error: 'not authenticated' });
  }
  next();
});

app.post('/webhook/keys', (request, response) => {
  const { key_id: id, key_type: type } = request.body ?? {};
  if (typeof id !== 'string' || type !== 'EC-P256') {
    return response.status(400).json({ error: 'key_id and key_type EC-P256 are wanted' });
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const fingerprint = `sha256:${sha256(publicKey.export({ type: 'spki', format: 'der' })).toString('hex')}`;
  keys.set(id, { privateKey, fingerprint });
  response.status(201).json({ public_key: publicKey.export({ type: 'spki', format: 'pem' }), fingerprint });
});

app.post('/webhook/keys/:id/sign', async (request, response) => {
  const key = keys.get(request.params.id);
  if (!key) {
    return response.status(404).json({ error: 'no such key' });
  }
  const { digest, hash_algorithm: hash } = request.body ?? {};
  const bytes = Buffer.from(typeof digest === 'string' ? digest : '', 'base64');
  if (hash !== 'SHA-256' || bytes.length !== 32) {
    return response.status(400).json({ error: 'a SHA-256 digest is wanted' });
  }
  const signature = await sign(key, bytes);
  response.json({ signature: signature.toString('base64'), key_fingerprint: key.fingerprint });
});

const tls = {
  cert: readFileSync(join(folder, 'server.pem')),
  key: readFileSync(join(folder, 'server.key')),
  minVersion: 'TLSv1.3',
};
const server = createServer(tls, app);
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => console.log(`ready https://127.0.0.1:${server.address().port}`));
