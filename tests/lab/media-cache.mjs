// latchkey-media-cache in the lab: what a device keeps films in. It fetches from the lab's internet,
// whose addresses are for documentation and not public, and believes the lab's authority.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { programs } from './latchkey.mjs';

export class MediaCache {
  /** @param {import('./house.mjs').Host} host the device's  @param {string[]} words more on its command line */
  static async start(host, words = []) {
    const cache = new MediaCache();
    Object.assign(cache, { host, words });
    cache.socket = join(host.home, 'media.sock');
    cache.url = `unix:${cache.socket}`;
    await cache.run();
    return cache;
  }

  async run() {
    const program = join(programs(), 'latchkey-media-cache');
    if (!existsSync(program)) throw new Error(`no ${program}: build it first`);
    this.process = this.host.spawn('media-cache', [
      program, '--state', join(this.host.home, 'media'), '--socket', this.socket, '--keep-free', '0',
      '--ca-file', this.host.house.authority.certificate, '--fetch-from', '203.0.113.0/24', ...this.words,
    ]);
    await this.process.waitFor(/^listening at /m);
  }

  /** Puts the files below `folder` where they would be if they had been fetched from `url` for `origin`. */
  async fill(origin, url, folder, type = () => 'application/octet-stream') {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile() && !one.name.startsWith('.')).map((one) => join(one.parentPath ?? one.path, one.name));
    for (const file of files) {
      const body = readFileSync(file);
      const path = `/objects/${url.slice('https://'.length)}${file.slice(folder.length)}`;
      const status = await new Promise((done, fail) => {
        const sent = request({ socketPath: this.socket, path, method: 'PUT', headers: {
          'X-Latchkey-Sub': 'lab', 'X-Latchkey-Origin': origin, 'Content-Type': type(file),
          'Repr-Digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
        } }, (answer) => { answer.resume(); answer.on('end', () => done(answer.statusCode)); });
        sent.on('error', fail);
        sent.end(body);
      });
      if (status !== 201 && status !== 200) throw new Error(`the media cache said ${status} to ${path}`);
    }
  }
}
