// Other users of the computer, other profiles of the browser, other programs than the extension: rows
// 16, 28, 29 and 43 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { AgentSocket, frame } from './lib/agent-socket.mjs';
import { Agent, BIN, Device, environment, execute, House, ROOT, until } from './lib/house.mjs';

const SITE = 'https://video.example';
const EXTENSION = readFileSync(join(ROOT, 'extension/extension-id.txt'), 'utf8').trim();
const NOBODY = 65534;
const isRoot = process.getuid() === 0;
const profile = () => randomBytes(16).toString('hex');
const asExtension = (id) => ({ client: 'extension', extension: EXTENSION, profile: id });

async function home(t) {
  const house = House.open(t);
  const device = await Device.start(house);
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  return { house, device, agent };
}

test('rows 15 and 16: another profile\'s grant is one that never was', async (t) => {
  const { device, agent } = await home(t);
  const [first, second] = [profile(), profile()];
  const made = await agent.pair(SITE, await device.openWindow(), asExtension(first));
  assert.ok(made.grant, JSON.stringify(made));
  const socket = await AgentSocket.open(agent.socket);
  await socket.hello(asExtension(second));
  const never = randomBytes(16).toString('hex');
  assert.deepEqual((await socket.call('grants.list', { all: true })).result.grants, []);
  for (const [method, more] of [['grants.get', {}], ['grants.revoke', {}], ['certificate.renew', {}], ['ticket.mint', { origin: SITE }], ['ticket.mint', { origin: 'https://evil.example' }], ['ticket.mint', { origin: null }]]) {
    const real = await socket.call(method, { id: made.grant.id, ...more });
    const none = await socket.call(method, { id: never, ...more });
    assert.deepEqual(real.error, none.error, method);
    assert.equal(real.error.code, 'not_granted');
  }
  // The same service through the second profile: another host, another person to the device.
  const again = await agent.pair(SITE, undefined, asExtension(second));
  assert.notEqual(again.grant.host, made.grant.host);
  assert.ok((await socket.call('grants.list')).result.grants.every((one) => one.id !== made.grant.id));
  // Within the first: only for its own origin.
  const mine = await AgentSocket.open(agent.socket);
  await mine.hello(asExtension(first));
  for (const origin of ['https://evil.example', 'http://video.example', 'https://video.example:8443', null]) {
    const answer = await mine.call('ticket.mint', { id: made.grant.id, origin });
    assert.ok(['not_granted', 'malformed'].includes(answer.error?.code), `${origin}: ${JSON.stringify(answer)}`);
  }
  assert.ok((await mine.call('ticket.mint', { id: made.grant.id, origin: SITE })).result.ticket);
  socket.close();
  mine.close();
});

test('row 16: two users have nothing in common', async (t) => {
  const { house, device, agent } = await home(t);
  await agent.grant(device, SITE);
  const other = await Agent.start(house, { devices: [{ port: device.port }] });
  assert.deepEqual(await other.grants(), []);
  const anchor = async (one) => {
    const socket = await AgentSocket.open(one.socket);
    await socket.hello();
    const { root } = (await socket.call('anchor.get')).result;
    socket.close();
    return root;
  };
  assert.notEqual(await anchor(agent), await anchor(other));
  assert.ok((await device.openWindow()).length === 8);
  const made = await other.pair(SITE, '00000000');
  assert.equal(made.grant, undefined, 'being paired with one says nothing to the other');
  // A second agent on the same socket or state is turned away.
  const { code, stderr } = await execute([`${BIN}/latchkey-agent`, 'run', '--socket', agent.socket, '--state', house.path('elsewhere'), '--mdns', 'off'], { env: agent.env });
  assert.equal(code, 1);
  assert.match(stderr, /another agent/);
});

// Node 18's recursive readdir takes a socket for a folder.
function modes(path) {
  const info = statSync(path);
  const inside = info.isDirectory() ? readdirSync(path).flatMap((name) => modes(join(path, name))) : [];
  return [[path, info], ...inside];
}

test('row 29: nobody else can read, list or enter what is kept', async (t) => {
  const { device, agent } = await home(t);
  await agent.grant(device, SITE);
  for (const folder of [agent.state, dirname(agent.socket), device.state]) {
    for (const [path, info] of modes(folder)) assert.equal(info.mode & 0o077, 0, `${path}: ${info.mode.toString(8)}`);
  }
  assert.match(readFileSync(`/proc/${agent.program.pid}/limits`, 'utf8'), /Max core file size\s+0\s/, 'no keys in a core file');
});

test('row 29: another user at the agent\'s socket, even where the folder was left open', { skip: !isRoot && 'needs root, to become somebody else' }, async (t) => {
  const { house, device, agent } = await home(t);
  await agent.grant(device, SITE);
  const knock = (path) => spawnSync(process.execPath, ['-e', `
    process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
    const s = require('net').connect(${JSON.stringify(path)}); let got = 0;
    s.on('connect', () => s.write(Buffer.from(${JSON.stringify(frame({ id: 1, method: 'hello', params: { client: 'cli', version: '0', profile: null } }).toString('base64'))}, 'base64')));
    s.on('data', (d) => { got += d.length; }); s.on('error', (e) => console.log(e.code)); s.on('close', () => console.log('got ' + got));
    setTimeout(() => { console.log('waiting, got ' + got); process.exit(); }, 3000).unref();
  `], { encoding: 'utf8' }).stdout;
  const control = join(device.state, 'control.sock');
  for (const path of [agent.socket, control]) assert.match(knock(path), /EACCES/);
  for (const path of [house.folder, agent.home, dirname(agent.socket), device.state]) chmodSync(path, 0o755);
  for (const path of [agent.socket, control]) {
    chmodSync(path, 0o777);
    const said = knock(path);
    assert.match(said, /got 0/, said);
    assert.doesNotMatch(said, /waiting/, 'hung up at once');
  }
  // Neither the command line nor a second agent uses such a folder.
  const listed = await agent.cli(['grants']);
  assert.equal(listed.code, 1);
  assert.match(listed.stdout, /only this user may enter/);
});

test('row 29: a socket that another user put where the agent\'s should be', { skip: !isRoot && 'needs root, to become somebody else' }, async (t) => {
  const house = House.open(t);
  chmodSync(house.folder, 0o755);
  const folder = house.path('theirs');
  mkdirSync(folder);
  chownSync(folder, NOBODY, NOBODY);
  const path = join(folder, 'agent.sock');
  const child = spawn(process.execPath, ['-e', `
    process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
    require('net').createServer((s) => { s.on('data', () => console.log('data')); s.on('error', () => {}); console.log('connection'); }).listen(${JSON.stringify(path)}, () => { require('fs').chmodSync(${JSON.stringify(path)}, 0o777); console.log('ready'); });
  `], { stdio: ['ignore', 'pipe', 'inherit'] });
  house.keep(() => child.kill());
  let output = '';
  child.stdout.on('data', (data) => { output += data; });
  await until(() => output.includes('ready'), 'their server');
  const env = environment(house.path('home'));
  const ask = () => execute([`${BIN}/latchkey`, '--socket', path, 'grants', '--json'], { env });
  assert.equal((await ask()).code, 1);
  assert.equal((await execute([`${BIN}/latchkey-agent`, 'run', '--socket', path, '--state', house.path('state'), '--mdns', 'off'], { env })).code, 1);
  assert.doesNotMatch(output, /connection/);
  // In a folder of one's own, but with their socket in it: asked who listens, before a word is said.
  chownSync(folder, 0, 0);
  chmodSync(folder, 0o700);
  assert.equal((await ask()).code, 1);
  assert.doesNotMatch(output, /data/);
});

test('row 28: only the browser starts the relay, and only our extension speaks through it', async (t) => {
  const { house, device, agent } = await home(t);
  await agent.grant(device, SITE);
  mkdirSync(join(agent.home, 'run/latchkey'), { mode: 0o700 });
  const env = { ...agent.env, LATCHKEY_SOCKET: agent.socket };
  const relay = (words, messages) => {
    const { status, stdout } = spawnSync(`${BIN}/latchkey-native-host`, words, { env, input: Buffer.concat(messages.map(frame)) });
    return { status, stdout: stdout.toString() };
  };
  const hello = (params) => ({ id: 1, method: 'hello', params: { client: 'extension', version: '0', profile: profile(), ...params } });
  const ours = `chrome-extension://${EXTENSION}/`;
  for (const words of [[], ['x'], ['--help'], [`chrome-extension://${'a'.repeat(32)}/`], [`${ours}x`], [ours.slice(0, -1)], ['moz-extension://x/'], [`https://${EXTENSION}/`], ['', ours]]) {
    assert.deepEqual(relay(words, [hello(), { id: 2, method: 'grants.list', params: {} }]), { status: 1, stdout: '' }, words.join());
  }
  // Through the relay nobody is the command line, and nobody is without a profile.
  for (const params of [{ client: 'cli' }, { client: 'cli', profile: null }, { profile: null }, { profile: '0'.repeat(32) }, { profile: 'x' }, { profile: undefined }, { extension: 'a'.repeat(32), client: 'cli' }]) {
    const { stdout } = relay([ours], [hello(params), { id: 2, method: 'grants.list', params: { all: true } }]);
    assert.ok(!stdout.includes('"grants"') && !stdout.includes('.local'), `${JSON.stringify(params)}: ${stdout}`);
  }
  for (const first of [{ id: 1, method: 'grants.list', params: {} }, 'not JSON', '[]', '{"id":1,"method":"hello"}', `{"id":1,"method":"hello","params":${'['.repeat(500)}`, Buffer.alloc(5000, 0x20)]) {
    assert.equal(relay([ours], [first]).stdout, '');
  }
  const { stdout } = relay([ours], [hello(), { id: 2, method: 'grants.list', params: { all: true } }]);
  assert.ok(!stdout.includes('.local'), 'another profile\'s list');
  assert.ok(house);
});

test('row 28: the agent\'s own door', async (t) => {
  const { device, agent } = await home(t);
  const { id } = await agent.grant(device, SITE);
  for (const hello of [
    { client: 'extension', profile: profile() }, { client: 'extension', profile: profile(), extension: 'a'.repeat(32) }, { client: 'extension', profile: null, extension: EXTENSION },
    { client: 'extension', profile: '0'.repeat(32), extension: EXTENSION }, { client: 'cli', extension: EXTENSION }, { client: 'page' }, { client: 'cli', profile: '' }, { client: 'cli', more: 1 }, { client: 7 },
  ]) {
    const socket = await AgentSocket.open(agent.socket);
    const answer = await socket.hello(hello);
    assert.ok(answer === null || answer.error, JSON.stringify(hello));
    await socket.end();
  }
  for (const method of ['grants.list', 'ticket.mint', 'pair.begin', 'nothing']) {
    const socket = await AgentSocket.open(agent.socket);
    socket.send({ id: 1, method, params: { id, origin: SITE } });
    await socket.end();
    assert.ok(!JSON.stringify(socket.messages).includes('"result"'), method);
  }
  const socket = await AgentSocket.open(agent.socket);
  assert.ok((await socket.hello({ profile: profile() })).result);
  assert.ok((await socket.hello()).error, 'hello twice');
  assert.deepEqual((await socket.call('grants.list')).result.grants, [], 'the profile stays');
  socket.close();
});

test('row 43: bombs at the agent\'s socket', async (t) => {
  const { device, agent } = await home(t);
  await agent.grant(device, SITE);
  const bombs = {
    'a length of 4 GiB': Buffer.from('ffffffff', 'hex'), 'over 1 MiB': Buffer.from('01001000', 'hex'), '1 MiB of lists': frame(Buffer.alloc(1 << 20, '[')), '1 MiB of maps': frame(Buffer.from('{"a":'.repeat(200000))),
    nothing: frame(Buffer.alloc(0)), 'a text': frame('"x"'), 'one key twice': frame('{"id":1,"id":1,"method":"hello","params":{}}'), 'no UTF-8': frame(Buffer.from('7b226964223a312c226d6574686f64223a22ff227d', 'hex')),
    'a huge number': frame(`{"id":${'9'.repeat(10000)},"method":"hello","params":{}}`), 'zero bytes': frame(Buffer.alloc(100)), 'a byte order mark': frame(Buffer.from('efbbbf7b7d', 'hex')),
  };
  for (const [what, bomb] of Object.entries(bombs)) {
    const socket = await AgentSocket.open(agent.socket);
    socket.socket.write(bomb);
    await socket.end();
    assert.ok(!JSON.stringify(socket.messages).includes('"result"'), what);
  }
  // Many connections that say nothing: others are still served, and those end by themselves.
  const silent = await Promise.all(Array.from({ length: 200 }, () => AgentSocket.open(agent.socket).catch(() => null)));
  const half = silent.find((one) => one && !one.closed);
  half.socket.write(Buffer.from('10000000', 'hex'));
  const speaks = await until(async () => {
    const socket = await AgentSocket.open(agent.socket).catch(() => null);
    if (!socket) return null;
    const answer = await socket.hello().catch(() => null);
    if (!answer) return null;
    return socket;
  }, 'an answer beside 200 silent connections', 30000);
  assert.equal((await speaks.call('grants.list')).result.grants.length, 1);
  for (const one of silent) one?.close();
  // A reader that does not read is dropped, not buffered for.
  const deaf = await AgentSocket.open(agent.socket);
  await deaf.hello();
  deaf.socket.pause();
  let floods = 0;
  const flood = frame({ id: 9, method: 'grants.list', params: { all: true } });
  const pour = () => { while (floods < 20000 && deaf.socket.writable && deaf.socket.write(flood)) floods += 1; };
  deaf.socket.on('drain', pour);
  pour();
  await until(async () => (await speaks.call('grants.list')).result ?? true, 'answers meanwhile');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.program.pid}/status`, 'utf8'))[1]);
  assert.ok(rss < 300 * 1024, `${rss} KiB`);
  deaf.close();
  speaks.close();
  assert.equal(agent.program.exit, undefined);
});
