// What the tests of prefetching have in common: a cache that may fetch from a server of the test's, jobs and
// their events.

import assert from 'node:assert/strict';
import { request as ask } from 'node:http';
import { House, until } from './house.mjs';
import { MediaCache } from './media.mjs';
import { makeAuthority, WebOrigin } from './origin.mjs';

export const SITE = 'https://video.example';

export async function stage(t, answer, { more = [], from = ['--fetch-from', '127.0.0.1'] } = {}) {
  const house = House.open(t);
  const authority = await makeAuthority(house);
  const origin = await WebOrigin.start(house, authority, answer);
  const cache = await MediaCache.start(house, { more: ['--ca-file', authority.ca, ...from, '--fetch-attempts', '2', ...more] });
  return { house, authority, origin, cache };
}
export const post = (cache, body, options = {}) => cache.ask('/prefetch', {
  method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...options, headers: { 'Content-Type': 'application/json', ...options.headers },
});
export async function start(cache, body, options) {
  const answer = await post(cache, body, options);
  assert.equal(answer.status, 202, answer.body.toString());
  return answer.json;
}
export async function over(cache, { path }) {
  return until(async () => {
    const job = (await cache.ask(path)).json;
    return job.state === 'running' ? null : job;
  }, 'the end of the job');
}
/** All events of a job until they end: [{id, event, data}]. `stop`: leaves when it says so. */
export function events(cache, { path }, { last, stop = () => false, origin = SITE } = {}) {
  return new Promise((done, fail) => {
    const headers = { 'X-Latchkey-Sub': 'somebody', 'X-Latchkey-Origin': origin, ...(last === undefined ? {} : { 'Last-Event-ID': last }) };
    const sent = ask({ socketPath: cache.socket, path: `${path}/events`, headers, agent: false }, (answer) => {
      let text = '';
      const list = [];
      answer.setEncoding('utf8');
      answer.on('data', (data) => {
        text += data;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
          const fields = Object.fromEntries(text.slice(0, end).split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
          if (fields.data) list.push({ id: Number(fields.id), event: fields.event, data: JSON.parse(fields.data) });
          if (list.length > 0 && stop(list.at(-1))) { sent.destroy(); done(list); return; }
        }
      });
      answer.on('end', () => done(list));
      answer.on('error', () => {});
    });
    sent.on('error', fail);
    sent.end();
  });
}
export const kinds = (list, kind) => list.filter((one) => one.event === kind);
