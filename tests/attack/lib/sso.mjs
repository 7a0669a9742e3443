// A device that takes part in single sign-on, providers that are wrong where a test says so, and a web
// service's open session.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Authority } from '../../lab/authority.mjs';
import { Person } from './binding.mjs';
import { Device, House, upstream } from './house.mjs';
import { Mallory } from './mallory.mjs';

export const SITE = 'https://video.example';
export const PAGE = `${SITE}/signed-in`;
export const SSO = '/.well-known/latchkey/sso';

/**
 * A device that knows `count` providers, and a web service's open session at it. `rules` and `offer` say from the
 * providers what stands in the owner's file instead, and what else the web service's offer holds.
 */
export async function served(t, { count = 1, more = {}, client = { client_id: 'device' }, rules, offer } = {}) {
  const house = House.open(t);
  const authority = await Authority.create(house.path('authority'));
  const identity = await authority.issue('localhost');
  const providers = [];
  for (let i = 0; i < count; ++i) providers.push(await Mallory.start(house, identity));
  const file = house.path('sso.json');
  const known = { providers: providers.map(({ issuer }) => ({ issuer, ...client })), ...more };
  writeFileSync(file, JSON.stringify({ ca_file: authority.certificate, ...(rules?.(providers) ?? known) }));
  const service = await upstream(house);
  const device = await Device.start(house, { upstream: service.url, more: ['--sso', file] });
  const person = new Person(device);
  const grant = await person.pair(SITE, { changes: offer?.(providers) ?? {} });
  await grant.open();
  return { house, providers, mallory: providers[0], service, device, person, grant };
}

export async function ask(grant, path, body, more = {}) {
  const answer = await grant.fetch(`${SSO}${path}`, {
    method: body === undefined ? 'GET' : 'POST', body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)), ...more,
  });
  const cookie = /__Host-latchkey=([^;]+)/.exec(answer.headers['set-cookie'] ?? '');
  if (cookie && answer.status === 200) grant.cookie = `__Host-latchkey=${cookie[1]}`;
  return { status: answer.status, headers: answer.headers, ...JSON.parse(answer.body.toString() || '{}') };
}
export const start = (grant, body = {}) => ask(grant, '/start', { redirect_uri: PAGE, ...body });
export const finish = (grant, body) => ask(grant, '/finish', body);
export const state = (grant) => ask(grant, '');
export async function signIn(grant, mallory, body) {
  const begun = await start(grant, body);
  assert.equal(begun.status, 200, JSON.stringify(begun));
  return finish(grant, mallory.authorize(begun.url));
}
/** Another page of the same web service: its cookie partition is its own. */
export async function otherSession(grant) {
  const mine = grant.cookie;
  delete grant.cookie;
  await grant.open();
  const theirs = grant.cookie;
  grant.cookie = mine;
  return theirs;
}
export async function as(grant, cookie, work) {
  const mine = grant.cookie;
  grant.cookie = cookie;
  try {
    return await work();
  } finally {
    grant.cookie = mine;
  }
}
