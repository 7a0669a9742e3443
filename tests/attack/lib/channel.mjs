// Frames over TLS, plain until the code was proved and sealed from then on. Both ends use it: the
// attacker as an agent (prover) and as a device (verifier).

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { decode, encode } from './cbor.mjs';
import { sha256 } from './der.mjs';
import { within } from './house.mjs';
import * as spake from './spake2plus.mjs';

export const PAIR = 'latchkey-pair/1';
export const MANAGE = 'latchkey-manage/1';

/** @returns {Promise<tls.TLSSocket>} */
export function connect(port, options = {}) {
  const socket = tls.connect({ host: '127.0.0.1', port, servername: '', rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  return within(new Promise((done, fail) => {
    socket.once('secureConnect', () => done(socket));
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('closed')));
  }), 'a TLS handshake');
}

/** What reads a socket in pieces of a wanted size; null at its end. */
export class Reader {
  constructor(socket) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.ended = false;
    this.waiting = [];
    const wake = () => this.waiting.splice(0).forEach((one) => one());
    socket.on('data', (data) => { this.buffer = Buffer.concat([this.buffer, data]); wake(); });
    for (const end of ['end', 'close', 'error']) socket.on(end, () => { this.ended = true; wake(); });
  }
  async more() {
    if (!this.ended) await within(new Promise((done) => { this.waiting.push(done); }), 'more bytes');
  }
  async take(count) {
    while (this.buffer.length < count && !this.ended) await this.more();
    if (this.buffer.length < count) return null;
    const piece = this.buffer.subarray(0, count);
    this.buffer = this.buffer.subarray(count);
    return Buffer.from(piece);
  }
  async all() {
    while (!this.ended) await this.more();
    return this.buffer;
  }
}

export const framed = (payload) => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(payload.length);
  return Buffer.concat([head, payload]);
};

export class Channel {
  constructor(socket) {
    this.socket = socket;
    this.reader = new Reader(socket);
  }
  sendRaw(payload) {
    this.socket.write(framed(payload));
  }
  /** The next frame's payload; null at the end. */
  async receiveRaw() {
    const head = await this.reader.take(4);
    return head && this.reader.take(head.readUInt32BE());
  }
  send(map) {
    const plain = encode(map);
    this.sendRaw(this.sealing ? this.seal(plain) : plain);
    return plain;
  }
  async receive() {
    const payload = await this.receiveRaw();
    if (!payload) return payload;
    this.plain = this.opening ? this.openFrame(payload) : payload; // as it was sent
    return decode(this.plain);
  }
  seal(plain) {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.sealing.count++, 4);
    const cipher = createCipheriv('aes-256-gcm', this.sealing.key, nonce);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
  openFrame(payload) {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(this.opening.count++, 4);
    const cipher = createDecipheriv('aes-256-gcm', this.opening.key, nonce);
    cipher.setAuthTag(payload.subarray(-16));
    return Buffer.concat([cipher.update(payload.subarray(0, -16)), cipher.final()]);
  }
  establish(shared, isAgent) {
    const key = (info) => ({ key: Buffer.from(hkdfSync('sha256', shared, this.th, info, 32)), count: 0n });
    [this.sealing, this.opening] = isAgent ? [key('latchkey a2d'), key('latchkey d2a')] : [key('latchkey d2a'), key('latchkey a2d')];
  }
  close() {
    this.socket.destroy();
  }
}

const NAMES = { prover: 'latchkey-agent', verifier: 'latchkey-device' };
const context = (hellos, binding) => Buffer.concat([Buffer.from('latchkey-pair-v1'), sha256(hellos), binding]);
export const exporter = (socket, label) => socket.exportKeyingMaterial(32, label, Buffer.alloc(0));

/** The attacker as an agent, step by step, so that each step can be done wrong. */
export class Prover extends Channel {
  static async connect(port) {
    const prover = new Prover(await connect(port, { ALPNProtocols: [PAIR] }));
    prover.binding = exporter(prover.socket, 'EXPORTER-latchkey-pair-v1');
    return prover;
  }
  async hello(changes = {}) {
    this.agentHello = this.send({ t: 'hello', v: 1, suites: ['spake2p-p256'], nonce: randomBytes(32), ...changes });
    this.deviceHello = await this.receiveRaw();
    this.told = this.deviceHello && decode(this.deviceHello);
    return this.told;
  }
  /** Steps 3 and 4. Says whether the code was right, as the device's confirmation tells. */
  async share(code) {
    this.key = spake.passwordKey(code, this.told.kdf.salt, this.told.kdf.iter);
    const x = spake.randomScalar();
    const shareP = spake.proverShare(this.key, x);
    this.send({ t: 'share', p: shareP });
    const answer = await this.receive();
    if (answer?.t !== 'share') return answer;
    const hellos = Buffer.concat([this.agentHello, this.deviceHello]);
    this.keys = spake.proverKeys(this.key, x, answer.v, { ...NAMES, context: context(hellos, this.binding) });
    this.th = sha256(hellos, shareP, answer.v);
    return { t: 'share', right: this.keys.confirmV.equals(answer.c), answer };
  }
  confirm(bytes = this.keys.confirmP) {
    this.send({ t: 'confirm', c: bytes });
    this.establish(this.keys.shared, true);
  }
}

/** The attacker as a device that an agent dials. One per connection. */
export class Verifier extends Channel {
  constructor(socket, id) {
    super(socket);
    this.id = id;
    this.binding = exporter(socket, 'EXPORTER-latchkey-pair-v1');
  }
  /** Steps 1 and 2. `changes`: what the answer says differently. */
  async hello(changes = {}) {
    this.agentHello = await this.receiveRaw();
    if (!this.agentHello) return null;
    this.kdf = { alg: 'pbkdf2-sha256', salt: randomBytes(16), iter: 10000, ...changes.kdf };
    this.deviceHello = this.send({
      t: 'hello', v: 1, suite: 'spake2p-p256', nonce: randomBytes(32), id: this.id, code: 'digits8', left: 5, ...changes, kdf: this.kdf,
    });
    return decode(this.agentHello);
  }
  /** Steps 3 to 5, as one who knows the code. */
  async prove(code) {
    const asked = await this.receive();
    if (asked?.t !== 'share') return asked;
    const key = spake.passwordKey(code, this.kdf.salt, this.kdf.iter);
    const y = spake.randomScalar();
    const hellos = Buffer.concat([this.agentHello, this.deviceHello]);
    const shareV = spake.verifierShare(key, y);
    const keys = spake.verifierKeys(key, y, asked.p, { ...NAMES, context: context(hellos, this.binding) });
    this.th = sha256(hellos, asked.p, shareV);
    this.send({ t: 'share', v: shareV, c: keys.confirmV });
    const confirm = await this.receive();
    if (confirm?.t === 'confirm' && confirm.c.equals(keys.confirmP)) this.establish(keys.shared, false);
    return confirm;
  }
}
