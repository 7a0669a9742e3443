// A device that an agent talks to, and that does what the test says: an impostor that records what it
// is sent, or a device that pairs properly and misbehaves afterwards.

import { randomBytes } from 'node:crypto';
import { createSecureContext, createServer } from 'node:tls';
import { decode, encode } from './cbor.mjs';
import { MANAGE, PAIR, Verifier } from './channel.mjs';
import { bare, ecdsa, keyPem, newKey, pem, request, sha256, spkiHash, spkiOf } from './der.mjs';
import { readerOf } from './http.mjs';

/** The next request on a connection; null at the end. */
export async function readRequest(socket) {
  const reader = readerOf(socket);
  let end;
  while ((end = reader.buffer.indexOf('\r\n\r\n')) < 0 && !reader.ended) await reader.more().catch(() => { reader.ended = true; });
  if (end < 0) return null;
  const head = (await reader.take(end + 4)).toString('latin1');
  const [method, target] = head.split(' ');
  const length = /^content-length: (\d+)/im.exec(head);
  return { method, target, head, body: await reader.take(length ? Number(length[1]) : 0) };
}

export const respond = (socket, status, body = Buffer.alloc(0), lines = '') => socket.write(Buffer.concat([
  Buffer.from(`HTTP/1.1 ${status} x\r\n${lines}${status === 204 ? '' : `Content-Length: ${body.length}\r\n`}\r\n`), Buffer.from(body),
]));

export class Rogue {
  /**
   * @param {{port?: number, key?, code?: string, hello?: object, csr?: (leafKey) => Buffer, message?: (map, channel) => object,
   *   manage?: (request, socket, rogue) => any, http?: (request, socket, rogue) => any, alpn?: string[]}} acts
   */
  static async listen(house, acts = {}) {
    const rogue = new Rogue();
    Object.assign(rogue, { acts, key: acts.key ?? newKey(), connections: [], failures: [], offers: [], certs: [], contexts: new Map() });
    rogue.id = spkiHash(rogue.key);
    rogue.server = createServer({
      key: keyPem(rogue.key), cert: pem(bare(rogue.key)), minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false,
      ALPNProtocols: acts.alpn ?? [PAIR, MANAGE, 'http/1.1'], SNICallback: (name, done) => done(null, rogue.contexts.get(name)),
    }, (socket) => rogue.serve(socket).catch((error) => rogue.failures.push(error.message)));
    rogue.server.on('tlsClientError', (error) => rogue.failures.push(error.message));
    await new Promise((done) => { rogue.server.listen(acts.port ?? 0, '127.0.0.1', done); });
    rogue.port = rogue.server.address().port;
    house.keep(() => rogue.close());
    return rogue;
  }
  close() {
    this.sockets?.forEach((one) => one.destroy());
    return new Promise((done) => { this.server.close(done); });
  }
  async serve(socket) {
    (this.sockets ??= []).push(socket);
    socket.on('error', () => {});
    const one = { alpn: socket.alpnProtocol, sni: socket.servername, certificate: socket.getPeerCertificate()?.raw, bytes: 0 };
    this.connections.push(one);
    socket.on('data', (data) => { one.bytes += data.length; });
    if (one.alpn === PAIR) return this.pairing(socket);
    const handle = one.alpn === MANAGE ? this.acts.manage ?? this.manage : this.acts.http ?? ((_, to) => respond(to, 404));
    for (let asked = await readRequest(socket); asked; asked = await readRequest(socket)) await handle.call(this, asked, socket, this);
    return undefined;
  }
  async pairing(socket) {
    const channel = new Verifier(socket, this.id);
    if (!await channel.hello(this.acts.hello)) return;
    const proof = await channel.prove(this.acts.code ?? '12345678');
    if (proof?.t !== 'confirm') return;
    if (!channel.opening) {
      channel.send({ t: 'error', code: 'wrong_code', msg: '' });
      return;
    }
    const offer = await channel.receive();
    if (offer?.t !== 'offer') return;
    this.offers.push(offer);
    this.offer = channel.plain;
    this.leafKey = newKey();
    const plain = this.csrMessage(channel.th, this.acts.csr?.(this.leafKey, this) ?? request(this.leafKey));
    channel.send(this.acts.message?.(plain, channel, this) ?? plain);
    const cert = await channel.receive();
    this.certs.push(cert);
    if (cert?.t !== 'cert') return;
    this.install(offer.host, cert.chain, this.leafKey);
    channel.send({ t: 'done', port: this.port });
  }
  csrMessage(th, csr) {
    return {
      t: 'csr', csr, boot: spkiOf(this.key), bsig: ecdsa(this.key, Buffer.from('latchkey-boot-v1'), th, sha256(csr)), att: { fmt: 'none' },
      name: 'Shelf', type: 'media-cache', model: 'Rogue', fw: '1', disc: randomBytes(32),
    };
  }
  install(host, chain, key) {
    this.contexts.set(host, createSecureContext({ key: keyPem(key), cert: chain.map(pem).join('') }));
  }
  manage(asked, socket) {
    if (asked.method === 'GET' && asked.target === '/grants') respond(socket, 200, encode({ grants: [] }));
    else if (asked.method === 'DELETE') respond(socket, 204);
    else respond(socket, 404, encode({ t: 'error', code: 'unsupported', msg: '' }));
  }
}
export { decode, encode };
