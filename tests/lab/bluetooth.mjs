// Bluetooth without a radio: Chromium's own emulation of it (DevTools, BluetoothEmulation), joined to the
// socket of a `latchkey-device run --bluetooth-socket`. The page uses the real navigator.bluetooth and the
// device its real radio socket; only the air between them is here.
//
// Two things the emulation of Chromium 156 does not do, and the page is helped with (kHelp, in the page):
// it cannot notify, so a subscribed page reads in a loop, and each read brings the same event; and it does
// not say that a page has hung up, so the page says so itself.

import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from './process.mjs';

const SERVICE = '33d73d63-efd6-49a9-a686-039471b586ae';
const TO_DEVICE = '33d73d64-efd6-49a9-a686-039471b586ae';
const FROM_DEVICE = '33d73d65-efd6-49a9-a686-039471b586ae';
const RID = '33d73d66-efd6-49a9-a686-039471b586ae';
const CONFIGURATION = '00002902-0000-1000-8000-00805f9b34fb';

// Messages of the radio's socket (apps/device/radio_socket.h).
const ADVERTISE = 1;
const VALUE = 2;
const HANG_UP = 3;
const CONNECTED = 17;
const VALUE_CAME = 18;
const DISCONNECTED = 19;
const TAKEN = 20;

function kHelp() {
  const characteristic = globalThis.BluetoothRemoteGATTCharacteristic?.prototype;
  if (!characteristic) return;
  const { startNotifications } = characteristic;
  characteristic.startNotifications = async function start() {
    const done = await startNotifications.call(this);
    const { gatt } = this.service.device;
    (async () => {
      while (gatt.connected) await this.readValue();
    })().catch(() => {});
    return done;
  };
  const server = globalThis.BluetoothRemoteGATTServer.prototype;
  const { disconnect, connect: join } = server;
  let hungUp = null;
  server.disconnect = function hangUp() {
    disconnect.call(this);
    hungUp = globalThis.labHungUp();
  };
  server.connect = async function again() {
    await hungUp;
    return join.call(this);
  };
}

const number = (value) => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};

/** The air of one browser. */
export class Air {
  /** Before the pages that use it are opened. @returns {Promise<Air>} */
  static async over(context) {
    const air = new Air();
    air.context = context;
    air.radios = new Map(); // by address
    air.count = 0;
    air.session = await context.browser().newBrowserCDPSession();
    air.session.on('BluetoothEmulation.gattOperationReceived', (event) => {
      air.radios.get(event.address)?.onGatt(event).catch(() => {});
    });
    air.session.on('BluetoothEmulation.characteristicOperationReceived', (event) => {
      for (const radio of air.radios.values()) if (radio.has(event.characteristicId)) radio.onCharacteristic(event).catch(() => {});
    });
    await context.exposeBinding('labHungUp', () => Promise.all([...air.radios.values()].map((radio) => radio.onHungUp())));
    await context.addInitScript(kHelp);
    return air;
  }

  /** Anew: the emulated adapter goes away with the last page that used it. */
  async switchOn() {
    await this.send('disable').catch(() => {});
    await this.send('enable', { state: 'powered-on', leSupported: true });
  }

  send(method, params) {
    return this.session.send(`BluetoothEmulation.${method}`, params);
  }

  /** What a person does in the browser's own list: `radio` null closes it. Call it before the click that opens the list. */
  async choose(page, radio) {
    const list = await this.context.newCDPSession(page);
    await list.send('DeviceAccess.enable');
    let answered = false;
    const seen = [];
    list.on('DeviceAccess.deviceRequestPrompted', async ({ id, devices }) => {
      seen.push(...devices.map((device) => device.id));
      if (answered) return; // The event may come again; a second answer crashes the browser.
      const there = radio === null ? null : devices.find((device) => device.id === radio.address);
      if (radio !== null && !there) return;
      answered = true;
      if (there) await list.send('DeviceAccess.selectPrompt', { id, deviceId: there.id });
      else await list.send('DeviceAccess.cancelPrompt', { id });
    });
    return { answered: () => answered, seen: () => seen };
  }
}

/** The radio of one device: what its program says over the socket is seen in the air. */
export class Radio {
  /** @param {{path: string, mtu?: number}} options path: of the device's --bluetooth-socket */
  static async start(air, { path, mtu = 185 }) {
    const radio = new Radio();
    Object.assign(radio, { air, mtu, rid: null, central: 0, connected: false, reading: false, queue: [], counts: { toDevice: 0, fromDevice: 0, connections: 0 } });
    radio.away = false; // out of reach: nobody gets a connection
    air.count += 1;
    radio.address = `09:09:09:09:09:${air.count.toString(16).padStart(2, '0').toUpperCase()}`;
    radio.socket = await new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(socket));
      socket.once('error', reject);
    });
    radio.socket.on('error', () => {});
    let rest = Buffer.alloc(0);
    radio.socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
        rest = rest.subarray(2 + message.length);
        radio.onMessage(message);
      }
    });
    air.radios.set(radio.address, radio);
    await air.switchOn();
    // As often as real ones: only who scans hears it.
    radio.beacon = setInterval(() => {
      if (radio.rid === null || radio.away || radio.connected) return;
      air.send('simulateAdvertisement', { entry: {
        deviceAddress: radio.address, rssi: -50,
        scanRecord: { name: '', uuids: [SERVICE], appearance: 0, txPower: 0, manufacturerData: [] },
      } }).catch(() => {});
    }, 150);
    // Neither keeps the tests from ending.
    radio.beacon.unref();
    radio.socket.unref();
    return radio;
  }

  get advertised() {
    return this.rid !== null;
  }

  say(kind, body) {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat([number(1 + body.length), Buffer.from([kind]), body]));
  }

  onMessage(message) {
    switch (message[0]) {
      case ADVERTISE:
        this.rid = message[1] === 1 ? Buffer.from(message.subarray(2, 14)) : null;
        break;
      case VALUE:
        if (message.readUInt16BE(1) !== this.central || !this.connected) break;
        this.queue.push(Buffer.from(message.subarray(3)));
        this.pump();
        break;
      case HANG_UP:
        if (message.readUInt16BE(1) === this.central) this.hangUpWhenSent();
        break;
      default:
    }
  }

  // A value is notified when the page waits for one.
  pump() {
    if (!this.reading || this.queue.length === 0 || this.paused) return;
    this.reading = false;
    const data = this.queue.shift();
    this.counts.fromDevice += 1;
    this.air.send('simulateCharacteristicOperationResponse',
      { characteristicId: this.ids.from, type: 'read', code: 0, data: data.toString('base64') }).catch(() => {});
    this.say(TAKEN, number(this.central));
  }

  async hangUpWhenSent() {
    const { central } = this;
    // And until the page asks for the next one: a question that comes after the end is never answered by the
    // emulation, and keeps it from noticing that it is the end.
    await until('the last values to go out', () => (this.queue.length === 0 && this.reading) || this.central !== central || !this.connected).catch(() => {});
    if (this.central === central) await this.drop();
  }

  /** The connection is lost, as when somebody carries the device away; `away` keeps it so. */
  drop() {
    if (this.connected) this.dropping = this.cut();
    return this.dropping;
  }

  async cut() {
    const { reading, ids } = this;
    this.gone();
    // A read that waits keeps the emulation from noticing the end.
    if (reading) await this.air.send('simulateCharacteristicOperationResponse', { characteristicId: ids.from, type: 'read', code: 14 }).catch(() => {});
    await this.air.send('simulateGATTDisconnection', { address: this.address }).catch(() => {});
  }

  async onHungUp() {
    await this.drop();
  }

  gone() {
    if (!this.connected) return;
    this.connected = false;
    this.reading = false;
    this.queue.length = 0;
    this.ids = undefined; // The emulation forgets the services with the connection.
    this.say(DISCONNECTED, number(this.central));
  }

  has(id) {
    return this.ids !== undefined && Object.values(this.ids).includes(id);
  }

  async onGatt({ type }) {
    const { address } = this;
    if (type === 'connection') {
      await this.dropping; // or the end of the one before would end this one
      this.gone();
      const code = this.away ? 8 : 0; // 8: timed out
      if (!this.away) {
        this.central += 1;
        this.connected = true;
        this.counts.connections += 1;
        this.say(CONNECTED, Buffer.concat([number(this.central), number(this.mtu)]));
      }
      await this.air.send('simulateGATTOperationResponse', { address, type, code });
      return;
    }
    let code = 0;
    try {
      this.ids ??= await this.furnish();
    } catch {
      code = 14; // gone meanwhile: the page is to hear of it, and not to wait for ever
    }
    await this.air.send('simulateGATTOperationResponse', { address, type, code });
  }

  async furnish() {
    const { serviceId } = await this.air.send('addService', { address: this.address, serviceUuid: SERVICE });
    const add = async (characteristicUuid, properties) =>
      (await this.air.send('addCharacteristic', { serviceId, characteristicUuid, properties })).characteristicId;
    const ids = {
      to: await add(TO_DEVICE, { write: true, writeWithoutResponse: true }),
      from: await add(FROM_DEVICE, { notify: true, read: true }),
      rid: await add(RID, { read: true }),
    };
    await this.air.send('addDescriptor', { characteristicId: ids.from, descriptorUuid: CONFIGURATION });
    return ids;
  }

  async onCharacteristic({ characteristicId, type, data }) {
    const answer = (more = {}) =>
      this.air.send('simulateCharacteristicOperationResponse', { characteristicId, type, code: 0, ...more });
    if (characteristicId === this.ids.from && type === 'read') {
      this.reading = true;
      this.pump();
      return;
    }
    if (characteristicId === this.ids.rid) {
      await answer({ data: (this.rid ?? Buffer.alloc(12)).toString('base64') });
      return;
    }
    if (type === 'write') {
      const value = Buffer.from(data, 'base64');
      this.counts.toDevice += 1;
      if (value.length > this.mtu - 3) throw new Error(`a value of ${value.length} bytes`);
      this.say(VALUE_CAME, Buffer.concat([number(this.central), value]));
    }
    await answer();
  }

  close() {
    clearInterval(this.beacon);
    this.air.radios.delete(this.address);
    this.socket.destroy();
  }
}

/** The cable of a host, as when it joins a Wi-Fi or leaves it. */
const PLUG = 'ip link set eth0 up && ip route replace default via 192.168.77.1 && ip route replace 224.0.0.0/4 dev eth0';

export async function plugIn(host) {
  await host.namespace.sh(PLUG);
}

export async function unplug(host) {
  await host.namespace.ip('link', 'set', 'eth0', 'down');
}

/**
 * A `--network-hook` that joins one network: the lab's own, by the cable of `host`.
 * @param {{name: string, password: string}} wifi
 * @returns {string} its path
 */
export function wifiHook(host, { name, password }) {
  const path = join(host.home, 'wifi-hook');
  writeFileSync(path, `#!/bin/sh
read -r ssid
read -r psk
[ "$ssid" = 'ssid ${Buffer.from(name).toString('hex')}' ] || exit 4
[ "$psk" = 'psk ${password}' ] || exit 3
${PLUG}
`, { mode: 0o700 });
  return path;
}
