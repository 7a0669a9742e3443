// The neighbour on the same Wi-Fi while a pairing window is open: rows 5, 6, 7, 8, 10, 12, 32, 43, 50
// and 54 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { createServer } from 'node:tls';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person, pairwise } from './lib/binding.mjs';
import { encode } from './lib/cbor.mjs';
import { connect, framed, PAIR, Prover, Reader } from './lib/channel.mjs';
import { bare, keyPem, newKey, pem, spkiHash, spkiOf } from './lib/der.mjs';
import { Agent, Device, House, ROOT } from './lib/house.mjs';
import * as spake from './lib/spake2plus.mjs';

const other = (code, by = 1) => String((Number(code) + by) % 1e8).padStart(8, '0');

test('the attacker\'s own SPAKE2+ agrees with RFC 9383', () => {
  const vector = JSON.parse(readFileSync(join(ROOT, 'tests/data/spake2plus-rfc9383.json'), 'utf8'));
  const hex = (name) => Buffer.from(vector[name], 'hex');
  const big = (name) => BigInt(`0x${vector[name]}`);
  const key = { w0: big('w0'), w1: big('w1') };
  const names = { context: vector.context, prover: vector.id_prover, verifier: vector.id_verifier };
  assert.deepEqual(spake.proverShare(key, big('x')), hex('share_p'));
  assert.deepEqual(spake.verifierShare(key, big('y')), hex('share_v'));
  for (const keys of [spake.proverKeys(key, big('x'), hex('share_v'), names), spake.verifierKeys(key, big('y'), hex('share_p'), names)]) {
    assert.deepEqual(keys.shared, hex('K_shared'));
    assert.deepEqual(keys.confirmP, hex('confirm_p'));
    assert.deepEqual(keys.confirmV, hex('confirm_v'));
  }
});

test('row 5: five wrong codes, then nothing, also after kill -9', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  for (let left = 5; left > 0; --left) {
    const prover = await Prover.connect(device.port);
    assert.equal((await prover.hello()).left, left, 'the number of attempts left');
    assert.equal((await prover.share(other(code))).right, false);
    // Half of the time the attacker hangs up: an attempt is spent by the device's answer.
    if (left % 2 === 0) prover.confirm();
    else prover.close();
    await prover.reader.all().catch(() => {});
  }
  await assert.rejects(Prover.connect(device.port), 'the window is closed');
  const status = await device.status();
  assert.equal(status.window.open, false);
  assert.ok(status.window.wait_seconds > 0);
  assert.equal((await device.command('open-window')).json.error.code, 'locked');

  await device.restart('SIGKILL');
  assert.equal((await device.command('open-window')).json.error.code, 'locked', 'still locked after a restart');
  await assert.rejects(Prover.connect(device.port));
  assert.deepEqual((await device.status()).agents, []);
});

test('row 5: an attempt that was answered is paid for before kill -9', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  for (let i = 0; i < 5; ++i) {
    const prover = await Prover.connect(device.port);
    await prover.hello();
    assert.equal((await prover.share(other(code))).right, false);
    if (i < 4) prover.close();
  }
  await device.restart('SIGKILL');
  assert.equal((await device.command('open-window')).json.error.code, 'locked');
});

test('row 5: the right code after four wrong ones, and only once', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  for (let i = 1; i <= 4; ++i) {
    const prover = await Prover.connect(device.port);
    await prover.hello();
    assert.equal((await prover.share(other(code, i))).right, false);
    prover.close();
  }
  const prover = await Prover.connect(device.port);
  assert.equal((await prover.hello()).left, 1);
  assert.equal((await prover.share(code)).right, true);
  prover.confirm();
  const grant = new Person(device).plan();
  prover.send(grant.offer);
  assert.equal((await prover.receive()).t, 'csr');
  await assert.rejects(Prover.connect(device.port), 'the code has done its work');
});

test('row 6: what a listener sees, and gets for asking, has nothing to test a guess against', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const prover = await Prover.connect(device.port);
  await prover.hello();
  const shared = await prover.share(other(code));
  assert.equal(shared.right, false);
  // He has the whole exchange of his own wrong guess, and now learns the code: still he cannot
  // compute the confirmation, since x of the share that went out belongs to the wrong w0.
  const late = spake.passwordKey(code, prover.told.kdf.salt, prover.told.kdf.iter);
  const x = spake.randomScalar();
  const keys = spake.proverKeys(late, x, shared.answer.v, { context: '', prover: 'latchkey-agent', verifier: 'latchkey-device' });
  assert.notDeepEqual(keys.confirmV, shared.answer.c);
  assert.ok(prover.told.kdf.iter >= 10000 && prover.told.kdf.salt.length >= 16);
  // Another window has another salt and another code.
  await device.command('close-window');
  const again = await device.openWindow();
  const next = await Prover.connect(device.port);
  assert.notDeepEqual((await next.hello()).kdf.salt, prover.told.kdf.salt);
  assert.notEqual(again, code);
});

test('row 7: points that are none, the identity, reflections and replays', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const good = spake.pointBytes(spake.times(spake.G, 5n));
  const y = Buffer.from(good);
  y[64] ^= 1;
  const wide = Buffer.from(good);
  wide.fill(0xff, 1, 33);
  const shares = {
    'off the curve': y,
    'a coordinate over the field': wide,
    'the identity, padded': Buffer.alloc(65),
    'the identity of SEC 1': Buffer.from([0]),
    compressed: Buffer.concat([Buffer.from([2 + (good[64] & 1)]), good.subarray(1, 33)]),
    hybrid: Buffer.concat([Buffer.from([6 + (good[64] & 1)]), good.subarray(1)]),
    'too long': Buffer.concat([good, Buffer.from([0])]),
    'a text': 'x'.repeat(65),
    'zeros behind 04': Buffer.concat([Buffer.from([4]), Buffer.alloc(64)]),
  };
  for (const [what, p] of Object.entries(shares)) {
    const prover = await Prover.connect(device.port);
    assert.equal((await prover.hello()).left, 5, `${what}: no attempt is spent on the one before`);
    prover.send({ t: 'share', p });
    assert.deepEqual(await prover.receive(), { t: 'error', code: 'malformed', msg: 'malformed' }, what);
    assert.equal(await prover.receiveRaw(), null, `${what}: hung up`);
  }

  // w0*M alone makes the device's base point the identity. Only who knows the code can try it.
  const knowing = await Prover.connect(device.port);
  const { kdf } = await knowing.hello();
  const { w0 } = spake.passwordKey(code, kdf.salt, kdf.iter);
  const m = spake.parsePoint(Buffer.from('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f', 'hex'));
  knowing.send({ t: 'share', p: spake.pointBytes(spake.times(m, w0)) });
  assert.equal((await knowing.receive()).code, 'malformed');

  // The device's own share and confirmation, thrown back at it.
  const first = await Prover.connect(device.port);
  await first.hello();
  const { answer } = await first.share(other(code));
  first.confirm(answer.c);
  assert.equal(JSON.stringify(await first.receiveRaw()).includes('csr'), false);
  const second = await Prover.connect(device.port);
  assert.equal((await second.hello()).left, 4);
  second.send({ t: 'share', p: answer.v });
  const reflected = await second.receive();
  assert.notDeepEqual(reflected.c, answer.c);
  second.send({ t: 'confirm', c: reflected.c });
  assert.notEqual((await second.receive())?.t, 'csr');
  assert.deepEqual((await device.status()).agents, []);
});

test('row 7: a recorded pairing played again', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const prover = await Prover.connect(device.port);
  await prover.hello();
  const sent = [];
  const send = prover.sendRaw.bind(prover);
  prover.sendRaw = (payload) => { sent.push(payload); send(payload); };
  assert.equal((await prover.share(code)).right, true);
  prover.confirm();
  prover.send(new Person(device).plan().offer);
  assert.equal((await prover.receive()).t, 'csr');
  prover.close();

  await device.openWindow();
  const replay = await Prover.connect(device.port);
  replay.sendRaw(prover.agentHello);
  await replay.receiveRaw();
  replay.sendRaw(sent[0]);
  assert.equal((await replay.receive()).t, 'share');
  replay.sendRaw(sent[1]);
  replay.sendRaw(sent[2]);
  assert.equal((await replay.receive()).code, 'wrong_code');
  assert.equal(await replay.receiveRaw(), null);
});

test('row 7: sealed frames changed, out of order, or sent twice', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const ways = {
    changed: (prover, frame) => { frame[3] ^= 1; prover.sendRaw(frame); },
    'sealed with the other direction\'s key': (prover) => {
      prover.sealing = { ...prover.opening };
      prover.send(new Person(device).plan().offer);
    },
    'a counter that was skipped': (prover) => {
      prover.sealing.count = 1n;
      prover.send(new Person(device).plan().offer);
    },
    'in plain text': (prover) => prover.sendRaw(encode(new Person(device).plan().offer)),
  };
  for (const [what, way] of Object.entries(ways)) {
    const code = await device.openWindow();
    const prover = await Prover.connect(device.port);
    await prover.hello();
    assert.equal((await prover.share(code)).right, true);
    prover.confirm();
    const frame = what === 'changed' ? prover.seal(encode(new Person(device).plan().offer)) : null;
    way(prover, frame);
    const answer = await prover.receive().catch(() => 'unreadable');
    assert.notEqual(answer?.t, 'csr', what);
  }
  assert.deepEqual((await device.status()).grants, []);
});

/** Sits between a real agent and a real device; every frame passes through `change`. */
async function relay(house, device, change = (side, payload) => payload) {
  const key = newKey();
  const seen = [];
  const server = createServer({ key: keyPem(key), cert: pem(bare(key)), ALPNProtocols: [PAIR], minVersion: 'TLSv1.3' }, async (near) => {
    near.on('error', () => {});
    const far = await connect(device.port, { ALPNProtocols: [PAIR] }).catch(() => near.destroy());
    if (!far) return;
    const pump = async (from, to, side) => {
      const reader = new Reader(from);
      for (;;) {
        const head = await reader.take(4).catch(() => null);
        const payload = head && await reader.take(head.readUInt32BE());
        if (!payload) break;
        seen.push(side);
        to.write(framed(change(side, payload)));
      }
      to.end();
    };
    pump(near, far, 'agent');
    pump(far, near, 'device');
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  house.keep(() => server.close());
  return { port: server.address().port, key, seen };
}

test('row 8: a relay that passes the pairing on unchanged', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const between = await relay(house, device);
  const agent = await Agent.start(house, { devices: [{ port: between.port }] });
  const code = await device.openWindow();
  assert.equal((await agent.pair('https://video.example', code)).grant, undefined);
  assert.ok(between.seen.length > 0, 'the agent did come by the relay');
  const { grants, agents, window } = await device.status();
  assert.deepEqual([grants, agents], [[], []]);
  assert.equal(window.attempts_left, 5, 'the agent saw the foreign key before it used the code');
});

test('row 8: a relay that puts its own key into the hello', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const asked = await Prover.connect(device.port);
  const { id } = await asked.hello();
  asked.close();
  let mine;
  const between = await relay(house, device, (side, payload) => {
    const at = side === 'device' ? payload.indexOf(id) : -1;
    if (at < 0) return payload;
    return Buffer.concat([payload.subarray(0, at), mine, payload.subarray(at + 32)]);
  });
  mine = spkiHash(between.key);
  const agent = await Agent.start(house, { devices: [{ port: between.port }] });
  assert.equal((await agent.pair('https://video.example', code)).code, 'wrong_code');
  const { grants, agents, window } = await device.status();
  assert.deepEqual([grants, agents], [[], []]);
  assert.equal(window.attempts_left, 4, 'it cost the attacker one guess');
});

test('row 8: with the right code, but bound to another TLS connection', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const prover = await Prover.connect(device.port);
  const elsewhere = await Prover.connect(device.port);
  prover.binding = elsewhere.binding;
  await prover.hello();
  assert.equal((await prover.share(code)).right, false);
  prover.close();
  elsewhere.close();
  const direct = await Prover.connect(device.port);
  await direct.hello();
  assert.equal((await direct.share(code)).right, true, 'the same code on one connection');
});

test('row 12: offers for names outside the namespace', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const person = new Person(device);
  await person.pair();
  const tag = 'abcdefgh2345';
  const hosts = [
    `media-cache-${tag}.local.`, `Media-Cache-${tag}.local`, `media-cache-${tag}.LOCAL`, `a.media-cache-${tag}.local`,
    `media-cache-${tag}.example`, `media-cache-${tag}`, `*.local`, `*-${tag}.local`, '127.0.0.1', '[::1]', 'localhost', 'local',
    `https://media-cache-${tag}.local`, `media-cache-${tag}.local:443`, `xn--mdia-cache-${tag}.local`, `m\u00e9dia-cache-${tag}.local`,
    `nas-${tag}.local`, `media-cache-${tag.toUpperCase()}.local`, 'media-cache-short.local', `media-cache-${tag}\0.local`, 'shelf.local', '',
    `media_cache-${tag}.local`, `-media-cache-${tag}.local`, `${'a'.repeat(60)}-${tag}.local`,
  ];
  for (const host of hosts) {
    const grant = person.plan('https://other.example', { host });
    const answer = await person.ask('POST', '/offer', grant.offer);
    assert.ok([400, 409].includes(answer.status), `${JSON.stringify(host)}: ${answer.status}`);
  }
  for (const host of [pairwise(), pairwise('nas'), 'Shelf.local', '-shelf.local', 'xn--shelf-.local', 'localhost.local', 'a.shelf.local', 'shelf.local.']) {
    const grant = person.plan(null, { host });
    const answer = await person.ask('POST', '/offer', grant.offer);
    assert.ok([400, 409].includes(answer.status), `direct ${host}: ${answer.status}`);
  }
  for (const origin of ['http://video.example', 'null', '*', 'https://video.example/', 'https://VIDEO.example', 'https://u@video.example', 'https://video.example:443', '']) {
    const answer = await person.ask('POST', '/offer', person.plan('https://x.example', { origin }).offer);
    assert.equal(answer.status, 400, `origin ${origin}`);
  }
  assert.equal((await device.status()).grants.length, 1);
});

test('row 50: a second agent wants the host of another\'s grant', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const grant = await new Person(device).pair();
  const thief = new Person(device);
  await assert.rejects(thief.pair('https://evil.example', { changes: { host: grant.host } }), (error) => error.answer?.code === 'name_conflict');
  await assert.rejects(thief.pair('https://video.example', { changes: { host: grant.host, grant: grant.id } }), (error) => error.answer?.code === 'name_conflict');
  await grant.open();
  assert.equal((await grant.fetch('/')).status, 404);
  assert.equal((await device.status()).grants.length, 1);
});

test('row 11: an offer whose keys are none, or have another use', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const person = new Person(device);
  await person.pair();
  const boot = person.boot;
  const marker = boot.indexOf(Buffer.from('3059301306072a8648ce3d0201', 'hex'));
  const bootSpki = boot.subarray(marker, marker + 91);
  const p384 = spkiOf(newKey('P-384'));
  const zeros = Buffer.concat([spkiOf(newKey()).subarray(0, 27), Buffer.alloc(64)]);
  for (const [what, ticket] of Object.entries({ management: spkiOf(person.management), bootstrap: bootSpki, 'P-384': p384, 'off the curve': zeros, nothing: Buffer.alloc(0), long: randomBytes(4096) })) {
    const answer = await person.ask('POST', '/offer', person.plan('https://other.example', { ticket }).offer);
    assert.equal(answer.status, 400, what);
  }
  const stranger = spkiOf(newKey());
  const answer = await person.ask('POST', '/offer', person.plan('https://other.example', { agent: stranger }).offer);
  assert.deepEqual([answer.status, answer.map.code], [403, 'not_granted'], 'in another agent\'s name');
});

test('row 32: another version or suite, and pairing while the window is closed', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  await assert.rejects(Prover.connect(device.port), /no application protocol/i);
  const code = await device.openWindow();
  for (const changes of [{ v: 0 }, { v: 2 }, { suites: [] }, { suites: ['none', 'plain'] }, { suites: 'spake2p-p256' }, { nonce: Buffer.alloc(16) }]) {
    const prover = await Prover.connect(device.port);
    const answer = await prover.hello(changes);
    assert.ok(['unsupported', 'malformed'].includes(answer.code), JSON.stringify(changes));
  }
  // No step can be left out: neither the share, nor the confirmation.
  for (const message of [{ t: 'confirm', c: randomBytes(32) }, new Person(device).plan().offer, { t: 'cert', grant: randomBytes(16), chain: [randomBytes(9), randomBytes(9)], renew: 1 }]) {
    const prover = await Prover.connect(device.port);
    prover.send(message);
    assert.equal((await prover.receive()).code, 'malformed', `${message.t} first`);
    const second = await Prover.connect(device.port);
    await second.hello();
    second.send(message);
    assert.equal((await second.receive()).code, 'malformed', `${message.t} after hello`);
    const third = await Prover.connect(device.port);
    await third.hello();
    assert.equal((await third.share(code)).right, true);
    third.send(message);
    const answer = await third.receive();
    assert.notEqual(answer?.t, 'csr', `${message.t} after share`);
    third.close();
  }
  assert.deepEqual((await device.status()).grants, []);
  // What was offered is in the transcript: a hello that was changed on the way gives other keys.
  await device.command('close-window');
  const fresh = await device.openWindow();
  const changed = await Prover.connect(device.port);
  await changed.hello({ suites: ['spake2p-p256', 'something-weaker'] });
  changed.agentHello = encode({ t: 'hello', v: 1, suites: ['spake2p-p256'], nonce: randomBytes(32) });
  assert.equal((await changed.share(fresh)).right, false);
});

test('row 54: many sessions race for the last attempt', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  for (let i = 1; i <= 4; ++i) {
    const prover = await Prover.connect(device.port);
    await prover.hello();
    await prover.share(other(code, i));
    prover.close();
  }
  const racers = await Promise.all([1, 2, 3, 4].map(() => Prover.connect(device.port)));
  for (const racer of racers) assert.equal((await racer.hello()).left, 1);
  const guesses = racers.map((racer, i) => {
    const key = spake.passwordKey(other(code, 10 + i), racer.told.kdf.salt, racer.told.kdf.iter);
    return spake.proverShare(key, spake.randomScalar());
  });
  racers.forEach((racer, i) => racer.send({ t: 'share', p: guesses[i] }));
  const answers = await Promise.all(racers.map((racer) => racer.receive()));
  assert.equal(answers.filter((one) => one?.t === 'share').length, 1, JSON.stringify(answers));
  racers.forEach((racer) => racer.close());
  assert.equal((await device.command('open-window')).json?.error?.code ?? (await device.status()).window.open, 'locked');
});

test('row 54: one session at a time between share and confirmation', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const [first, second] = await Promise.all([Prover.connect(device.port), Prover.connect(device.port)]);
  await first.hello();
  await second.hello();
  assert.equal((await first.share(other(code))).right, false);
  assert.equal((await second.share(code)).code, 'locked');
  assert.equal((await device.status()).window.attempts_left, 4);
});

test('row 54: a code that was replaced or withdrawn ends the session that used it', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const code = await device.openWindow();
  const prover = await Prover.connect(device.port);
  await prover.hello();
  await device.openWindow();
  assert.notEqual((await prover.share(code))?.right, true);
  const next = await device.openWindow();
  const late = await Prover.connect(device.port);
  await late.hello();
  const shared = await late.share(next);
  assert.equal(shared.right, true);
  await device.command('close-window');
  late.confirm();
  late.send(new Person(device).plan().offer);
  assert.notEqual((await late.receive().catch(() => null))?.t, 'csr');
  assert.deepEqual((await device.status()).agents, []);
});

test('row 43: bombs instead of pairing messages', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  await device.openWindow();
  const bombs = {
    'indefinite strings, 64 KiB': Buffer.alloc(65536, 0x5f),
    'indefinite lists, 64 KiB': Buffer.alloc(65536, 0x9f),
    'lists in lists': Buffer.alloc(65536, 0x81),
    tags: Buffer.alloc(65536, 0xc1),
    'a map of 2^64 pairs': Buffer.from('bbffffffffffffffff', 'hex'),
    'a string of 2^63 bytes': Buffer.from('5b8000000000000000', 'hex'),
    'a list of 2^32 items': Buffer.from('9affffffff', 'hex'),
    'one key twice': Buffer.from('a2617461686174616a', 'hex'),
    nothing: Buffer.alloc(0),
    'a map that goes on': Buffer.concat([encode({ t: 'hello', v: 1, suites: ['spake2p-p256'], nonce: randomBytes(32) }), Buffer.from([0])]),
    '65 keys': encode(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i]))),
    'a float': Buffer.from('a16176fb3ff0000000000000', 'hex'),
  };
  for (const [what, bomb] of Object.entries(bombs)) {
    const prover = await Prover.connect(device.port);
    prover.sendRaw(bomb);
    const answer = await prover.receive();
    assert.equal(answer?.code, 'malformed', what);
    assert.equal(await prover.receiveRaw(), null, what);
  }
  for (const length of [65537, 0x7fffffff, 0xffffffff]) {
    const prover = await Prover.connect(device.port);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    prover.socket.write(head);
    assert.equal((await prover.receive())?.code, 'malformed', `a frame of ${length}`);
  }
  assert.equal((await device.status()).window.attempts_left, 5);
});
