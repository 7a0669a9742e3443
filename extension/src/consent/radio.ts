// The radio as this window uses it: of Web Bluetooth only what is needed to copy values to and fro
// (docs/protocol.md section 13). Nothing here knows what is in them.
//
// Web Bluetooth does not tell the MTU: the device says in its greeting what fits into one value. Values
// are written with a response: the device has taken one before the next is sent, so that no queue
// between here and there can drop any, and one that is longer than the MTU still arrives, by the
// long write of GATT.
import { kGattFromDevice, kGattRid, kGattService, kGattToDevice } from '../protocol/names';
import { kMaxValue, kMaxValuesWaiting, ridText } from '../protocol/nearby';

interface Characteristic extends EventTarget {
  readonly value?: DataView | null;
  writeValueWithResponse(value: BufferSource): Promise<void>;
  readValue(): Promise<DataView>;
  startNotifications(): Promise<unknown>;
}
interface Service {
  getCharacteristic(uuid: string): Promise<Characteristic>;
}
interface Server {
  readonly connected: boolean;
  connect(): Promise<Server>;
  disconnect(): void;
  getPrimaryService(uuid: string): Promise<Service>;
}
interface Peripheral extends EventTarget {
  readonly gatt?: Server;
}
interface Bluetooth {
  getAvailability(): Promise<boolean>;
  requestDevice(options: { filters: { services: string[] }[] }): Promise<Peripheral>;
}

export interface RadioHearing {
  readonly value: (value: Uint8Array) => void;
  readonly taken: () => void; // the device has one more of those that were sent
  // The connection is gone: it may be made again with `connect`.
  readonly lost: () => void;
}

export type Choice =
  | { readonly kind: 'chosen'; readonly device: NearbyDevice }
  | { readonly kind: 'none' } // the person closed the browser's list
  | { readonly kind: 'off' }; // no Bluetooth in this computer, or it is switched off

function bluetooth(): Bluetooth | null {
  const found = (navigator as unknown as { bluetooth?: Bluetooth }).bluetooth;
  return typeof found?.requestDevice === 'function' ? found : null;
}

export function hasRadio(): boolean {
  return bluetooth() !== null;
}

// Opens the browser's own list of devices nearby. Only while a click is being handled.
export async function chooseNearby(): Promise<Choice> {
  const radio = bluetooth();
  if (radio === null) return { kind: 'off' };
  try {
    const found = await radio.requestDevice({ filters: [{ services: [kGattService] }] });
    return { kind: 'chosen', device: new NearbyDevice(found) };
  } catch {
    // The browser says the same whether the person chose none or there is nothing to look with.
    const there = await radio.getAvailability().catch(() => false);
    return { kind: there ? 'none' : 'off' };
  }
}

export class NearbyDevice {
  private hearing: RadioHearing | null = null;
  private toDevice: Characteristic | null = null;
  private fromDevice: Characteristic | null = null;
  private readonly waiting: Uint8Array<ArrayBuffer>[] = [];
  private writing = false;
  private ending = false;

  constructor(private readonly peripheral: Peripheral) {
    peripheral.addEventListener('gattserverdisconnected', () => {
      // Of a connection before this one?
      if (peripheral.gatt?.connected !== true) this.dropped();
    });
  }

  // The device's `rid`. Throws where the device can not be reached, or is none of ours.
  async connect(hearing: RadioHearing): Promise<string> {
    this.hangUp(false);
    const { gatt } = this.peripheral;
    if (gatt === undefined) throw new Error('not a device to connect to');
    const server = await gatt.connect();
    const service = await server.getPrimaryService(kGattService);
    const toDevice = await service.getCharacteristic(kGattToDevice);
    const fromDevice = await service.getCharacteristic(kGattFromDevice);
    const rid = ridText(bytesOf(await (await service.getCharacteristic(kGattRid)).readValue()));
    if (this.fromDevice !== fromDevice) fromDevice.addEventListener('characteristicvaluechanged', this.onValue);
    this.fromDevice = fromDevice;
    await fromDevice.startNotifications();
    if (!server.connected) throw new Error('gone again');
    this.toDevice = toDevice;
    this.waiting.length = 0;
    this.writing = false;
    this.ending = false;
    this.hearing = hearing;
    return rid;
  }

  // Values are written one after the other, in this order.
  send(value: Uint8Array<ArrayBuffer>): void {
    if (this.toDevice === null || value.length > kMaxValue) return;
    if (this.waiting.length >= kMaxValuesWaiting) {
      // More than flow control ever lets happen: something is wrong, and waiting would not mend it.
      this.hangUp(true);
      return;
    }
    this.waiting.push(value);
    if (!this.writing) void this.write(this.toDevice);
  }

  // Hangs up when all that was sent is written.
  finish(): void {
    this.ending = true;
    if (!this.writing) this.hangUp(true);
  }

  close(): void {
    this.fromDevice?.removeEventListener('characteristicvaluechanged', this.onValue);
    this.fromDevice = null;
    this.hangUp(false);
  }

  private async write(to: Characteristic): Promise<void> {
    this.writing = true;
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        await to.writeValueWithResponse(next);
        if (this.toDevice !== to) return;
        this.hearing?.taken();
      }
      this.writing = false;
      if (this.ending) this.hangUp(true);
    } catch {
      // A value that did not arrive ends the connection: what follows it would be in the wrong place.
      if (this.toDevice === to) this.hangUp(true);
    }
  }

  private readonly onValue = (event: Event): void => {
    const { value } = event.target as Characteristic;
    if (value === null || value === undefined || this.fromDevice !== event.target) return;
    if (value.byteLength === 0 || value.byteLength > kMaxValue) return;
    this.hearing?.value(bytesOf(value));
  };

  private hangUp(tell: boolean): void {
    if (!tell) this.hearing = null;
    const { gatt } = this.peripheral;
    if (gatt?.connected === true) gatt.disconnect();
    this.dropped();
  }

  private dropped(): void {
    const { hearing } = this;
    this.hearing = null;
    this.toDevice = null;
    this.waiting.length = 0;
    hearing?.lost();
  }
}

// A copy: the browser may use its buffer again.
function bytesOf(view: DataView): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}
