// Somebody near the house with a radio, while a device pairs over Bluetooth: rows 18 and 42 of
// docs/threat-model.md. The real device, with a radio that this test drives.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encode } from './lib/cbor.mjs';
import { Device, execute, House, ROOT, until } from './lib/house.mjs';
import { ended, hello, piece, prover, Radio, Stream } from './lib/radio.mjs';

const other = (code, by = 1) => String((Number(code) + by) % 1e8).padStart(8, '0');

async function start(t, more = []) {
  const house = House.open(t);
  const path = house.path('radio.sock');
  const device = await Device.start(house, { more: ['--bluetooth-socket', path, ...more] });
  const radio = await Radio.connect(house, path);
  return { house, path, device, radio };
}
const seen = (radio) => until(() => radio.rid, 'that the device is seen');
const silent = (radio) => until(() => radio.rid === null, 'that the device is silent');

test('row 42: the device is seen, and hears anybody, only while its window is open', async (t) => {
  const { path, device, radio } = await start(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(radio.rid, null, 'not seen before');
  const early = radio.central();
  await early.untilHungUp();
  assert.deepEqual(early.values, []);

  await device.openWindow();
  const rid = await seen(radio);
  assert.equal(rid.length, 12);
  const stream = radio.central(185, Stream);
  await stream.open();
  await device.command('close-window');
  await until(() => stream.over && stream.hungUp, 'the end of who had not proved the code');
  await silent(radio);
  const late = radio.central();
  await late.untilHungUp();
});

test('row 42: five wrong codes over Bluetooth, then nothing, here and on the network', async (t) => {
  const { device, radio } = await start(t);
  const code = await device.openWindow();
  for (let left = 5; left > 0; --left) {
    const attacker = await prover(radio);
    assert.equal((await attacker.hello()).left, left, 'the number of attempts left');
    assert.equal((await attacker.share(other(code, left))).right, false);
    if (left % 2 === 0) attacker.confirm();
    else attacker.close();
    await attacker.reader.all().catch(() => {});
    attacker.socket.leave();
  }
  await silent(radio);
  const status = await device.status();
  assert.equal(status.window.open, false);
  assert.ok(status.window.wait_seconds > 0);
  assert.deepEqual(status.agents, []);
});

test('row 42: what a relay changes in a session is not opened', async (t) => {
  const house = House.open(t);
  const hook = house.path('hook');
  const heard = house.path('heard');
  writeFileSync(hook, `#!/bin/sh\ncat >> ${heard}\nexit 0\n`);
  chmodSync(hook, 0o700);
  const path = house.path('radio.sock');
  const device = await Device.start(house, { more: ['--bluetooth-socket', path, '--network-hook', hook] });
  const radio = await Radio.connect(house, path);
  // Between the person and the device somebody carries the values, and changes one bit of one, or none.
  for (const changed of [true, false]) {
    const code = await device.openWindow();
    const person = await prover(radio, 23);
    await person.hello();
    assert.equal((await person.share(code)).right, true);
    person.confirm();
    const sealed = person.seal(encode({ t: 'network', ssid: Buffer.from('Home'), psk: Buffer.from('12345678') }));
    if (changed) sealed[sealed.length - 20] ^= 1;
    person.sendRaw(sealed);
    if (changed) {
      await person.reader.all();
      assert.equal(existsSync(heard), false, 'it was opened');
      await device.command('close-window');
    } else {
      assert.equal((await person.receive()).state, 'joined', 'what is not changed is');
    }
    person.socket.leave();
  }
  assert.deepEqual((await device.status()).agents, []);
});

test('row 42: a second central is turned away and heard by nobody', async (t) => {
  const { device, radio } = await start(t);
  const code = await device.openWindow();
  const person = await prover(radio);
  await person.hello();
  const second = radio.central();
  second.write(hello(randomBytes(8)));
  second.write(Buffer.alloc(600, 0xff));
  // In between the values of the first one, with its own session's id and numbers.
  second.write(hello(person.socket.session));
  second.write(piece(person.socket.sent, 'interleaved'));
  await second.untilHungUp();
  assert.deepEqual(second.values, []);
  assert.equal((await person.share(code)).right, true, 'the first one goes on');
});

test('row 42: pieces out of order, repeated, and of no length', async (t) => {
  const { device, radio } = await start(t);
  const code = await device.openWindow();
  // What keeps to the protocol but for its manners is understood.
  const person = await prover(radio);
  const write = person.socket.put.bind(person.socket);
  person.socket.put = (value) => { write(value); if (value[0] < 0x80) write(value); };
  await person.hello();
  assert.equal((await person.share(code)).right, true, 'repeated pieces change nothing');
  person.close();
  person.socket.leave();

  await device.command('close-window');
  await device.openWindow();
  const central = radio.central();
  const session = randomBytes(8);
  central.write(hello(session));
  await central.answer('a welcome', (value) => value[0] === 0x81);
  central.write(piece(2, 'c'));
  central.write(piece(1, 'b'));
  central.write(piece(3, 'd'));
  const again = await central.answer('again', (value) => value[0] === 0x83);
  assert.equal(again[1], 0, 'from the first one on');
  assert.equal(central.values.filter((value) => value[0] === 0x83).length, 1, 'asked for once');
  central.write(Buffer.from([0]));
  await central.answer('the end', ended(1));
  await central.untilHungUp();
});

test('row 42: what is over a limit ends the session, and the device serves the next', async (t) => {
  const { device, radio } = await start(t);
  const attempt = async (what, reason, attack) => {
    if (!(await device.status()).window.open) await device.openWindow();
    await seen(radio);
    const central = radio.central(517);
    await attack(central, randomBytes(8));
    await central.answer(what, ended(reason));
    await central.untilHungUp();
  };
  const opened = async (central, session) => {
    central.write(hello(session));
    await central.answer('a welcome', (value) => value[0] === 0x81);
  };
  await attempt('no hello', 1, (central) => central.write(piece(0, 'x')));
  await attempt('another version', 5, (central, session) => central.write(hello(session, { version: 2 })));
  await attempt('a session that never was', 3, (central, session) => central.write(hello(session, { received: 500 })));
  await attempt('an empty value', 1, async (central, session) => { await opened(central, session); central.write([]); });
  await attempt('a value of 513 bytes', 1, async (central, session) => { await opened(central, session); central.write(Buffer.alloc(513)); });
  await attempt('a piece that was not granted', 2, async (central, session) => { await opened(central, session); central.write(piece(40, 'x')); });
  await attempt('an ack of what was never sent', 1, async (central, session) => { await opened(central, session); central.write([0x82, 9, 32]); });
  await attempt('endless questions', 2, async (central, session) => {
    await opened(central, session);
    for (let i = 0; i < 5000; ++i) central.write([0x84, 0]);
  });
  // A frame that promises more than is taken is refused at its length, by what reads the stream.
  if (!(await device.status()).window.open) await device.openWindow();
  const stream = radio.central(517, Stream);
  await stream.open();
  stream.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  await until(() => stream.over, 'the end of it');
  await opened(radio.central(517), randomBytes(8));
  const code = await device.openWindow();
  for (const central of radio.centrals.values()) central.leave();
  const person = await prover(radio);
  await person.hello();
  assert.equal((await person.share(code)).right, true);
});

test('row 42: endless fragments', async (t) => {
  const { device, radio } = await start(t);
  await device.openWindow();
  const stream = radio.central(517, Stream);
  await stream.open();
  // One frame of the longest length that is allowed, over and over: it is never a message.
  stream.write(Buffer.from([0, 1, 0, 0]));
  for (let i = 0; i < 40 && !stream.over; ++i) stream.write(Buffer.alloc(8192, 0xff));
  await until(() => stream.over, 'the end of it');
  assert.ok(stream.sent * 511 < 300000, 'before too much was taken');
  assert.deepEqual((await device.status()).agents, []);
});

test('row 42: a network is told inside the channel only, and reaches the hook through its input', async (t) => {
  const house = House.open(t);
  const hook = house.path('hook');
  const heard = house.path('heard');
  writeFileSync(hook, `#!/bin/sh\nexec >> ${heard}\necho "arguments: $*"\nenv\ncat\nexit 0\n`);
  chmodSync(hook, 0o700);
  const path = house.path('radio.sock');
  const device = await Device.start(house, { more: ['--bluetooth-socket', path, '--network-hook', hook] });
  const radio = await Radio.connect(house, path);
  const network = { t: 'network', ssid: Buffer.from('Home'), psk: Buffer.from('correct horse') };
  let code = await device.openWindow();

  // In the clear, before the code and in the place of its proof.
  for (const early of [0, 1]) {
    const attacker = await prover(radio);
    await attacker.hello();
    if (early) await attacker.share(other(code));
    attacker.send(network);
    await attacker.reader.all();
    attacker.socket.leave();
  }
  assert.throws(() => readFileSync(heard), 'nobody was told');

  code = await device.openWindow();
  const person = await prover(radio);
  await person.hello();
  assert.equal((await person.share(code)).right, true);
  person.confirm();
  // With a line break a password could say more than it should: it is none.
  person.send(network);
  assert.equal((await person.receive()).state, 'joined');
  const text = readFileSync(heard, 'utf8');
  assert.match(text, /^arguments: \n/);
  assert.match(text, /\nssid 486f6d65\npsk correct horse\n$/);
  assert.equal(text.split('correct horse').length, 2, 'neither in arguments nor in the environment');
  assert.doesNotMatch(device.program.errors + device.program.output, /correct horse/, 'nor in the log');
  person.send({ ...network, psk: Buffer.from('1234567\nssid 00') });
  const refused = await person.receive();
  assert.equal(refused?.code ?? 'ended', 'malformed');
});

test('row 42: the hook for NetworkManager tells nmcli the password through its input alone', async (t) => {
  const house = House.open(t);
  const heard = house.path('heard');
  const nmcli = house.path('nmcli');
  writeFileSync(nmcli, `#!/bin/sh
echo "$# $*" >> ${heard}
env >> ${heard}.env
case "$*" in
  *edit*) sed 's/^/< /' >> ${heard} ;;
  *' up '*) [ -e ${heard}.wrong ] && { echo 'Error: Connection activation failed: (7) Secrets were required, but not provided.'; exit 4; } ;;
esac
exit 0
`);
  chmodSync(nmcli, 0o700);
  const hook = join(ROOT, 'packaging/hooks/network-manager-hook');
  const run = (input) => execute([hook], { env: { PATH: `${house.folder}:${process.env.PATH}` }, input });
  const lines = () => readFileSync(heard, 'utf8').trim().split('\n');

  assert.equal((await run('ssid 4d792024284829\npsk back\\slash "$(id)" `id`\n')).code, 0);
  assert.deepEqual(lines(), [
    '4 connection delete id latchkey-new',
    '6 connection edit type wifi con-name latchkey-new',
    '< set 802-11-wireless.ssid My $(H)',
    '< set 802-11-wireless-security.key-mgmt wpa-psk',
    '< set 802-11-wireless-security.psk back\\slash "$(id)" `id`',
    '< save persistent', '< yes', '< quit',
    '6 --wait 40 connection up id latchkey-new',
    '4 connection delete id latchkey',
    '6 connection modify id latchkey-new connection.id latchkey',
  ]);
  assert.doesNotMatch(readFileSync(`${heard}.env`, 'utf8'), /slash/);

  writeFileSync(heard, '');
  assert.equal((await run('ssid 48\npsk \n')).code, 0, 'an open network');
  assert.ok(!lines().some((line) => line.includes('security')));

  writeFileSync(`${heard}.wrong`, '');
  writeFileSync(heard, '');
  assert.equal((await run('ssid 48\npsk 12345678\n')).code, 3);
  assert.deepEqual(lines().slice(-2), ['4 connection delete id latchkey-new', '6 --wait 0 connection up id latchkey'], 'what does not work is not kept');
  assert.ok(!lines().includes('4 connection delete id latchkey'), 'what works was taken away before the other did');

  writeFileSync(heard, '');
  for (const bad of ['', 'ssid 48\n', 'psk x\nssid 48\n', 'ssid 4g\npsk x\n', 'ssid 480a73657420\npsk 12345678\n', 'ssid 2048\npsk 12345678\n']) {
    assert.equal((await run(bad)).code, 1, JSON.stringify(bad));
  }
  assert.equal(readFileSync(heard, 'utf8'), '', 'nmcli was not called');
});
