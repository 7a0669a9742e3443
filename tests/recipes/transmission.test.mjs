// docs/recipes/transmission.md: Debian's transmission-daemon with the page's settings, behind the device.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { hasProgram, until } from '../attack/lib/house.mjs';
import { ask, client } from '../attack/lib/http2.mjs';
import { front, IN_ROOM, lay, openHouse, room, service } from './lib.mjs';

const HOME = '/var/lib/transmission-daemon';
const SETTINGS = '/etc/transmission-daemon/settings.json';
const installed = { skip: room.skip || (hasProgram('transmission-daemon') ? false : 'transmission-daemon is not installed') };

let house;
let people;
let daemon;

/** As its unit does: its own user, in the foreground. */
async function run() {
  const user = process.getuid() === 0 && readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2] !== '1' ? ['setpriv', '--reuid', 'debian-transmission', '--regid', 'debian-transmission', '--init-groups'] : [];
  daemon = await service(house, [...user, 'transmission-daemon', '-f', '--log-error'], { port: 9091, env: { HOME } });
}

before(async () => {
  if (!IN_ROOM || installed.skip) return;
  house = openHouse();
  const owner = statSync(SETTINGS, { throwIfNoEntry: false });
  lay('transmission');
  if (owner) chownSync(SETTINGS, owner.uid, owner.gid);
  else {
    // Whoever is not root may not read what the package has put there, nor copy it.
    mkdirSync(`${HOME}/.config/transmission-daemon`, { recursive: true });
    symlinkSync(SETTINGS, `${HOME}/.config/transmission-daemon/settings.json`);
  }
  await run();
  people = await front(house);
});
after(() => house?.close());

const basic = (password) => ({ authorization: `Basic ${Buffer.from(`family:${password}`).toString('base64')}` });
const RIGHT = basic('please change this');

/** @returns {(target, options?) => Promise<{status, headers, body}>} over both versions */
async function ways(t, grant) {
  const session = await client(grant);
  t.after(() => session.destroy());
  const site = grant.origin === null ? { 'sec-fetch-site': 'same-origin' } : {};
  return {
    1: (target, { headers = {}, ...options } = {}) => grant.fetch(target, { ...options, headers: { ...(grant.origin === null ? { 'Sec-Fetch-Site': 'same-origin' } : {}), ...headers } }),
    2: (target, { headers = {}, ...options } = {}) => ask(session, grant, target, { ...options, headers: { ...site, ...headers } }),
  };
}
async function tokenOf(get, headers = RIGHT) {
  const refused = await get('/transmission/rpc', { method: 'POST', headers, body: Buffer.from('{"method":"session-get"}') });
  assert.equal(refused.status, 409);
  // A script of a web page reads it from the text, for it cannot see the field.
  const [, token] = /X-Transmission-Session-Id: (\w+)/.exec(refused.body.toString());
  assert.equal(refused.headers['x-transmission-session-id'], token);
  return token;
}
async function call(get, token, method, args = {}, headers = RIGHT) {
  const answer = await get('/transmission/rpc', { method: 'POST', headers: { ...headers, 'x-transmission-session-id': token }, body: Buffer.from(JSON.stringify({ method, arguments: args })) });
  assert.equal(answer.status, 200, answer.body.toString());
  const json = JSON.parse(answer.body);
  assert.equal(json.result, 'success');
  return json.arguments;
}

/** A torrent of one small file without a tracker. */
function torrent(name, content) {
  const text = (bytes) => Buffer.concat([Buffer.from(`${bytes.length}:`), Buffer.from(bytes)]);
  const info = Buffer.concat([Buffer.from(`d6:lengthi${content.length}e4:name`), text(name), Buffer.from('12:piece lengthi16384e6:pieces'), text(createHash('sha1').update(content).digest()), Buffer.from('7:privatei1ee')]);
  return Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')]);
}

test('recipe transmission: its page, its password, its token', installed, async (t) => {
  for (const [version, get] of Object.entries(await ways(t, people.own))) {
    const moved = await get('/', { headers: RIGHT });
    assert.equal(moved.status, 301, version);
    assert.equal(moved.headers.location, '/transmission/web/');
    const stranger = await get('/transmission/web/');
    assert.equal(stranger.status, 401);
    assert.match(stranger.headers['www-authenticate'], /^Basic /);
    assert.equal((await get('/transmission/web/', { headers: basic('guess') })).status, 401);
    const page = await get('/transmission/web/', { headers: RIGHT });
    assert.equal(page.status, 200);
    assert.match(page.body.toString(), /<title>Transmission Web Interface<\/title>/);
    const script = await get('/transmission/web/javascript/transmission.js', { headers: RIGHT });
    assert.ok(script.status === 200 && script.body.length > 10_000, `${script.status}`);
    const session = await call(get, await tokenOf(get), 'session-get');
    assert.match(session.version, /^\d/);
  }
});

test('recipe transmission: a torrent is added, checked and removed', installed, async (t) => {
  const content = Buffer.from('a film of a few bytes');
  writeFileSync(`${HOME}/downloads/film.txt`, content, { mode: 0o666 });
  for (const grant of [people.own, people.page]) {
    for (const get of Object.values(await ways(t, grant))) {
      const token = await tokenOf(get);
      const added = await call(get, token, 'torrent-add', { metainfo: torrent('film.txt', content).toString('base64') });
      const { id } = added['torrent-added'];
      await until(async () => (await call(get, token, 'torrent-get', { ids: [id], fields: ['percentDone', 'name'] })).torrents[0]?.percentDone === 1, 'the file to be found whole');
      await call(get, token, 'torrent-remove', { ids: [id], 'delete-local-data': false });
      assert.deepEqual((await call(get, token, 'torrent-get', { fields: ['id'] })).torrents, []);
      assert.ok(existsSync(`${HOME}/downloads/film.txt`));
    }
  }
});

test('recipe transmission: without a password the list of names decides', installed, async (t) => {
  await daemon.end();
  const settings = JSON.parse(readFileSync(SETTINGS, 'utf8'));
  for (const [names, status] of [['*.local', 409], ['another.local', 421]]) {
    writeFileSync(SETTINGS, JSON.stringify({ ...settings, 'rpc-authentication-required': false, 'rpc-host-whitelist': names, 'rpc-host-whitelist-enabled': true }));
    await run();
    const get = (await ways(t, people.own))[2];
    // 409: it asks for its token, as it should.
    assert.equal((await get('/transmission/rpc', { method: 'POST', body: Buffer.from('{"method":"session-get"}') })).status, status, names);
    if (status === 409) await call(get, await tokenOf(get, {}), 'session-get', {}, {});
    await daemon.end();
  }
});
