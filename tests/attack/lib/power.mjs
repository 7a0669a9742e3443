// The power button at the worst moment: a program is killed inside the Nth call that changes a file
// (power.c, preloaded), for every N until the program comes through.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { openSync, closeSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { AgentSocket } from './agent-socket.mjs';
import { ROOT, within } from './house.mjs';

const ALL = process.env.CRASH_ALL === '1';
/** Far more than it takes: a busy machine is no failure. */
export const timeout = 1800000;

/** What is preloaded, built once for a house. */
export function powerLibrary(house) {
  const library = house.path('power.so');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, `${ROOT}/tests/attack/lib/power.c`]);
  return library;
}

// As in power.c.
const WHAT = 16;
const KINDS = 256;
const KEPT = 8192;
const SIZE = KINDS + 4 * KEPT;

/** The button of one program, however often it is started. */
export class Power {
  constructor(library, path) {
    this.path = path;
    writeFileSync(path, Buffer.alloc(SIZE));
    this.file = openSync(path, 'r+');
    this.env = { LD_PRELOAD: library, LK_POWER: path, ASAN_OPTIONS: 'verify_asan_link_order=0' };
  }
  get calls() {
    const word = Buffer.alloc(8);
    readSync(this.file, word, 0, 8, 0);
    return Number(word.readBigUInt64LE());
  }
  /** Dies inside the nth call from now on. */
  arm(n) {
    const words = Buffer.alloc(KINDS - 8);
    this.from = this.calls;
    words.writeBigUInt64LE(BigInt(this.from + n));
    writeSync(this.file, words, 0, words.length, 8);
  }
  /**
   * Lives on. @returns {{what: string, kinds: number[]}} what it was doing when it died, an empty text where it
   * did not; and of each call since it was armed what it did to which file
   */
  disarm() {
    writeSync(this.file, Buffer.alloc(8), 0, 8, 8);
    const all = readFileSync(this.path);
    const what = all.subarray(WHAT, KINDS);
    const kinds = Array.from({ length: this.calls - this.from }, (_, i) => all.readUInt32LE(KINDS + 4 * ((this.from + i) % KEPT)));
    return { what: what.subarray(0, what.indexOf(0)).toString(), kinds };
  }
  close() {
    closeSync(this.file);
  }
}

let port = 15000 + (process.pid % 16000);
/** A port that no connection takes by chance: below those that the kernel hands out. */
export async function quietPort() {
  for (;;) {
    const mine = port++;
    if (port > 31000) port = 15000;
    const server = createServer();
    const free = await new Promise((done) => {
      server.once('error', () => done(false));
      server.listen(mine, '127.0.0.1', () => done(true));
    });
    await new Promise((done) => { server.close(done); });
    if (free) return mine;
  }
}

/** Places that are alike, to work in side by side. */
export const rooms = (make) => Promise.all(['a', 'b', 'c'].map(make));

/** How it went since the button was armed: as `disarm` says it; where the program died it is gone now. */
export async function ended(program, power) {
  const run = power.disarm();
  if (run.what) {
    await within(program.ended, 'the end of a killed program');
    assert.equal(program.exit.signal, 'SIGKILL');
  }
  return run;
}

/** As any program of this user asks the agent for something. @returns the answer; nothing where the agent died */
export async function order(agent, method, params) {
  const socket = await AgentSocket.open(agent.socket);
  try {
    await socket.hello();
    return await socket.call(method, params);
  } finally {
    socket.close();
  }
}

/**
 * Every point of something: `visit(room, n)` cuts at the nth call and answers as `ended` does. The rooms are used side
 * by side; it is over where the program comes through. `few`: of calls that follow each other and do the same to the
 * same file only the first, unless CRASH_ALL=1. To look at some points again: CRASH_FROM=17 CRASH_TO=19.
 */
export async function everyPoint(t, places, visit, { few = false } = {}) {
  const begun = Date.now();
  const [from, to] = [Number(process.env.CRASH_FROM ?? 1), Number(process.env.CRASH_TO ?? Infinity)];
  // Twice: the first also does what is done once.
  await visit(places[0], 1e6);
  const { kinds } = await visit(places[0], 1e6);
  assert.ok(kinds.length > 5, `${kinds.length} calls: is the power button there at all?`);
  const skipped = (n) => few && !ALL && n <= kinds.length && n > 1 && kinds[n - 1] === kinds[n - 2];
  let next = from;
  let end = to + 1;
  let cut = 0;
  await Promise.all(places.map(async (room) => {
    while (next < end) {
      const n = next++;
      if (skipped(n)) continue;
      if ((await visit(room, n)).what) ++cut;
      // How many calls there are depends on chance a little: at least as many as there were.
      else end = Math.min(end, Math.max(n, kinds.length + 1));
    }
  }));
  t.diagnostic(`cut at ${cut} of ${kinds.length} calls, ${Math.round((Date.now() - begun) / 1000)} s`);
  assert.ok(cut > 0, 'nothing was ever cut');
}
