// Child processes of the lab: started in their own process group, their output
// kept line by line and in a log file, waited for by condition, ended by pid.

import { spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';

/** Pids of the direct children of `pid`, as seen from here. */
export function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    // A kernel without CONFIG_PROC_CHILDREN: look at every process's parent.
  }
  const found = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) found.push(Number(entry));
    } catch {
      // Ended while we looked.
    }
  }
  return found;
}

/** Resolves when `probe` gives something truthy; `what` names it when it does not within `ms`. */
export async function until(what, probe, ms = 15000, everyMs = 20) {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export class Process {
  /**
   * @param {string} name for messages and the log
   * @param {string[]} argv
   * @param {{env?: object, cwd?: string, log?: string, input?: string, wrapped?: boolean}} options
   *   `wrapped`: argv[0] is a program such as nsenter that forks the real one and waits for it;
   *   signals go to that child.
   */
  constructor(name, argv, options = {}) {
    this.name = name;
    this.argv = argv;
    this.wrapped = options.wrapped ?? false;
    this.stdout = '';
    this.stderr = '';
    this.code = null;
    this.signal = null;
    this.ended = false;
    this.waiters = new Set();
    this.log = options.log ? createWriteStream(options.log, { flags: 'a' }) : null;
    this.child = spawn(argv[0], argv.slice(1), {
      env: options.env,
      cwd: options.cwd,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin.on('error', () => {});
    if (options.input !== undefined) this.child.stdin.end(options.input);
    for (const stream of ['stdout', 'stderr']) {
      this.child[stream].setEncoding('utf8');
      this.child[stream].on('data', (text) => {
        this[stream] += text;
        this.log?.write(text);
        this.#wake();
      });
    }
    this.exited = new Promise((resolve) => {
      const end = (code, signal) => {
        if (this.ended) return;
        this.code = code;
        this.signal = signal;
        this.ended = true;
        this.log?.end();
        this.#wake();
        resolve({ code, signal });
      };
      this.child.once('error', (error) => {
        this.stderr += `${error.message}\n`;
        end(127, null);
      });
      this.child.once('close', end);
    });
  }

  #wake() {
    for (const waiter of this.waiters) waiter();
  }

  /** The pid of the program itself, not of the wrapper that entered the namespace for it. */
  get pid() {
    return this.wrapped ? childrenOf(this.child.pid)[0] : this.child.pid;
  }

  /** Resolves with the match once `pattern` is found on `stream`; fails when the process ends first. */
  waitFor(pattern, { stream = 'stdout', ms = 15000 } = {}) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        this.waiters.delete(look);
      };
      const look = () => {
        const match = pattern.exec(this[stream]);
        if (match) {
          stop();
          resolve(match);
        } else if (this.ended) {
          stop();
          reject(new Error(`${this.name} ended (${this.code ?? this.signal}) before ${pattern}: ${this.tail()}`));
        }
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${this.name} did not say ${pattern} within ${ms} ms: ${this.tail()}`));
      }, ms);
      this.waiters.add(look);
      look();
    });
  }

  tail(count = 12) {
    return (this.stdout + this.stderr).trim().split('\n').slice(-count).join('\n');
  }

  kill(signal = 'SIGTERM') {
    if (this.ended) return;
    try {
      process.kill(this.pid ?? this.child.pid, signal);
    } catch {
      // Gone between the look and the signal.
    }
  }

  /** Asks it to end, then insists. */
  async stop(graceMs = 4000) {
    if (this.ended) return this.exited;
    this.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.kill('SIGKILL');
      try {
        process.kill(-this.child.pid, 'SIGKILL');
      } catch {
        // The group is empty already.
      }
    }, graceMs);
    const result = await this.exited;
    clearTimeout(timer);
    return result;
  }
}

/** Runs to the end; fails on a non-zero exit unless `check` is false. */
export async function run(name, argv, options = {}) {
  const process_ = new Process(name, argv, { input: '', ...options });
  const timer = setTimeout(() => process_.kill('SIGKILL'), options.ms ?? 60000);
  const { code } = await process_.exited;
  clearTimeout(timer);
  if (code !== 0 && options.check !== false) {
    throw new Error(`${name}: ${argv.join(' ')} exited with ${code}: ${process_.tail()}`);
  }
  return { code, stdout: process_.stdout, stderr: process_.stderr };
}
