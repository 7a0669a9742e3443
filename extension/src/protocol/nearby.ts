// Values of a Bluetooth link between the consent window, the service worker and the agent: bytes in
// base64, bounded. What they mean is between the agent and the device (docs/protocol.md section 13).
import * as names from './names';
import { Malformed, readMatch } from './read';

// The longest value that GATT has.
export const kMaxValue = 512;
// Flow control between agent and device keeps far below it.
export const kMaxValuesWaiting = 128;
export const kRidShape = /^[0-9a-f]{24}$/;
export const kLinkShape = /^n[0-9]{1,9}$/;
const kValueShape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function readLink(value: unknown): string {
  return readMatch(value, names.kLink, kLinkShape, 10);
}

// A value as it travels; looked at, but left as it is.
export function readValueText(value: unknown): string {
  return readMatch(value, names.kValue, kValueShape, 4 * Math.ceil(kMaxValue / 3));
}

export function ridText(bytes: Uint8Array): string {
  const text = Array.from(bytes, (one) => one.toString(16).padStart(2, '0')).join('');
  if (!kRidShape.test(text)) throw new Malformed(names.kRid);
  return text;
}

export function encodeValue(value: Uint8Array): string {
  return btoa(String.fromCharCode(...value));
}

export function decodeValue(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(readValueText(text)), (one) => one.charCodeAt(0));
  if (bytes.length === 0 || bytes.length > kMaxValue) throw new Malformed(names.kValue);
  return bytes;
}
