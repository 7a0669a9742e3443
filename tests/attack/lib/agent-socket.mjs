// The agent's socket as any program of this user may open it: length-prefixed JSON.

import { createConnection } from 'node:net';
import { endianness } from 'node:os';
import { within } from './house.mjs';

const little = endianness() === 'LE';

export function frame(message) {
  const text = Buffer.isBuffer(message) ? message : Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const head = Buffer.alloc(4);
  if (little) head.writeUInt32LE(text.length);
  else head.writeUInt32BE(text.length);
  return Buffer.concat([head, text]);
}

export class AgentSocket {
  static async open(path) {
    const self = new AgentSocket();
    self.messages = [];
    self.buffer = Buffer.alloc(0);
    self.closed = false;
    self.waiting = [];
    self.next = 1;
    self.socket = createConnection(path);
    self.socket.on('data', (data) => self.take(data));
    self.socket.on('error', () => {});
    self.socket.on('close', () => { self.closed = true; self.wake(); });
    await within(new Promise((done, fail) => { self.socket.once('connect', done); self.socket.once('error', fail); }), 'the agent\'s socket');
    return self;
  }
  wake() {
    this.waiting.splice(0).forEach((one) => one());
  }
  take(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      if (this.buffer.length < 4) break;
      const length = little ? this.buffer.readUInt32LE() : this.buffer.readUInt32BE();
      if (this.buffer.length < 4 + length) break;
      this.messages.push(JSON.parse(this.buffer.subarray(4, 4 + length)));
      this.buffer = this.buffer.subarray(4 + length);
    }
    this.wake();
  }
  /** The first message that fits; null when the connection ends first. */
  async find(fits) {
    for (;;) {
      const at = this.messages.findIndex(fits);
      if (at >= 0) return this.messages.splice(at, 1)[0];
      if (this.closed) return null;
      await within(new Promise((done) => { this.waiting.push(done); }), 'a message of the agent');
    }
  }
  send(message) {
    this.socket.write(frame(message));
  }
  call(method, params = {}) {
    const id = this.next++;
    this.send({ id, method, params });
    return this.find((one) => one.id === id);
  }
  hello(params = {}) {
    return this.call('hello', { client: 'cli', version: '0', profile: null, ...params });
  }
  /** Until the other end hangs up. */
  async end() {
    while (!this.closed) await within(new Promise((done) => { this.waiting.push(done); }), 'the end of the connection');
  }
  close() {
    this.socket.destroy();
  }
}
