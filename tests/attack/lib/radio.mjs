// The program with the radio, and centrals on it: real ones that keep to the rules of docs/protocol.md
// section 13, and the attacker, who writes what values it likes.

import { EventEmitter } from 'node:events';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Prover } from './channel.mjs';
import { until, within } from './house.mjs';

const ADVERTISE = 1;
const VALUE = 2;
const HANG_UP = 3;

/** What drives the radio of a device: `latchkey-device run --bluetooth-socket PATH`. */
export class Radio {
  static async connect(house, path) {
    const radio = new Radio();
    radio.rid = undefined; // not yet said
    radio.centrals = new Map();
    radio.last = 0;
    radio.socket = net.connect(path);
    house.keep(() => radio.socket.destroy());
    let buffer = Buffer.alloc(0);
    radio.gone = new Promise((done) => { radio.socket.on('close', done); });
    radio.socket.on('error', () => {});
    radio.socket.on('data', (data) => {
      buffer = Buffer.concat([buffer, data]);
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE()) {
        const size = 2 + buffer.readUInt16BE();
        radio.take(buffer.subarray(2, size));
        buffer = buffer.subarray(size);
      }
    });
    await until(() => radio.rid !== undefined, 'the first word of the device');
    return radio;
  }
  take(message) {
    if (message[0] === ADVERTISE) {
      this.rid = message[1] === 1 ? Buffer.from(message.subarray(2)) : null;
      return;
    }
    const central = this.centrals.get(message.readUInt16BE(1));
    if (!central) return;
    if (message[0] === VALUE) {
      this.say(20, central.id);
      central.got(Buffer.from(message.subarray(3)));
    } else if (message[0] === HANG_UP) {
      central.hungUp = true;
      central.leave();
    }
  }
  say(kind, central, body = Buffer.alloc(0)) {
    const message = Buffer.alloc(5);
    message.writeUInt16BE(3 + body.length);
    message[2] = kind;
    message.writeUInt16BE(central, 3);
    this.socket.write(Buffer.concat([message, body]));
  }
  /** One more central that has connected. */
  central(mtu = 185, kind = Central) {
    const central = new kind(this, ++this.last);
    this.centrals.set(central.id, central);
    const body = Buffer.alloc(2);
    body.writeUInt16BE(mtu);
    this.say(17, central.id, body);
    return central;
  }
}

/** A central that writes what it is told. */
export class Central {
  constructor(radio, id) {
    this.radio = radio;
    this.id = id;
    this.values = [];
  }
  got(value) {
    this.values.push(value);
  }
  write(value) {
    if (!this.left) this.radio.say(18, this.id, Buffer.from(value));
  }
  leave() {
    if (this.left) return;
    this.left = true;
    this.radio.say(19, this.id);
  }
  /** The value that the device answered with, once there is one that fits. */
  answer(what, fits = () => true) {
    return until(() => this.values.find(fits), what);
  }
  untilHungUp() {
    return until(() => this.hungUp, 'that the device hangs up');
  }
}

export const hello = (session, { received = 0, size = 0, credit = 32, version = 1 } = {}) => {
  const out = Buffer.alloc(17);
  out[0] = 0x80;
  out[1] = version;
  session.copy(out, 2);
  out.writeUInt32BE(received, 10);
  out.writeUInt16BE(size, 14);
  out[16] = credit;
  return out;
};
export const piece = (number, bytes) => Buffer.concat([Buffer.from([number & 0x7f]), Buffer.from(bytes)]);
export const ended = (reason) => (value) => value[0] === 0x85 && value[1] === reason;

/** A central that keeps to the rules, as a socket: for Channel and Prover. It never loses anything. */
export class Stream extends EventEmitter {
  constructor(radio, id) {
    super();
    this.radio = radio;
    this.id = id;
    this.session = randomBytes(8);
    this.size = 20;
    this.sent = 0; // pieces
    this.allowed = 0;
    this.expected = 0;
    this.queue = Buffer.alloc(0);
    this.written = [];
  }
  open() {
    this.put(hello(this.session));
    return within(new Promise((done, fail) => {
      this.once('welcome', done);
      this.once('close', () => fail(new Error('refused')));
    }), 'a welcome');
  }
  put(value) {
    if (this.left) return;
    this.written.push(value);
    this.radio.say(18, this.id, value);
  }
  write(bytes) {
    this.queue = Buffer.concat([this.queue, bytes]);
    this.pump();
  }
  pump() {
    while (this.queue.length > 0 && this.sent < this.allowed) {
      this.put(piece(this.sent++, this.queue.subarray(0, this.size - 1)));
      this.queue = this.queue.subarray(this.size - 1);
    }
  }
  got(value) {
    if (value[0] < 0x80) {
      if (value[0] !== (this.expected & 0x7f)) throw new Error('a piece that is not the next one');
      ++this.expected;
      this.put(Buffer.from([0x82, this.expected & 0x7f, 32]));
      this.emit('data', value.subarray(1));
    } else if (value[0] === 0x81) {
      this.size = value.readUInt16BE(14) || 20;
      this.allowed = value[16];
      this.emit('welcome');
    } else if (value[0] === 0x82 || value[0] === 0x83) {
      const behind = (this.sent - value[1]) & 0x7f;
      this.allowed = this.sent - behind + value[2];
      this.pump();
    } else if (value[0] === 0x84) {
      this.put(Buffer.from([0x82, this.expected & 0x7f, 32]));
    } else if (value[0] === 0x85) {
      this.reason = value[1];
      this.end();
    }
  }
  end() {
    if (!this.over) {
      this.over = true;
      this.emit('end');
      this.emit('close');
    }
  }
  leave() {
    if (!this.left) {
      this.left = true;
      this.radio.say(19, this.id);
      this.end();
    }
  }
  destroy() {
    this.put(Buffer.from([0x85, 7]));
    this.leave();
  }
}

/** The attacker's SPAKE2+ over Bluetooth: nothing to bind to. */
export async function prover(radio, mtu = 185) {
  const stream = radio.central(mtu, Stream);
  await stream.open();
  const over = new Prover(stream);
  over.binding = Buffer.alloc(32);
  return over;
}
