// Selling a device that kept films: row 35 of docs/threat-model.md, where the media cache runs as another
// user than the device, as their packages have it. As root, for the two users.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, linkSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { BIN, Device, hasProgram, House, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';

const SITE = 'https://video.example';
const DEVICE = 61001;
const CACHE = 61002;
const GROUP = 'games';  // one that every system has, and that nobody is in
const skip = (process.getuid() !== 0 || !hasProgram('setpriv')) && 'needs root and setpriv';

const files = (folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name))
  .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
/** Which files hold these bytes. One that goes while the folder is looked through (a new index takes the old one's place) holds nothing. */
const whereIs = (folder, bytes) => files(folder).filter((path) => {
  try {
    return readFileSync(path).includes(bytes);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return false;
  }
});
/** What a process still holds of files that were removed. */
const heldBy = (pid) => readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
  try {
    const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return path.endsWith(' (deleted)') ? [path] : [];
  } catch {
    return [];
  }
});

/** What stands before a program so that another user runs it, wherever this folder may be. */
function as(house, program, uid, ...groups) {
  const copy = house.path(program);
  try {
    linkSync(join(BIN, program), copy);
  } catch {
    copyFileSync(join(BIN, program), copy);
  }
  return ['setpriv', '--reuid', String(uid), ...groups, '--no-new-privs', '--bounding-set=-all', 'sh', '-c', 'umask 077; shift; exec "$0" "$@"', copy];
}

/** The two as their units start them, with a film that has been played and one that is not whole yet. */
async function used(t) {
  const gid = Number(execFileSync('getent', ['group', GROUP], { encoding: 'utf8' }).split(':')[2]);
  const house = House.open(t);
  chmodSync(house.folder, 0o777);
  const state = house.path('media');
  mkdirSync(state);
  chmodSync(state, 0o770);
  chownSync(state, CACHE, gid);
  const cache = await MediaCache.start(house, {
    state, more: ['--socket-group', GROUP], wrap: as(house, 'latchkey-media-cache', CACHE, '--regid', GROUP, '--clear-groups'),
  });
  const device = await Device.start(house, {
    upstream: cache.url, erases: [state], wrap: as(house, 'latchkey-device', DEVICE, '--regid', String(DEVICE), '--groups', GROUP),
  });
  const used = { house, cache, device, state };
  await keep(used);
  return used;
}

/** A grant, and content that can be looked for on the disk. */
async function keep(used) {
  used.person = new Person(used.device);
  used.grant = await used.person.pair(SITE);
  await used.grant.open();
  used.film = randomBytes(2 << 20);
  const put = await used.grant.fetch('/objects/films/wedding.mp4', { method: 'PUT', body: used.film });
  assert.equal(put.status, 201, put.body.toString());
  assert.ok((await used.grant.fetch('/objects/films/wedding.mp4')).body.equals(used.film));
  const begun = await used.grant.fetch('/objects/films/divorce.mp4', { method: 'PUT', headers: { 'Upload-Complete': '?0' }, body: used.film.subarray(0, 300000) });
  assert.equal(begun.status, 201, begun.body.toString());
  used.traces = { 'the film': used.film.subarray(1000, 1100), 'its name': 'wedding', 'the unfinished one': 'divorce', 'the web service': 'video.example' };
  for (const [what, bytes] of Object.entries(used.traces)) assert.notDeepEqual(whereIs(used.state, bytes), [], `${what} is not looked for in the right way`);
}

async function nothingIsLeft({ house, cache, state, traces }) {
  for (const [what, bytes] of Object.entries(traces)) assert.deepEqual(whereIs(house.folder, bytes).filter((path) => !/\/(latchkey-|access-)/.test(path)), [], what);
  // A file that is open has its place on the disk though it has no name.
  await until(() => heldBy(cache.pid).length === 0, 'the cache letting go of the old owner\'s films');
  await until(() => cache.ask('/objects').then((answer) => answer.status === 200, () => false), 'the cache beginning anew');
  assert.deepEqual((await cache.ask('/objects')).json.objects, []);
  assert.equal((await cache.ask('/objects/films/wedding.mp4')).status, 404);
  assert.equal(cache.program.exit, undefined, 'the same process goes on');
  assert.deepEqual(files(join(state, 'objects')), []);
  assert.deepEqual(files(join(state, 'incoming')), []);
}

const reset = (device) => device.command('factory-reset', '--yes');
const anew = (device) => until(async () => (await device.status())?.agents?.length === 0, 'the new life');

test('row 35: a factory reset takes the films of a media cache of another user with it', { skip }, async (t) => {
  const all = await used(t);
  const { cache, device } = all;
  assert.ok(readdirSync(`/proc/${cache.pid}/fd`).some((fd) => readlinkSync(`/proc/${cache.pid}/fd/${fd}`).includes('/objects/')), 'the film is open in the cache');
  // Again, with what the cache has made since.
  for (let i = 0; i < 2; i += 1) {
    if (i > 0) await keep(all);
    const { code, stdout } = await reset(device);
    assert.equal(code, 0, stdout);
    await anew(device);
    await nothingIsLeft(all);
  }
  await keep(all);
  assert.equal((await all.grant.fetch('/objects/films/wedding.mp4')).status, 200, 'the buyer has a cache that works');
  // The device's user may remove the films, not read them.
  for (const path of files(all.state)) assert.equal(statSync(path).mode & 0o077, 0, path);
  await cache.program.end();
  assert.equal(cache.program.exit.code, 0, 'and it ends when it is told');
});

test('row 35: a media cache in the middle of storing stops no reset, and brings nothing back', { skip }, async (t) => {
  const all = await used(t);
  const { cache, device } = all;
  let ending = false;
  let stored = 0;
  const busy = Array.from({ length: 8 }, async (_, worker) => {
    for (let i = 0; !ending; i += 1) {
      const answer = await cache.put(`busy-${worker}-${i % 50}`, all.film.subarray(0, 200000)).catch(() => null);
      if (answer?.status === 201) stored += 1;
    }
  });
  await until(() => stored > 40, 'storing');
  const { code, stdout } = await reset(device);
  ending = true;
  await Promise.all(busy);
  assert.equal(code, 0, stdout);
  await anew(device);
  // What was stored after the reset is the new owner's; what came before, and its names, is not there.
  const { 'the film': _, 'the web service': __, ...before } = all.traces;
  for (const [what, bytes] of Object.entries(before)) assert.deepEqual(whereIs(all.state, bytes), [], what);
  const names = async () => (await cache.ask('/objects')).json.objects;
  await until(() => names().then(() => true, () => false), 'the cache');
  for (const { name, size } of await names()) {
    assert.equal((await cache.ask(`/objects/${name}`)).body.length, size, `${name} is listed and there`);
  }
});

test('row 35: a device that may not empty the media cache says so, and is not reset', { skip }, async (t) => {
  const all = await used(t);
  const { cache, device, grant, state } = all;
  const { id } = await device.status();
  chmodSync(state, 0o700);
  const refused = await reset(device);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /media cannot be changed by this program/);
  assert.match(refused.stdout, /Nothing has changed/);
  assert.equal((await device.status()).id, id);
  assert.ok((await grant.fetch('/objects/films/wedding.mp4')).body.equals(all.film));
  // Where it is noticed only when the reset has begun, nobody is served until it is done.
  chmodSync(state, 0o770);
  await cache.program.end();
  chmodSync(join(state, 'objects'), 0o700);
  const stuck = await reset(device);
  assert.equal(stuck.code, 1);
  assert.match(stuck.stdout, /media\/objects: Permission denied/);
  assert.match(stuck.stdout, /serves nobody until it is done/);
  await device.program.ended;
  assert.notDeepEqual(whereIs(state, all.traces['the film']), []);
  await assert.rejects(device.run(), /A factory reset has begun and cannot go on/);
  chmodSync(join(state, 'objects'), 0o770);
  await device.run();
  await anew(device);
  assert.deepEqual(readdirSync(state), []);
  await cache.run();
  await nothingIsLeft(all);
});
