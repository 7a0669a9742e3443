// A provider on the lab's internet: its records, its keys, and the folder that an ordinary web server
// of the lab serves.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { programs } from './latchkey.mjs';

export const PROVIDER = { host: 'trust.example', name: 'Example Trust' };

/** Where the published files are, below the house's folder: known before the house has a provider. */
export const publicFolder = (folder) => join(folder, 'provider', 'public');

export class Provider {
  /** @param {import('./house.mjs').House} house one of whose sites serves publicFolder(house.folder) as PROVIDER.host */
  static async create(house) {
    const provider = Object.assign(new Provider(), { house, folder: join(house.folder, 'provider') });
    mkdirSync(provider.folder, { recursive: true });
    await provider.#run('init');
    await provider.#run('key', 'root', 'new');
    await provider.#run('key', 'new');
    return provider;
  }

  get root() {
    return join(this.folder, 'keys', 'root.pem');
  }

  /** Words for an agent that obeys this provider. */
  get words() {
    const port = this.house.isolated ? '' : `:${this.house.sitePort}`;
    return [
      '--provider', `${PROVIDER.name},https://${this.house.isolated ? PROVIDER.host : 'localhost'}${port}/,${this.root}`,
      '--provider-ca', this.house.authority.certificate,
    ];
  }

  async #run(...words) {
    const { wan } = this.house;
    const place = ['key', 'publish'].includes(words[0]) ? ['--keys', join(this.folder, 'keys')] : [];
    await wan.run([
      join(programs(), 'latchkey-provider'), '--database', `sqlite:${join(this.folder, 'provider.db')}`, '--as', 'lab',
      '--ca-file', this.house.authority.certificate, '--allow-private', ...words, ...place,
    ], { root: true });
  }

  async import(maker) {
    await this.#run('vendor', 'import', maker.exported());
  }

  /** Registers a web service by its own word: it is asked for its well-known file. */
  async register(origin) {
    await this.#run('origin', 'add', origin);
  }

  /** Suspends, revokes or reinstates a web service. */
  async judge(verb, origin, reason) {
    await this.#run('origin', verb, origin, '--reason', reason);
    await this.publish();
  }

  async model(maker, status, reason) {
    await this.#run('model', 'status', maker.aaguid, status, '--reason', reason);
    await this.publish();
  }

  async device(verb, maker, reason) {
    await this.#run('device', verb, maker.certificate(), '--reason', reason);
    await this.publish();
  }

  async publish() {
    await this.#run('publish', '--output', publicFolder(this.house.folder), '--name', PROVIDER.name);
  }
}
