// What is kept at home: asks the device to fetch a film, follows how far it is, lists, removes.
import { lists } from './player.js';

const PREFIX = `${location.host}/films/`;

export class Keeping {
  constructor() {
    this.sizes = {}; // of the films here: {files, bytes}
    this.there = new Map(); // film id: {files, bytes}, at home
    this.jobs = new Map(); // film id: progress of 0 to 1
    this.onChange = () => {};
  }

  async load() {
    this.sizes = await (await fetch('/films/index.json')).json();
  }

  has(id) {
    return !this.jobs.has(id) && (this.there.get(id)?.files ?? 0) >= (this.sizes[id]?.files ?? Infinity);
  }

  /** Nobody is signed in: there is nothing of theirs to show. */
  clear() {
    this.there = new Map();
    this.onChange();
  }

  /** Reads anew what the device has. */
  async look(device) {
    const there = new Map();
    for (let after = ''; after !== null;) {
      const query = new URLSearchParams({ prefix: PREFIX, after });
      const list = await (await device.fetch(`/objects?${query}`)).json();
      for (const { name, size } of list.objects) {
        const id = name.slice(PREFIX.length).split('/')[0];
        const one = there.get(id) ?? { files: 0, bytes: 0, names: [] };
        there.set(id, { files: one.files + 1, bytes: one.bytes + size, names: [...one.names, name] });
      }
      after = list.after;
    }
    this.there = there;
    this.onChange();
  }

  /** Resolves when the film is at home. It goes on without this page, too. */
  async keep(device, film) {
    const answer = await device.fetch('/prefetch', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ urls: lists(film), pin: true }),
    });
    if (!answer.ok) throw new Error((await answer.json()).message);
    const job = await answer.json();
    this.#moved(film, job);
    const end = await this.#watch(device, film, job);
    this.jobs.delete(film.id);
    await this.look(device);
    if (end.state !== 'done' || end.failed > 0 || end.skipped > 0) throw new Error(end.why === 'no_room' ? 'There is no room for it on your device.' : 'Not all of it could be fetched.');
  }

  #moved(film, { done, failed }) {
    this.jobs.set(film.id, Math.min(1, (done + failed) / Math.max(1, this.sizes[film.id]?.files ?? 1)));
    this.onChange();
  }

  #watch(device, film, job) {
    return new Promise((done, fail) => {
      const events = new EventSource(`${device.url}${job.path}/events`, { withCredentials: true });
      events.addEventListener('progress', ({ data }) => this.#moved(film, JSON.parse(data)));
      events.addEventListener('end', ({ data }) => {
        events.close();
        done(JSON.parse(data));
      });
      // It connects again by itself, and hears what it missed; only a refusal ends it.
      events.addEventListener('error', () => {
        if (events.readyState === EventSource.CLOSED) fail(new Error('Your device does not answer.'));
      });
    });
  }

  async remove(device, id) {
    const names = this.there.get(id)?.names ?? [];
    await Promise.all(names.map((name) => device.fetch(`/objects/${name}`, { method: 'DELETE' })));
    await this.look(device);
  }
}
