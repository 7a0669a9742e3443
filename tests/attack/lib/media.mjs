// latchkey-media-cache as it is run, and questions to its socket without the device in front: as the
// device would ask, or as nobody should.

import { request as ask } from 'node:http';
import { join } from 'node:path';
import { BIN, environment, Program } from './house.mjs';

export class MediaCache {
  /** @param {{more?: string[], wrap?: string[], state?: string}} options */
  static async start(house, options = {}) {
    const cache = new MediaCache();
    cache.house = house;
    cache.options = options;
    cache.state = options.state ?? house.path('media');
    cache.socket = house.path('media.sock');
    cache.url = `unix:${cache.socket}`;
    house.keep(() => cache.program.end());
    await cache.run();
    return cache;
  }
  async run({ wrap = this.options.wrap ?? [] } = {}) {
    this.program = new Program([
      ...wrap, join(BIN, 'latchkey-media-cache'), '--state', this.state, '--socket', this.socket, '--keep-free', '0', ...(this.options.more ?? []),
    ], environment(this.house.path('media-home')));
    await this.program.line(/listening at /);
  }
  get pid() {
    return this.program.pid;
  }
  /** `path` goes out as it is. */
  ask(path, { method = 'GET', origin = 'https://video.example', headers = {}, body, agent = false } = {}) {
    return new Promise((done, fail) => {
      const all = { 'X-Latchkey-Sub': 'somebody', ...(origin === null ? {} : { 'X-Latchkey-Origin': origin }), ...headers };
      const sent = ask({ socketPath: this.socket, method, path, headers: all, agent }, (answer) => {
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('error', fail);
        answer.on('end', () => {
          const content = Buffer.concat(pieces);
          done({ status: answer.statusCode, headers: answer.headers, body: content, get json() { return JSON.parse(content); } });
        });
      });
      sent.on('error', fail);
      sent.end(body);
    });
  }
  put(name, body, options = {}) {
    return this.ask(`/objects/${name}`, { method: 'PUT', body, ...options });
  }
}
