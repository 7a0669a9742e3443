// Starting the programs for a measurement, each in a folder of its own, and talking to the agent.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { endianness, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const bin = resolve(process.env.LATCHKEY_BIN ?? 'build/release/bin');
export const outFolder = resolve(process.env.LATCHKEY_BENCH_OUT ?? 'out/bench');

const folders = [];
const children = new Set();
/** A child that is ended with this process, whatever comes. */
export function adopt(child) {
  children.add(child);
  return child;
}
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  folders.push(folder);
  return folder;
}
function cleanUp() {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
process.on('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** Starts a program and resolves when it says that it listens. */
export function start(program, args, home) {
  const env = { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, XDG_STATE_HOME: join(home, 'state') };
  const started = process.hrtime.bigint();
  const child = spawn(join(bin, program), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let log = '', listens = false;
  return new Promise((done, failed) => {
    child.on('exit', (code) => failed(new Error(`${program} ended with ${code}:\n${log}`)));
    const read = (chunk) => {
      log = (log + chunk).slice(-4000);
      const line = listens ? null : /listening (?:on|at) (.*)\n/.exec(log);
      if (line) {
        listens = true;
        done({ pid: child.pid, child, address: line[1], startMs: Number(process.hrtime.bigint() - started) / 1e6 });
      }
    };
    // Some say it where they log.
    child.stdout.on('data', read);
    child.stderr.on('data', read);
  });
}

export function stop({ child }) {
  return new Promise((done) => {
    child.removeAllListeners('exit');
    child.on('exit', () => { children.delete(child); done(); });
    child.kill('SIGTERM');
  });
}

/** `behind`: what it serves; a folder of its own where that is not said. */
export async function startDevice(home, behind) {
  if (!behind) {
    const files = join(home, 'files');
    mkdirSync(files, { recursive: true });
    writeFileSync(join(files, 'hello.txt'), 'hello\n');
    behind = ['--serve', files];
  }
  const device = await start('latchkey-device', ['run', '--state', join(home, 'device'), '--name', 'Bench',
    '--listen', '127.0.0.1', '--port', '0', '--mdns', 'off', ...behind], home);
  return { ...device, state: join(home, 'device'), port: Number(device.address.split(':').pop()) };
}

export function startAgent(home, devicePort) {
  const socket = join(home, 'agent.sock');
  return start('latchkey-agent', ['run', '--socket', socket, '--state', join(home, 'agent'), '--mdns', 'off',
    '--allow-loopback', ...(devicePort ? ['--static-device', `media-cache,Bench,127.0.0.1,${devicePort}`] : [])],
  home).then((agent) => ({ ...agent, socket }));
}

export function openWindow(device) {
  return JSON.parse(execFileSync(join(bin, 'latchkey-device'), ['open-window', '--json', '--state', device.state]));
}

/** CPU time of all threads of a process, in milliseconds. */
export function cpuMs(pid) {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

/** Keeps all threads of a process on one core. */
export function pin(pid, core) {
  execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
}

/** What a process takes of memory for itself, and its share of what it has in common with others. */
export function pssKiB(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
}

export function rssKiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** A connection to the agent: call(method, params), and events as they come. */
export class AgentConnection {
  #socket; #pending = new Map(); #waiters = []; #events = []; #next = 1; #buffer = Buffer.alloc(0);
  static async open(path) {
    const connection = new AgentConnection();
    await new Promise((done, failed) => {
      connection.#socket = createConnection(path, done);
      connection.#socket.on('error', failed);
      connection.#socket.on('data', (chunk) => connection.#take(chunk));
    });
    await connection.call('hello', { client: 'cli', version: '0.1.0', profile: null });
    return connection;
  }
  call(method, params = {}) {
    const id = this.#next++;
    const text = Buffer.from(JSON.stringify({ id, method, params }));
    const head = Buffer.alloc(4);
    if (endianness() === 'LE') head.writeUInt32LE(text.length); else head.writeUInt32BE(text.length);
    this.#socket.write(Buffer.concat([head, text]));
    return new Promise((done, failed) => this.#pending.set(id, { done, failed }));
  }
  /** The next event that `accept` says yes to. */
  event(accept) {
    const known = this.#events.findIndex(accept);
    if (known >= 0) return Promise.resolve(this.#events.splice(known, 1)[0]);
    return new Promise((done) => this.#waiters.push({ accept, done }));
  }
  close() { this.#socket.destroy(); }
  #take(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= 4) {
      const size = endianness() === 'LE' ? this.#buffer.readUInt32LE() : this.#buffer.readUInt32BE();
      if (this.#buffer.length < 4 + size) return;
      this.#handle(JSON.parse(this.#buffer.subarray(4, 4 + size).toString()));
      this.#buffer = this.#buffer.subarray(4 + size);
    }
  }
  #handle(message) {
    if (message.event) {
      const waiter = this.#waiters.findIndex((each) => each.accept(message));
      if (waiter >= 0) this.#waiters.splice(waiter, 1)[0].done(message); else this.#events.push(message);
      return;
    }
    const { done, failed } = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.error) failed(new Error(`${message.error.code}: ${message.error.message}`)); else done(message.result);
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}
export function save(name, result) {
  mkdirSync(outFolder, { recursive: true });
  writeFileSync(join(outFolder, `${name}.json`), JSON.stringify(result, null, 2) + '\n');
}
