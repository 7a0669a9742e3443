// Devices that show a proof of their make that is not theirs, towards the real agent: rows 9, 11, 17,
// 18, 19 and 32 of docs/threat-model.md. The certificates are those of the maker's own tool.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decode, encode } from './lib/cbor.mjs';
import { ecdsa, newKey, request, sha256, spkiOf } from './lib/der.mjs';
import { Agent, BIN, environment, execute, House, until } from './lib/house.mjs';
import { respond, Rogue } from './lib/rogue.mjs';

const SITE = 'https://video.example';
const CODE = '12345678';

/** A maker with one batch: its chain, its key, and the tool for more. */
async function makerIn(house) {
  const env = environment(house.path('maker'));
  const tool = async (...words) => {
    const done = await execute([`${BIN}/latchkey-maker`, '--json', ...words], { env });
    assert.equal(done.code, 0, done.stdout + done.stderr);
    return done.json ?? JSON.parse(done.stdout);
  };
  await tool('root', 'new', '--name', 'Acme root', '--out', house.path('root'));
  const { aaguid } = await tool('aaguid', 'new');
  const batch = async (name, ...more) => {
    await tool('batch', 'new', '--issuer', house.path('root'), '--aaguid', aaguid, '--name', name, '--out', house.path(name), ...more);
    return [new X509Certificate(readFileSync(house.path(`${name}.pem`))).raw];
  };
  const chain = await batch('batch');
  return { batch, chain, key: createPrivateKey(readFileSync(house.path('batch.key'))) };
}

const statement = (th, offer, csr, boot) => Buffer.concat([Buffer.from('latchkey-attest-v1'), th, sha256(offer), sha256(csr), sha256(boot)]);
const packed = (key, chain, signed) => ({ fmt: 'packed', alg: -7, sig: ecdsa(key, signed), x5c: chain });

/** The rogue's answers to offers over its binding. `attest` as for pairing. */
const manageWith = (attest) => (asked, socket, rogue) => {
  if (asked.target === '/certificate') {
    rogue.certs.push(decode(asked.body));
    rogue.install(decode(rogue.offer).host, decode(asked.body).chain, rogue.leafKey);
    return respond(socket, 200, encode({ t: 'done', port: rogue.port }));
  }
  if (asked.target !== '/offer') return rogue.manage(asked, socket);
  rogue.offer = asked.body;
  rogue.leafKey = newKey();
  const th = socket.exportKeyingMaterial(32, 'EXPORTER-latchkey-manage-v1', Buffer.alloc(0));
  const map = rogue.csrMessage(th, request(rogue.leafKey));
  rogue.asked = (rogue.asked ?? 0) + 1;
  return respond(socket, 200, encode({ ...map, att: attest(map, th, asked.body) }));
};

test('rows 9, 11, 17, 18, 19 and 32: a proof of the make that is not this device\'s, or not for this request', async (t) => {
  const house = House.open(t);
  const maker = await makerIn(house);
  const own = (map, th, offer) => packed(maker.key, maker.chain, statement(th, offer, map.csr, map.boot));
  let recorded;
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  const attempt = async (attest, change = () => ({})) => {
    rogue.certs.length = 0;
    rogue.acts = { code: CODE, message: (map, channel, self) => {
      const changed = { ...map, ...change(map, channel, self) };
      return { ...changed, att: attest(changed, channel.th, self.offer, map) };
    } };
    const end = await agent.pair(SITE, CODE);
    await until(() => rogue.certs.length > 0, `what follows ${attest}`);
    return { end, said: rogue.certs[0] };
  };
  const genuine = await attempt((map, th, offer) => { recorded = own(map, th, offer); return recorded; }, () => ({ type: 'nas' }));
  assert.equal(genuine.said.code, 'unsupported', 'recorded, without a pairing');
  const other = newKey();
  const resigned = (csr, th, self) => ({ csr, bsig: ecdsa(self.key, Buffer.from('latchkey-boot-v1'), th, sha256(csr)) });
  const noModel = new X509Certificate(readFileSync(house.path('root.pem'))).raw;
  const ways = {
    'row 17: replayed from another pairing': [() => recorded],
    'row 17: for another offer': [(map, th, offer) => packed(maker.key, maker.chain, statement(th, Buffer.concat([offer, offer]), map.csr, map.boot))],
    'row 18: of another channel': [(map, _, offer) => packed(maker.key, maker.chain, statement(Buffer.alloc(32), offer, map.csr, map.boot))],
    'row 18: of a genuine device elsewhere': [(map, th, offer) => packed(maker.key, maker.chain, statement(th, offer, map.csr, spkiOf(other)))],
    'row 9: for a request that was replaced': [(_, th, offer, before) => own(before, th, offer), (__, channel, self) => resigned(request(other), channel.th, self)],
    'row 11: the attestation key asks for the certificate': [own, (_, channel, self) => resigned(request(maker.key), channel.th, self)],
    'row 19: a certificate authority\'s own certificate': [(map, th, offer) => packed(createPrivateKey(readFileSync(house.path('root.key'))), [noModel], statement(th, offer, map.csr, map.boot))],
    'row 19: another\'s certificate': [(map, th, offer) => packed(other, maker.chain, statement(th, offer, map.csr, map.boot))],
    'row 32: without a signature': [(map, th, offer) => ({ ...own(map, th, offer), sig: Buffer.alloc(0) })],
  };
  for (const [what, [attest, change]] of Object.entries(ways)) {
    const { end, said } = await attempt(attest, change);
    assert.equal(end.grant, undefined, what);
    assert.equal(said.t, 'error', what);
    assert.ok(['attestation_failed', 'malformed'].includes(said.code), `${what}: ${said.code}`);
    if (!what.startsWith('row 32')) assert.equal(said.code, 'attestation_failed', what);
    assert.ok((await agent.grants()).every((one) => one.state === 'revoked'), what);
  }
  assert.ok((await attempt(own)).end.grant, 'its own goes through');
});

test('row 11: the bootstrap key as attestation key', async (t) => {
  const house = House.open(t);
  const maker = await makerIn(house);
  const rogue = await Rogue.listen(house, { code: CODE });
  const { writeFileSync } = await import('node:fs');
  writeFileSync(house.path('boot.pub'), createPublicKey(rogue.key).export({ type: 'spki', format: 'pem' }));
  const chain = await maker.batch('boot', '--public-key', house.path('boot.pub'));
  rogue.acts.message = (map, channel, self) => ({ ...map, att: packed(self.key, chain, statement(channel.th, self.offer, map.csr, map.boot)) });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.equal((await agent.pair(SITE, CODE)).grant, undefined);
  assert.equal(rogue.certs[0].code, 'attestation_failed');
});

test('row 32: a device that showed a proof once and drops it, or replays it, over its binding', async (t) => {
  const house = House.open(t);
  const maker = await makerIn(house);
  let shown;
  const rogue = await Rogue.listen(house, { code: CODE, message: (map, channel, self) => {
    shown = packed(maker.key, maker.chain, statement(channel.th, self.offer, map.csr, map.boot));
    return { ...map, att: shown };
  } });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  for (const [what, attest] of Object.entries({ dropped: () => ({ fmt: 'none' }), replayed: () => shown })) {
    rogue.asked = 0;
    rogue.certs.length = 0;
    rogue.acts.manage = manageWith(attest);
    assert.equal((await agent.pair(`https://${what}.example`, CODE)).grant, undefined, what);
    assert.ok(rogue.asked > 0, `${what}: it was asked`);
    assert.deepEqual(rogue.certs, [], what);
  }
  assert.equal((await agent.grants()).filter((one) => one.state === 'active').length, 1, 'the first goes on');
  rogue.acts.manage = manageWith((map, th, offer) => packed(maker.key, maker.chain, statement(th, offer, map.csr, map.boot)));
  assert.ok((await agent.pair('https://music.example', CODE)).grant, 'a proof of its own goes through');
});
