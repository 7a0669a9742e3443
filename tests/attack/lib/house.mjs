// The real programs on loopback, each with a state folder of its own, ended by the pid they were
// started under, also when a test fails.

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentSocket } from './agent-socket.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BIN = resolve(process.env.LATCHKEY_BIN ?? join(ROOT, 'build/dev/bin'));
export const LONG = process.env.ATTACK_LONG === '1';
const PATIENCE = 20000;

/** A promise that fails instead of waiting for ever. */
export function within(promise, what, ms = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again until the answer is true: for conditions that nothing announces. */
export async function until(condition, what, ms = PATIENCE) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((done) => { setTimeout(done, 20); });
  }
}

/** One test's folder and processes. */
export class House {
  static open(t) {
    const house = new House();
    house.folder = mkdtempSync(join(tmpdir(), 'lk-attack-'));
    house.open = [];
    t.after(() => house.close());
    return house;
  }
  path(...names) {
    return join(this.folder, ...names);
  }
  keep(closing) {
    this.open.push(closing);
  }
  async close() {
    for (const closing of this.open.reverse()) await closing();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Program {
  constructor(words, env) {
    this.output = '';
    this.errors = '';
    this.child = spawn(words[0], words.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((done) => {
      this.child.on('error', (error) => { this.errors += error.message; done(null); });
      this.child.on('exit', (code, signal) => { this.exit = { code, signal }; done(this.exit); });
    });
    this.child.stderr.on('data', (data) => { this.errors = (this.errors + data).slice(-65536); });
    this.child.stdout.on('data', (data) => { this.output = (this.output + data).slice(-65536); });
  }
  get pid() {
    return this.child.pid;
  }
  async line(pattern) {
    const found = new Promise((done, fail) => {
      const look = () => {
        const match = pattern.exec(this.output);
        if (match) done(match);
      };
      this.child.stdout.on('data', look);
      this.ended.then(() => fail(new Error(`ended early: ${this.errors}`)));
      look();
    });
    return within(found, `${pattern}`);
  }
  async end(signal = 'SIGTERM') {
    if (!this.exit) this.child.kill(signal);
    try {
      await within(this.ended, 'the end of a program', 8000);
    } catch {
      this.child.kill('SIGKILL');
      await this.ended;
    }
  }
}

/** @returns {Promise<{code: number, stdout: string, stderr: string, json: any}>} */
export function execute(words, { env, input } = {}) {
  return new Promise((done) => {
    const child = execFile(words[0], words.slice(1), { env, timeout: 60000, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      let json;
      try {
        json = JSON.parse(stdout);
      } catch {
        json = undefined;
      }
      done({ code: error ? error.code ?? error.signal : 0, stdout, stderr, json });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

/** A clean environment: nothing of the person who runs the tests. */
export function environment(home) {
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
  return { HOME: home, PATH: process.env.PATH, XDG_RUNTIME_DIR: join(home, 'run'), LANG: 'C.UTF-8', LATCHKEY_AGENT: join(BIN, 'latchkey-agent') };
}

let count = 0;

export class Device {
  /**
   * @param {{upstream?: string, serve?: string, name?: string, type?: string, listen?: string, port?: number, erases?: string[], more?: string[], config?: string, wrap?: string[], power?: {env: object}}} options
   *   `config`: a file that says what it is called and what it fronts; `power`: its power button (power.mjs)
   */
  static async start(house, options = {}) {
    const device = new Device();
    device.house = house;
    device.options = { ...(options.config ? {} : { name: 'Shelf', type: 'media-cache' }), listen: '127.0.0.1', ...options };
    device.state = house.path(`device-${++count}`);
    device.log = house.path(`access-${count}.log`);
    if (!options.upstream && !options.serve && !options.config) {
      device.options.serve = house.path(`files-${count}`);
      mkdirSync(device.options.serve);
    }
    house.keep(() => device.stop());
    await device.run({ port: options.port });
    return device;
  }
  async run({ wrap = this.options.wrap ?? [], env = {}, port = 0 } = {}) {
    const { upstream, serve, name, type, listen, erases = [], more = [], config, power } = this.options;
    const fronts = config ? ['--config', config] : upstream ? ['--upstream', upstream] : ['--serve', serve];
    this.program = new Program([
      ...wrap, join(BIN, 'latchkey-device'), 'run', '--state', this.state, ...(name === undefined ? [] : ['--name', name]), ...(type === undefined ? [] : ['--type', type]), '--listen', listen,
      '--port', String(port), '--mdns', 'off', '--access-log', this.log, ...(more.includes('--drain-seconds') ? [] : ['--drain-seconds', '0']), ...fronts,
      ...erases.flatMap((folder) => ['--reset-erases', folder]), ...more,
    ], { ...environment(this.house.path('device-home')), ...power?.env, ...env });
    const [, , found] = await this.program.line(/listening on (.*):(\d+)\n/);
    this.port = Number(found);
  }
  async stop(signal) {
    await this.program?.end(signal);
  }
  async restart(signal, options) {
    await this.stop(signal);
    await this.run(options);
  }
  command(...words) {
    return execute([join(BIN, 'latchkey-device'), ...words, '--state', this.state, '--json'], { env: environment(this.house.path('device-home')) });
  }
  /** @returns {Promise<string>} the code */
  async openWindow(...words) {
    const { code, json, stderr } = await this.command('open-window', ...words);
    if (code !== 0) throw new Error(`open-window: ${JSON.stringify(json)} ${stderr}`);
    return json.code;
  }
  async status() {
    return (await this.command('status')).json;
  }
}

export class Agent {
  /**
   * @param {{devices?: {port: number, name?: string, type?: string, address?: string}[], loopback?: boolean, power?: {env: object}}} options
   *   `power`: the power button of the agent alone (power.mjs)
   */
  static async start(house, { devices = [], loopback = true, power } = {}) {
    const agent = new Agent();
    agent.house = house;
    agent.power = power;
    agent.home = house.path(`home-${++count}`);
    mkdirSync(agent.home, { mode: 0o700 });
    agent.env = environment(agent.home);
    agent.socket = join(agent.home, 'socket', 'agent.sock');
    agent.state = join(agent.home, 'state');
    agent.words = ['--mdns', 'off', ...(loopback ? ['--allow-loopback'] : []),
      ...devices.flatMap((one) => ['--static-device', `${one.type ?? 'media-cache'},${one.name ?? 'Shelf'},${one.address ?? '127.0.0.1'},${one.port}`])];
    house.keep(() => agent.stop());
    await agent.run();
    return agent;
  }
  async run() {
    this.program = new Program([...this.wrap ?? [], join(BIN, 'latchkey-agent'), 'run', '--socket', this.socket, '--state', this.state, ...this.words],
      { ...this.env, ...this.power?.env });
    await this.program.line(/listening on .*\n/);
  }
  async stop(signal) {
    await this.program?.end(signal);
  }
  async restart(signal) {
    await this.stop(signal);
    await this.run();
  }
  cli(words, options) {
    return execute([join(BIN, 'latchkey'), '--socket', this.socket, ...words, '--json'], { env: this.env, ...options });
  }
  /** A grant made the way a person makes one. @returns the grant */
  async grant(device, origin = 'https://video.example') {
    const made = await this.pair(origin, await device.openWindow());
    if (!made.grant) throw new Error(`grant: ${JSON.stringify(made)}`);
    return made.grant;
  }
  /** As the extension does it, over the socket. @returns {Promise<{grant?, code?, left?}>} */
  async pair(origin, code, hello = {}) {
    const socket = await AgentSocket.open(this.socket);
    try {
      await socket.hello(hello);
      await socket.call('discover.start');
      const { params: { device } } = await socket.find((one) => one.event === 'discover.found');
      const begun = await socket.call('pair.begin', { origin, type: device.type, key: device.key });
      if (begun.error) return begun.error;
      const { session, state } = begun.result;
      if (state === 'code') await socket.call('pair.code', { session, code });
      return (await socket.find((one) => ['pair.done', 'pair.failed'].includes(one.event))).params;
    } finally {
      socket.close();
    }
  }
  /** What a page of the granted web service would get from the device. @returns {Promise<{status: number}>} or nothing */
  async fetch({ host, origin }, device, target = '/') {
    const { json } = await this.cli(['fetch', `https://${host}${target}`, '--origin', origin, '--resolve', `127.0.0.1:${device.port}`]);
    return json ?? {};
  }
  async grants() {
    const { json } = await this.cli(['grants', '--all']);
    return json.grants ?? json;
  }
}

/** The service behind a device. Counts what reaches it. */
export async function upstream(house, answer = (request, response) => response.end('from the service')) {
  const seen = [];
  const server = createServer((request, response) => {
    const one = { method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders, body: '' };
    seen.push(one);
    request.on('data', (data) => { one.body += data; });
    request.on('end', () => answer(request, response, one));
  });
  server.on('upgrade', (request, socket) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders, upgrade: true });
    socket.on('error', () => {});
    // A service that did not read the key answers to another one.
    const key = request.url.includes('unread') ? 'x' : request.headers['sec-websocket-key'];
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.pipe(socket);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  house.keep(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, seen, server };
}

export const hasProgram = (name) => (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));
