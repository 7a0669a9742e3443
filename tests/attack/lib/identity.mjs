// A device beside a real identity provider (oidc-provider), both on loopback, and a web service's session.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { Authority } from '../../lab/authority.mjs';
import { client, identityWords, Visitor } from '../../lab/identity.mjs';
import { Person } from './binding.mjs';
import { Device, environment, House, Program, upstream } from './house.mjs';

export const SITE = 'https://video.example';
export const PAGE = `${SITE}/signed-in.html`;
export const BYE = `${SITE}/bye`;
export const SSO = '/.well-known/latchkey/sso';

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}

/** A device that asks the real provider, and a web service's open session at it. */
export async function served(t, { provider = { client_id: 'video' }, clients = [client('video', [PAGE], [BYE])], more = {}, rules } = {}) {
  const house = House.open(t);
  const authority = await Authority.create(house.path('authority'));
  const identity = await authority.issue('localhost');
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const { words, control } = identityWords(house.folder, { issuer, listen: '127.0.0.1', port, identity, clients });
  const program = new Program(words, environment(house.path('identity-home')));
  house.keep(() => program.end());
  await program.line(/identity on (\d+)/);
  const file = house.path('sso.json');
  writeFileSync(file, JSON.stringify({ providers: [{ issuer, ...(typeof provider === 'function' ? provider(house) : provider) }], ca_file: authority.certificate, ...more, ...rules?.(issuer) }));
  const service = await upstream(house);
  const device = await Device.start(house, { upstream: service.url, more: ['--sso', file] });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  const ca = readFileSync(authority.certificate);
  return { house, issuer, control, program, service, device, person, grant, visitor: new Visitor(ca), ca };
}

export async function ask(grant, path, body) {
  const answer = await grant.fetch(`${SSO}${path}`, body === undefined ? {} : { method: 'POST', body: Buffer.from(JSON.stringify(body)) });
  const cookie = /__Host-latchkey=([^;]+)/.exec(answer.headers['set-cookie'] ?? '');
  if (cookie && answer.status === 200) grant.cookie = `__Host-latchkey=${cookie[1]}`;
  return { status: answer.status, ...JSON.parse(answer.body.toString() || '{}') };
}
export async function signIn({ grant, visitor }, person, body = {}) {
  const begun = await ask(grant, '/start', { redirect_uri: PAGE, ...body });
  if (begun.status !== 200) return begun;
  return ask(grant, '/finish', await visitor.authorize(begun.url, person));
}
export async function userSeen({ grant, service }) {
  assert.equal((await grant.fetch('/')).status, 200);
  return service.seen.at(-1).headers['x-latchkey-user'];
}
