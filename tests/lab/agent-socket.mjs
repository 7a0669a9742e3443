// Speaks to an agent's socket: 4-byte native-endian length, JSON. For tests that
// need what the command line does not print.

import { createConnection } from 'node:net';
import { endianness } from 'node:os';

const little = endianness() === 'LE';

function frame(message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  if (little) head.writeUInt32LE(body.length);
  else head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

/** Calls `method` after a hello with `profile`. @returns {Promise<{result?: object, error?: object}>} */
export function callAgent(path, method, params = {}, profile = null) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let held = Buffer.alloc(0);
    socket.setTimeout(8000, () => socket.destroy(new Error('the agent did not answer')));
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.write(frame({ id: 1, method: 'hello', params: { client: 'cli', version: '0', profile } }));
      socket.write(frame({ id: 2, method, params }));
    });
    socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      while (held.length >= 4) {
        const length = little ? held.readUInt32LE() : held.readUInt32BE();
        if (held.length < 4 + length) return;
        const message = JSON.parse(held.subarray(4, 4 + length).toString());
        held = held.subarray(4 + length);
        if (message.id === 2) {
          socket.destroy();
          resolve(message);
        }
      }
    });
    socket.on('close', () => reject(new Error('the agent hung up')));
  });
}
