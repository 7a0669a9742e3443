// An identity provider for tests: identity-server.mjs on one computer of the lab, or on loopback.

import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SERVER = fileURLToPath(new URL('identity-server.mjs', import.meta.url));

export const PEOPLE = {
  ann: { email: 'ann@example.com', email_verified: true, groups: ['family', 'parents'] },
  ben: { email: 'ben@example.com', email_verified: false, groups: ['family'] },
};

/** A web service as this provider knows it: a page in a browser, without a secret. */
export function client(id, redirectUris, logoutUris = []) {
  return {
    client_id: id, redirect_uris: redirectUris, post_logout_redirect_uris: logoutUris, token_endpoint_auth_method: 'none', response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  };
}

/** Writes its configuration into `folder`. @returns the words to start it with, and the control socket */
export function identityWords(folder, { issuer, listen, port, identity, clients, people = PEOPLE }) {
  const control = join(folder, 'identity.sock');
  const config = join(folder, 'identity.json');
  writeFileSync(config, JSON.stringify({ issuer, listen, port, cert: identity.cert, key: identity.key, control, clients, people }));
  return { words: [process.execPath, SERVER, config], control };
}

/** One order to a running provider. */
export function order(control, what) {
  return new Promise((done, fail) => {
    let answer = '';
    const socket = createConnection(control, () => socket.write(JSON.stringify(what)));
    socket.on('data', (data) => { answer += data; });
    socket.on('end', () => done(JSON.parse(answer)));
    socket.on('error', fail);
  });
}

/** A person's browser towards the provider, without the browser: cookies and redirects. */
export class Visitor {
  constructor(ca) {
    this.ca = ca;
    this.cookies = new Map();
  }

  async get(url, { method = 'GET', body } = {}) {
    const { request } = await import('node:https');
    const headers = { Cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    if (body !== undefined) Object.assign(headers, { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': Buffer.byteLength(body) });
    return new Promise((done, fail) => {
      const sent = request(url, { method, ca: this.ca, headers }, (response) => {
        let text = '';
        for (const line of response.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
          if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name);
          else this.cookies.set(name, value);
        }
        response.on('data', (data) => { text += data; });
        response.on('end', () => done({ status: response.statusCode, location: response.headers.location, text }));
      });
      sent.on('error', fail);
      sent.end(body);
    });
  }

  /** Follows redirects of the provider, saying who they are where it asks. @returns what it sends to the redirect page */
  async authorize(url, person) {
    const { origin } = new URL(url);
    let next = url;
    for (let step = 0; step < 12; ++step) {
      const answer = await this.get(next);
      if (answer.status === 200 && person) {
        const asked = await this.get(`${next}/as/${person}`, { method: 'POST', body: '' });
        next = new URL(asked.location, next).href;
      } else if (answer.location) {
        next = new URL(answer.location, next).href;
      } else {
        throw new Error(`the provider: ${answer.status} ${answer.text.slice(0, 300)}`);
      }
      if (new URL(next).origin !== origin) {
        const sent = Object.fromEntries(new URL(next).searchParams);
        return Object.fromEntries(['state', 'code', 'iss', 'error'].filter((name) => name in sent).map((name) => [name, sent[name]]));
      }
    }
    throw new Error('the provider goes round in circles');
  }

  /** Types a code that a device shows, on the provider's page for it, and says who they are. */
  async enterCode(url, code, person) {
    const send = async ({ text }, fields) => {
      const [, action] = /action="([^"]+)"/.exec(text) ?? [];
      const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(text) ?? [];
      if (!action || !xsrf) throw new Error(`the provider shows no form: ${text.slice(0, 300)}`);
      return this.get(new URL(action, url).href, { method: 'POST', body: new URLSearchParams({ xsrf, ...fields }).toString() });
    };
    const question = await send(await this.get(url), { user_code: code });
    let answer = await send(question, { user_code: code, confirm: 'yes' });
    for (let step = 0; answer.location; ++step) {
      if (step === 8) throw new Error('the provider goes round in circles');
      const next = new URL(answer.location, url).href;
      const page = await this.get(next);
      answer = page.status === 200 && next.includes('/interaction/') ? await this.get(`${next}/as/${person}`, { method: 'POST', body: '' }) : page;
    }
    if (answer.status !== 200) throw new Error(`the provider: ${answer.status} ${answer.text.slice(0, 300)}`);
  }

  /** Ends the session at the provider: says yes to its question. */
  async logout(url) {
    const question = await this.get(url);
    const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(question.text) ?? [];
    const [, action] = /action="([^"]+)"/.exec(question.text) ?? [];
    if (!xsrf) throw new Error(`the provider does not ask: ${question.status} ${question.text.slice(0, 300)}`);
    return this.get(new URL(action, url).href, { method: 'POST', body: `xsrf=${xsrf}&logout=yes` });
  }
}
