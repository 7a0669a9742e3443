// A device's records on a disk that somebody else has: rows 37 and 38 of docs/threat-model.md, at the
// device. Keys that are gone or others, old copies, damage; what is refused must be left as it is.

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, execute, BIN, environment, hasProgram, House, until } from './lib/house.mjs';

const SITE = 'https://video.example';
const MODULE = '/usr/lib/softhsm/libsofthsm2.so';

/** A device that was used and does not run. */
async function used(t, options = {}) {
  const house = House.open(t);
  const device = await Device.start(house, options);
  writeFileSync(join(device.options.serve, 'a.mp4'), 'a film');
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await device.stop();
  const env = { ...environment(house.path('device-home')), ...device.options.env };
  const records = join(device.state, 'device.db');
  const program = (...words) => execute([join(BIN, 'latchkey-device'), ...words, '--state', device.state], { env });
  return {
    house, device, person, grant, records, program,
    /** What a start that must not succeed says; the records are as before. */
    async refused(...more) {
      const before = readFileSync(records);
      const answer = await program('run', '--listen', '127.0.0.1', '--port', '0', '--mdns', 'off', '--serve', device.options.serve, ...more);
      assert.equal(answer.code, 1, answer.stderr + answer.stdout);
      assert.equal(answer.stdout, '', 'nothing was served');
      assert.deepEqual(readFileSync(records), before, 'the records are as they were');
      return answer.stderr;
    },
    async works(...more) {
      device.options.more = more;
      await device.run();
      await grant.open();
      assert.equal((await grant.fetch('/a.mp4')).status, 200);
      const { records: said } = await device.status();
      await device.stop();
      return said;
    },
  };
}

test('row 37: records that a key file seals open with it and nothing else', async (t) => {
  const { house, device, program, refused, works } = await used(t);
  const key = house.path('stick', 'seal.key');
  mkdirSync(house.path('stick'));
  assert.deepEqual(await works(), { sealed: 'file-mode', witness: 'ok' });
  const sealed = await program('seal', '--key', key);
  assert.equal(sealed.code, 0, sealed.stderr);
  assert.match(sealed.stdout, /seal-key = /);
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const words = readFileSync(key, 'utf8');
  assert.match(words, /^latchkey-seal-key-1 [0-9a-f]{64}\n$/);
  assert.ok(!readFileSync(join(device.state, 'device.db')).includes(Buffer.from(words.slice(20, 84), 'hex')));
  assert.deepEqual(await works('--seal-key', key), { sealed: 'key-file', witness: 'ok' });
  // Without the key, and with what is none.
  assert.match(await refused(), /--seal-key FILE/);
  renameSync(key, `${key}.away`);
  assert.match(await refused('--seal-key', key), /Bring it back/);
  const other = house.path('other.key');
  writeFileSync(other, `latchkey-seal-key-1 ${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  assert.match(await refused('--seal-key', other), /another key/);
  writeFileSync(other, `latchkey-seal-key-1 ${'g'.repeat(64)}\n`);
  assert.match(await refused('--seal-key', other), /holds no key/);
  renameSync(`${key}.away`, key);
  chmodSync(key, 0o640);
  assert.match(await refused('--seal-key', key), /chmod 600/);
  chmodSync(key, 0o600);
  await works('--seal-key', key);
  // A copy of before, whoever kept it, opens with no key of today.
  copyFileSync(join(device.state, 'device.db'), house.path('old.db'));
  const next = house.path('next.key');
  assert.equal((await program('seal', '--key', next, '--seal-key', key)).code, 0);
  assert.match(await refused('--seal-key', key), /another key/);
  await works('--seal-key', next);
  // A key that is there is used, and not written over.
  const before = readFileSync(key, 'utf8');
  assert.equal((await program('seal', '--key', key, '--seal-key', next)).code, 0);
  assert.equal(readFileSync(key, 'utf8'), before);
  assert.equal((await program('unseal')).code, 1);
  assert.equal((await program('unseal', '--seal-key', key)).code, 0);
  assert.deepEqual(await works(), { sealed: 'file-mode', witness: 'ok' });
  // Named in the configuration, it seals what was not sealed yet.
  assert.deepEqual(await works('--seal-key', key), { sealed: 'key-file', witness: 'ok' });
});

test('row 37: a key that systemd gives the service, and what the configuration names', async (t) => {
  const { house, device, program, refused } = await used(t);
  const key = house.path('seal.key');
  assert.equal((await program('seal', '--key', key)).code, 0);
  // As systemd does it: an access list for the service's user looks like a right of the group.
  const folder = house.path('credentials');
  mkdirSync(folder);
  const given = join(folder, 'seal-key');
  writeFileSync(given, readFileSync(key));
  chmodSync(given, 0o440);
  assert.match(await refused('--seal-key', given), /chmod 600/);
  device.options.more = ['--seal-key', given];
  await device.run({ env: { CREDENTIALS_DIRECTORY: folder } });
  assert.equal((await device.status()).records.sealed, 'key-file');
  await device.stop();
  // The other commands find the key in the same file as the service.
  writeFileSync(house.path('device.conf'), `name = "Shelf"\nupstream = "http://127.0.0.1:8080"\nseal-key = "${key}"\nreset-erases = ["/srv/x"]\n`);
  const undone = await program('unseal', '--config', house.path('device.conf'));
  assert.equal(undone.code, 0, undone.stderr);
  device.options.more = [];
  await device.run();
  assert.equal((await device.status()).records.sealed, 'file-mode');
});

test('row 37: two keys, half a token and a running device are refused', async (t) => {
  const { house, device, program } = await used(t);
  const key = house.path('seal.key');
  assert.equal((await program('seal')).code, 2);
  assert.equal((await program('seal', '--key', key, '--pkcs11', MODULE)).code, 2);
  assert.equal((await program('seal', '--pkcs11', MODULE)).code, 2);
  assert.equal((await program('unseal', '--seal-key', key, '--seal-pkcs11', MODULE)).code, 2);
  await device.run();
  const busy = await program('seal', '--key', key, '--json');
  assert.equal(busy.code, 1);
  assert.equal(busy.json.error.code, 'busy');
  assert.throws(() => readFileSync(key), /ENOENT/, 'no key for nothing');
  // Nor may a store that is not there get a token's seal by a command.
  assert.equal((await program('accept-store')).code, 1);
});

test('row 38: an older copy of the records is noticed, and taken only when somebody says so', async (t) => {
  const { house, device, person, grant, records, program, refused } = await used(t);
  copyFileSync(records, house.path('old.db'));
  await device.run();
  const { agents } = await device.status();
  assert.equal((await device.command('remove-agent', agents[0].id)).code, 0);
  await device.stop();
  copyFileSync(house.path('old.db'), records);
  assert.match(await refused(), /older copy[^]*accept-store/);
  const accepted = await program('accept-store');
  assert.equal(accepted.code, 0, accepted.stderr);
  await device.run();
  await grant.open();
  assert.equal((await person.ask('GET', '/grants')).status, 200);
  await device.stop();
  // Nor can anybody say it when the witness is gone, or is none.
  const witness = join(device.state, 'witness', 'device');
  rmSync(witness);
  assert.match(await refused(), /Nobody can say[^]*accept-store/);
  writeFileSync(witness, 'latchkey-witness 1 many\n');
  assert.match(await refused(), /Nobody can say/);
  assert.equal((await program('accept-store')).code, 0);
  await device.run();
  await device.stop();
});

test('row 38: a witness elsewhere notices the whole folder put back', async (t) => {
  const { house, device, refused } = await used(t);
  const witness = ['--witness', house.path('elsewhere', 'device')];
  device.options.more = witness;
  // Not seen before: a store that is in use already is taken once somebody says so.
  assert.match(await refused(...witness), /Nobody can say/);
  assert.equal((await device.command('accept-store', ...witness)).code, 0);
  cpSync(device.state, house.path('kept'), { recursive: true });
  await device.run();
  await new Person(device).pair('https://photos.example');
  await device.stop();
  rmSync(device.state, { recursive: true });
  cpSync(house.path('kept'), device.state, { recursive: true });
  assert.match(await refused(...witness), /older copy/);
});

test('row 38: damaged records are left alone until their owner says otherwise', async (t) => {
  const { device, records, refused, program } = await used(t);
  const whole = readFileSync(records);
  const broken = Buffer.from(whole);
  for (let i = 5000; i < broken.length; i += 97) broken[i] ^= 0x5a;
  writeFileSync(records, broken);
  assert.match(await refused(), /damaged[^]*factory-reset/);
  assert.equal((await program('accept-store')).code, 1);
  assert.deepEqual(readFileSync(records), broken);
  writeFileSync(records, whole);
  await device.run();
  const { id } = await device.status();
  await device.stop();
  writeFileSync(records, broken);
  const reset = await program('factory-reset', '--yes');
  assert.equal(reset.code, 0, reset.stderr);
  await device.run();
  const fresh = await device.status();
  assert.notEqual(fresh.id, id);
  assert.deepEqual(fresh.agents, []);
  await device.stop();
  // A reset that was cut off goes on whatever has become of the records.
  writeFileSync(records, broken);
  writeFileSync(join(device.state, 'reset.pending'), '');
  await device.run();
  assert.ok(![id, fresh.id].includes((await device.status()).id));
  assert.ok(!existsSync(join(device.state, 'reset.pending')));
});

test('rows 35 and 37: a reset of records whose key is lost begins anew, sealed again', async (t) => {
  const { house, device, program, refused, grant } = await used(t);
  const key = house.path('seal.key');
  assert.equal((await program('seal', '--key', key)).code, 0);
  rmSync(key);
  assert.match(await refused('--seal-key', key), /Bring it back/);
  assert.equal((await program('factory-reset', '--yes', '--seal-key', key)).code, 0);
  assert.equal((await program('seal', '--key', key)).code, 0);
  device.options.more = ['--seal-key', key];
  await device.run();
  assert.deepEqual((await device.status()).records, { sealed: 'key-file', witness: 'ok' });
  assert.deepEqual((await device.status()).agents, []);
  // Running, too: the data key is another one, and the device is whole again.
  const wrapped = () => readFileSync(join(device.state, 'device.db'));
  await new Person(device).pair(SITE);
  const before = (await device.status()).id;
  assert.equal((await device.command('factory-reset', '--yes')).code, 0);
  await until(async () => { const now = await device.status(); return now?.agents?.length === 0 && now.id !== before; }, 'the new life');
  await device.restart();
  assert.equal((await device.status()).records.sealed, 'key-file');
  assert.ok(!wrapped().includes(grant.host));
});

test('row 37: records sealed with a key that stays in a token', { skip: !(hasProgram('softhsm2-util') && hasProgram('pkcs11-tool')) && 'needs softhsm2 and opensc' }, async (t) => {
  const house = House.open(t);
  mkdirSync(house.path('tokens'));
  writeFileSync(house.path('softhsm2.conf'), `directories.tokendir = ${house.path('tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const env = { SOFTHSM2_CONF: house.path('softhsm2.conf') };
  const hsm = async (...words) => {
    const done = await execute(['softhsm2-util', ...words], { env: { ...process.env, ...env } });
    assert.equal(done.code, 0, done.stderr + done.stdout);
  };
  const token = async (label, object) => {
    // No blanks: softhsm2-util skips them, and then the key is too short.
    writeFileSync(house.path('aes'), randomBytes(16).toString('hex'));
    await hsm('--init-token', '--free', '--label', label, '--pin', '1234', '--so-pin', '5678');
    await hsm('--import', house.path('aes'), '--aes', '--token', label, '--label', object, '--id', '01', '--pin', '1234');
  };
  await token('device', 'seal');
  await token('other', 'seal');
  writeFileSync(house.path('pin'), '1234\n', { mode: 0o600 });
  const names = (prefix, label = 'device', object = 'seal') =>
    [`--${prefix}pkcs11`, MODULE, `--${prefix}token`, label, `--${prefix}object`, object, `--${prefix}pin-file`, house.path('pin')];
  const device = await Device.start(house);
  writeFileSync(join(device.options.serve, 'a.mp4'), 'a film');
  const grant = await new Person(device).pair(SITE);
  await device.stop();
  const records = join(device.state, 'device.db');
  const program = (...words) => execute([join(BIN, 'latchkey-device'), ...words, '--state', device.state], { env: { ...environment(house.path('device-home')), ...env } });
  const refused = async (...more) => {
    const before = readFileSync(records);
    const answer = await program('run', '--listen', '127.0.0.1', '--port', '0', '--mdns', 'off', '--serve', device.options.serve, ...more);
    assert.equal(answer.code, 1, answer.stderr + answer.stdout);
    assert.deepEqual(readFileSync(records), before);
    return answer.stderr;
  };
  // A key that somebody with the PIN could carry away is none.
  const made = await execute(['pkcs11-tool', '--module', MODULE, '--token-label', 'device', '--login', '--pin', '1234', '--keygen', '--key-type', 'AES:32', '--label', 'loose', '--id', '02', '--extractable'], { env: { ...process.env, ...env } });
  assert.equal(made.code, 0, made.stderr);
  const loose = await program('seal', ...names('', 'device', 'loose'));
  assert.equal(loose.code, 1);
  assert.match(loose.stderr, /could be taken out/);
  const sealed = await program('seal', ...names(''));
  assert.equal(sealed.code, 0, sealed.stderr);
  device.options.more = names('seal-');
  await device.run({ env });
  assert.deepEqual((await device.status()).records, { sealed: 'pkcs11', witness: 'ok' });
  await grant.open();
  // A reset needs the token's key for the new data key.
  const { id } = await device.status();
  assert.equal((await device.command('factory-reset', '--yes')).code, 0);
  await until(async () => { const now = await device.status(); return now?.id !== undefined && now.id !== id; }, 'the new life');
  await device.restart(undefined, { env });
  assert.equal((await device.status()).records.sealed, 'pkcs11');
  await device.stop();
  assert.match(await refused(), /--seal-pkcs11/);
  assert.match(await refused(...names('seal-', 'other')), /not the one that was used/);
  assert.match(await refused(...names('seal-', 'nowhere')), /no token called/);
  assert.match(await refused(...names('seal-', 'device', 'attest')), /no AES key called/);
  writeFileSync(house.path('pin'), '9999\n', { mode: 0o600 });
  assert.match(await refused(...names('seal-')), /refuses the PIN/);
  writeFileSync(house.path('pin'), '1234\n');
  chmodSync(house.path('pin'), 0o644);
  assert.match(await refused(...names('seal-')), /chmod 600/);
  chmodSync(house.path('pin'), 0o600);
  const back = await program('unseal', ...names('seal-'));
  assert.equal(back.code, 0, back.stderr);
  device.options.more = [];
  await device.run();
  assert.equal((await device.status()).records.sealed, 'file-mode');
});
