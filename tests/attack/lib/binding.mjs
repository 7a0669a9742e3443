// An agent of the attacker's own, from the typed code to requests on the granted host: a grant that
// he holds legitimately, and so what he knows and can do.

import { createPublicKey, randomBytes, sign } from 'node:crypto';
import { decode, encode } from './cbor.mjs';
import { connect, exporter, MANAGE, Prover } from './channel.mjs';
import { bare, grantCa, keyOfRequest, keyPem, leaf, newKey, now, pem, sha256, spkiOf, userRoot } from './der.mjs';
import { request } from './http.mjs';

const base32 = (count) => Array.from(randomBytes(count), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte & 31]).join('');
export const pairwise = (type = 'media-cache') => `${type}-${base32(12)}.local`;

export class Person {
  constructor(device) {
    this.device = device;
    this.management = newKey();
    this.root = userRoot();
  }
  /** A grant's plan; `changes` go into the offer as it is sent. */
  plan(origin = 'https://video.example', changes = {}) {
    const grant = new Grant(this, origin);
    grant.offer = {
      t: 'offer', grant: grant.id, origin, host: grant.host, nonce: randomBytes(32), agent: spkiOf(this.management),
      ticket: spkiOf(grant.ticketKey), sub: grant.sub, now: now(), ...changes,
    };
    grant.host = grant.offer.host;
    grant.id = grant.offer.grant;
    return grant;
  }
  /** Types the code the device shows and makes the first grant. */
  async pair(origin, { changes } = {}) {
    const code = await this.device.openWindow();
    const channel = await Prover.connect(this.device.port);
    await channel.hello();
    const shared = await channel.share(code);
    if (!shared.right) throw new Error(`pairing: ${JSON.stringify(shared)}`);
    channel.confirm();
    const grant = this.plan(origin, changes);
    channel.send(grant.offer);
    grant.csr = await channel.receive();
    if (grant.csr?.t !== 'csr') throw Object.assign(new Error('refused'), { answer: grant.csr });
    this.boot = channel.socket.getPeerCertificate().raw;
    channel.send(grant.certificates());
    const done = await channel.receive();
    channel.close();
    if (done?.t !== 'done') throw Object.assign(new Error('refused'), { answer: done });
    return grant;
  }
  /** A connection to the management port. */
  async manage(port = this.device.port, key = this.management) {
    const socket = await connect(port, { ALPNProtocols: [MANAGE], cert: pem(bare(key)), key: keyPem(key) });
    return new Management(socket);
  }
  /** One management request on a connection of its own. */
  async ask(method, target, body, key) {
    const management = await this.manage(undefined, key);
    try {
      return await management.ask(method, target, body);
    } finally {
      management.socket.destroy();
    }
  }
  /** Another grant, without a code. */
  async grantOver(origin, changes) {
    const grant = this.plan(origin, changes);
    const offered = await this.ask('POST', '/offer', grant.offer);
    if (offered.status !== 200) throw Object.assign(new Error('refused'), { answer: offered.map });
    grant.csr = offered.map;
    const done = await this.ask('POST', '/certificate', grant.certificates());
    if (done.status !== 200) throw Object.assign(new Error('refused'), { answer: done.map });
    return grant;
  }
}

export class Management {
  constructor(socket) {
    this.socket = socket;
    this.exporter = exporter(socket, 'EXPORTER-latchkey-manage-v1');
  }
  async ask(method, target, body, headers = {}) {
    const answer = await request(this.socket, {
      method, target, body: body && encode(body), headers: { Host: 'latchkey', 'Latchkey-Time': String(now()), ...headers },
    });
    let map;
    try {
      map = decode(answer.body);
    } catch {
      map = undefined;
    }
    return { ...answer, map };
  }
}

export class Grant {
  constructor(person, origin) {
    this.person = person;
    this.origin = origin;
    this.id = randomBytes(16);
    this.host = origin === null ? `shelf-${base32(4)}.local` : pairwise();
    this.ticketKey = newKey();
    this.sub = randomBytes(16).toString('base64url');
  }
  get port() {
    return this.person.device.port;
  }
  /** Step 3 of enrolment. */
  certificates(leafChanges = {}, caChanges = {}) {
    this.ca = grantCa(this.person.root, this.host, caChanges);
    this.leaf = leaf(this.ca, this.host, keyOfRequest(this.csr.csr), leafChanges);
    return { t: 'cert', grant: this.id, chain: [this.leaf, this.ca.der], renew: now() + 3 * 86400 };
  }
  /** @returns {Promise<import('node:tls').TLSSocket>} to the granted host, verified against the root */
  connect(options = {}) {
    return connect(this.port, { servername: this.host, ca: pem(this.person.root.der), rejectUnauthorized: true, ...options });
  }
  /** A ticket; `claims` and `header` change what it says, `key` who signs it. */
  ticket({ claims = {}, header = {}, key = this.ticketKey } = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'ES256', typ: 'latchkey+jwt', kid: this.id.toString('hex'), ...header })}.${part({
      aud: this.host, sub: this.sub, iat: now(), exp: now() + (this.origin === null ? 60 : 600), jti: randomBytes(16).toString('base64url'),
      ...(this.origin === null ? {} : { origin: this.origin }), ...claims,
    })}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
  /** Headers a page's request would have. */
  headers(more = {}) {
    return { Host: this.host, ...(this.origin === null ? { 'Sec-Fetch-Site': 'none' } : { Origin: this.origin }), ...more };
  }
  /** One request over a connection of its own. */
  async fetch(target = '/', { method = 'GET', headers = {}, body, socket: given } = {}) {
    const socket = given ?? await this.connect();
    try {
      return await request(socket, { method, target, headers: this.headers({ ...(this.cookie ? { Cookie: this.cookie } : {}), ...headers }), body });
    } finally {
      if (!given) socket.destroy();
    }
  }
  post(ticket, options = {}) {
    return this.fetch('/.well-known/latchkey/session', {
      method: 'POST', body: Buffer.alloc(0), ...options, headers: { Authorization: `Bearer ${ticket}`, ...options.headers },
    });
  }
  /** Opens a session, answering the nonce that a fresh device asks for. */
  async open(options = {}) {
    let answer = await this.post(this.ticket(), options);
    if (answer.status === 401) {
      const { nonce } = JSON.parse(answer.body);
      answer = await this.post(this.ticket({ claims: { nonce } }), options);
    }
    if (answer.status !== 204) throw new Error(`session: ${answer.status} ${answer.body}`);
    [this.cookie] = answer.headers['set-cookie'].split(';');
    return answer;
  }
}

export const publicOf = (key) => createPublicKey(key);
export { sha256 };
