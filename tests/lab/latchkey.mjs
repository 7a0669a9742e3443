// Latchkey's own programs in the lab: a device, an agent, the command line.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callAgent } from './agent-socket.mjs';
import { until } from './process.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The folder of the programs: $LATCHKEY_BIN, else the release build, else the development build. */
export function programs() {
  const places = process.env.LATCHKEY_BIN
    ? [resolve(process.env.LATCHKEY_BIN)]
    : [join(ROOT, 'build/release/bin'), join(ROOT, 'build/dev/bin')];
  const names = ['latchkey', 'latchkey-agent', 'latchkey-native-host', 'latchkey-device', 'latchkey-provider'];
  const found = places.find((place) => names.every((name) => existsSync(join(place, name))));
  if (!found) throw new Error(`no Latchkey programs in ${places.join(' or ')}: build first, or set LATCHKEY_BIN`);
  return found;
}

/** The unpacked extension, and its id. */
export function extension() {
  const folder = resolve(process.env.LATCHKEY_EXTENSION ?? join(ROOT, 'extension/dist/chromium'));
  if (!existsSync(join(folder, 'manifest.json'))) throw new Error(`no extension in ${folder}: build it first`);
  return { folder, id: readFileSync(join(ROOT, 'extension/extension-id.txt'), 'utf8').trim() };
}

/** The packed add-on for Firefox. */
export function firefoxExtension() {
  const file = resolve(process.env.LATCHKEY_FIREFOX_EXTENSION ?? join(ROOT, 'extension/dist/latchkey-firefox.xpi'));
  if (!existsSync(file)) throw new Error(`no add-on ${file}: build it first`);
  return file;
}

export class Device {
  constructor(host, state, log) {
    this.host = host;
    this.state = state;
    this.log = log;
  }

  /**
   * @param {import('./house.mjs').Host} host
   * @param {{name: string, type?: string, port?: number, serve?: string, upstream?: string, mdns?: string, words?: string[]}} options
   */
  static async start(host, options) {
    const device = new Device(host, join(host.home, 'device-state'), join(host.folder, 'access.log'));
    device.options = options;
    await device.run();
    return device;
  }

  async run() {
    const { name, type = 'media-cache', port = 8443, serve, upstream, mdns = 'auto', words = [] } = this.options;
    this.process = this.host.spawn('device', [
      join(programs(), 'latchkey-device'), 'run', '--state', this.state, '--name', name, '--type', type,
      '--port', String(port), '--access-log', this.log, '--access-log-format', 'json', '--drain-seconds', '0', '--mdns', this.host.house.isolated ? mdns : 'off',
      ...(serve ? ['--serve', serve] : ['--upstream', upstream]), ...words,
    ], { env: this.env });
    const [, address, listening] = await this.process.waitFor(/^listening on (.*):(\d+)$/m);
    this.port = Number(listening);
    this.address = this.host.address;
    void address;
  }

  async restart() {
    await this.process.stop();
    await this.run();
  }

  /** Runs `latchkey-device WORDS --json` at the device. */
  async command(...words) {
    const { stdout } = await this.host.run([join(programs(), 'latchkey-device'), ...words, '--state', this.state, '--json']);
    return stdout.trim() ? JSON.parse(stdout) : {};
  }

  /** What a person does at the device. @returns {Promise<string>} the code it shows */
  async openWindow(...words) {
    return (await this.command('open-window', ...words)).code;
  }

  async closeWindow() {
    await this.host.run([join(programs(), 'latchkey-device'), 'close-window', '--state', this.state]);
  }

  /** @returns {{time, host, address, origin, method, path, protocol, status, bytes, agent}[]} the access log so far */
  requests() {
    if (!existsSync(this.log)) return [];
    const lines = readFileSync(this.log, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
  }
}

export class Agent {
  /** @param {{mdns?: string, words?: string[], socket?: string, state?: string, name?: string}} options */
  static async start(host, options = {}) {
    const agent = new Agent();
    agent.host = host;
    agent.options = options;
    agent.socket = options.socket;
    await agent.run();
    return agent;
  }

  async run() {
    const { mdns = 'auto', words = [], socket, state, name = 'agent' } = this.options;
    this.process = this.host.spawn(name, [
      join(programs(), 'latchkey-agent'), 'run', '--mdns', this.host.house.isolated ? mdns : 'off',
      ...(socket ? ['--socket', socket] : []), ...(state ? ['--state', state] : []),
      ...(this.host.house.isolated ? [] : ['--allow-loopback']), ...words,
    ], { env: this.env });
    await this.process.waitFor(/^listening on /m);
  }

  async restart() {
    await this.process.stop();
    await this.run();
  }

  /** Runs `latchkey WORDS`. @returns {Promise<{code, stdout, stderr}>} */
  cli(words, options = {}) {
    const to = this.socket ? ['--socket', this.socket] : [];
    return this.host.run([join(programs(), 'latchkey'), ...to, ...words], { check: false, ...options });
  }

  /** Runs `latchkey WORDS --json` and reads its answer; fails when the command does. */
  async json(words, options = {}) {
    const { code, stdout, stderr } = await this.cli([...words, '--json'], options);
    if (code !== 0) throw new Error(`latchkey ${words.join(' ')} exited with ${code}: ${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  /** What the providers have published by now is what the agent goes by. */
  async refresh() {
    const socket = this.socket ?? join(this.host.home, 'run/latchkey/agent.sock');
    const { result, error } = await callAgent(socket, 'metadata.refresh');
    const missed = result?.providers.find((each) => each.state !== 'fresh' || each.error !== null);
    if (error || missed) throw new Error(`the agent could not read its providers: ${JSON.stringify(error ?? missed)}`);
  }

  /** Trust and native messaging for the browsers of this home folder. */
  async setup({ browserFolders = [] } = {}) {
    const done = await this.json(['setup', ...browserFolders.flatMap((folder) => ['--browser-dir', folder])], { ms: 30000 });
    // A browser that is as old as the set-up, in whole seconds of two clocks, is told to restart.
    const second = Math.floor(Date.now() / 1000);
    await until('the clock to leave the second of the set-up', () => Date.now() / 1000 >= second + 2);
    return done;
  }
}
