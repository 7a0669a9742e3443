// An identity provider that does whatever a test tells it: right by default, wrong in one point at a
// time. It lets everybody in without asking.

import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export class Mallory {
  /** @param {{cert: string, key: string}} identity files for `localhost` */
  static async start(house, identity) {
    const self = Object.assign(new Mallory(), {
      seen: [], codes: new Map(), claims: {}, header: {}, kid: 'k1', meta: {}, overrides: {}, who: 'ann', held: [],
    });
    self.newKey();
    self.server = createServer({ cert: readFileSync(identity.cert), key: readFileSync(identity.key) }, (request, response) => self.answer(request, response));
    await new Promise((done) => { self.server.listen(0, '127.0.0.1', done); });
    self.issuer = `https://localhost:${self.server.address().port}`;
    house.keep(() => {
      self.server.closeAllConnections();
      self.server.close();
    });
    return self;
  }
  newKey() {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = pair.privateKey;
    this.jwk = { ...pair.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };
  }
  asked(path) {
    return this.seen.filter((one) => one.path === path);
  }
  /** What the authorization endpoint would send back for this address; the person agrees at once. */
  authorize(url) {
    const asked = new URL(url).searchParams;
    const code = randomBytes(16).toString('hex');
    this.codes.set(code, Object.fromEntries(asked));
    return { state: asked.get('state'), code, iss: this.issuer };
  }
  metadata() {
    return {
      issuer: this.issuer, authorization_endpoint: `${this.issuer}/auth`, token_endpoint: `${this.issuer}/token`, jwks_uri: `${this.issuer}/jwks`,
      end_session_endpoint: `${this.issuer}/end`, authorization_response_iss_parameter_supported: true, ...this.meta,
    };
  }
  idToken(code) {
    const now = Math.floor(Date.now() / 1000);
    const flow = this.codes.get(code) ?? {};
    const header = { alg: 'ES256', kid: this.kid, ...this.header };
    const claims = { iss: this.issuer, sub: this.who, aud: 'device', nonce: flow.nonce, iat: now, exp: now + 300, sid: 'sid-1', ...this.claims };
    const text = `${encode(header)}.${encode(claims)}`;
    if (header.alg === 'none') return `${text}.`;
    const signature = header.alg === 'HS256'
      ? createHmac('sha256', JSON.stringify(this.jwk)).update(text).digest()
      : sign('sha256', Buffer.from(text), { key: this.key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }
  answer(request, response) {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => {
      const path = new URL(request.url, this.issuer).pathname;
      const form = new URLSearchParams(body);
      this.seen.push({ path, form, headers: request.headers });
      const say = (status, value, headers = {}) => {
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
        response.end(typeof value === 'string' ? value : JSON.stringify(value));
      };
      if (this.overrides[path]) return this.overrides[path](say, response, form);
      if (path === '/.well-known/openid-configuration') return say(200, this.metadata());
      if (path === '/jwks') return say(200, { keys: [{ ...this.jwk, kid: this.kid }] });
      if (path === '/token') {
        return say(200, { access_token: 'a', token_type: 'Bearer', refresh_token: randomBytes(8).toString('hex'), id_token: this.idToken(form.get('code')) });
      }
      return say(404, {});
    });
  }
}
