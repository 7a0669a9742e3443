// The device by itself, without a browser's or an extension's help: TLS, SNI,
// Host, Origin, session.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EVIL, SITE, STORE } from '../stage.mjs';
import { callAgent } from '../../lab/agent-socket.mjs';
import { programs } from '../../lab/latchkey.mjs';

const PROBE = fileURLToPath(new URL('../probe.mjs', import.meta.url));

const get = (host, headers = {}, path = '/pixel.svg', method = 'GET') =>
  [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');

export async function probe(stage, probes, device = stage.device) {
  const { result, error } = await callAgent(join(stage.house.pc.home, 'run/latchkey/agent.sock'), 'anchor.get');
  assert.ok(result, `the agent did not say its root: ${JSON.stringify(error)}`);
  const ca = `-----BEGIN CERTIFICATE-----\n${result.root.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`;
  const { stdout } = await stage.house.pc.run([process.execPath, PROBE], {
    input: JSON.stringify({ address: device.host.address, port: device.port, ca, probes }),
  });
  return JSON.parse(stdout);
}

export function scenarios(scenario) {
  scenario('raw: Host, SNI, Origin and session must all fit', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname: sni, host } = new URL(url);
    const asked = stage.upstreamSays(/^asked/).length;
    const results = await probe(stage, [
      { name: 'right origin, no session', sni, request: get(host, { Origin: SITE }) },
      { name: 'right origin, made-up session', sni, request: get(host, { Origin: SITE, Cookie: '__Host-latchkey=AAAAAAAAAAAAAAAAAAAAAA' }) },
      { name: 'no origin', sni, request: get(host) },
      { name: 'foreign origin', sni, request: get(host, { Origin: EVIL }) },
      { name: 'null origin', sni, request: get(host, { Origin: 'null' }) },
      { name: 'http origin', sni, request: get(host, { Origin: SITE.replace('https', 'http') }) },
      { name: 'other port origin', sni, request: get(host, { Origin: `${SITE}:8443` }) },
      { name: 'subdomain origin', sni, request: get(host, { Origin: SITE.replace('video', 'sub.video') }) },
      { name: 'two origins', sni, request: get(host, { Origin: SITE }).replace('\r\n\r\n', `\r\nOrigin: ${EVIL}\r\n\r\n`) },
      { name: 'foreign upgrade', sni, request: get(host, { Origin: EVIL, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }, '/ws') },
      { name: 'upgrade without session', sni, request: get(host, { Origin: SITE, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }, '/ws') },
      { name: 'other host', sni, request: get('nas.local', { Origin: SITE }) },
      { name: 'address as host', sni, request: get(`${stage.device.host.address}:${stage.device.port}`, { Origin: SITE }) },
      { name: 'foreign preflight', sni, request: get(host, { Origin: EVIL, 'Access-Control-Request-Method': 'GET' }, '/pixel.svg', 'OPTIONS') },
      { name: 'own preflight', sni, request: get(host, { Origin: SITE, 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-one' }, '/pixel.svg', 'OPTIONS') },
      { name: 'foreign session', sni, request: get(host, { Origin: EVIL, Authorization: 'Bearer e30.e30.AAAA', 'Content-Length': '0' }, '/.well-known/latchkey/session', 'POST') },
      { name: 'made-up ticket', sni, request: get(host, { Origin: SITE, Authorization: 'Bearer e30.e30.AAAA', 'Content-Length': '0' }, '/.well-known/latchkey/session', 'POST') },
    ]);
    const status = (name) => results[name].status;
    assert.equal(results['right origin, no session'].authorized, true, `the chain does not verify: ${JSON.stringify(results['right origin, no session'])}`);
    assert.equal(results['right origin, no session'].protocol, 'TLSv1.3');
    for (const name of ['right origin, no session', 'right origin, made-up session', 'upgrade without session', 'made-up ticket']) {
      assert.equal(status(name), 401, `${name}: ${JSON.stringify(results[name])}`);
    }
    for (const name of ['no origin', 'foreign origin', 'null origin', 'http origin', 'other port origin', 'subdomain origin', 'foreign upgrade', 'foreign preflight', 'foreign session']) {
      assert.equal(status(name), 403, `${name}: ${JSON.stringify(results[name])}`);
      assert.equal(results[name].headers['access-control-allow-origin'], undefined, `${name} is told an origin`);
    }
    assert.ok([400, 403].includes(status('two origins')), JSON.stringify(results['two origins']));
    for (const name of ['other host', 'address as host']) assert.equal(status(name), 421, JSON.stringify(results[name]));
    const preflight = results['own preflight'];
    assert.ok(preflight.status >= 200 && preflight.status < 300, JSON.stringify(preflight));
    assert.equal(preflight.headers['access-control-allow-origin'], SITE);
    assert.equal(preflight.headers['access-control-allow-credentials'], 'true');
    assert.match(preflight.headers.vary ?? '', /origin/i);
    for (const result of Object.values(results)) {
      assert.equal(result.headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(result.headers['x-content-type-options'], 'nosniff');
      assert.match(result.headers['content-security-policy'] ?? '', /sandbox.*frame-ancestors 'none'|frame-ancestors 'none'.*sandbox/);
    }
    assert.equal(stage.upstreamSays(/^asked/).length, asked, 'one of these reached the service behind the device');
  });

  scenario('raw: unknown names, old TLS and unknown protocols are refused before any answer', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname: sni, host } = new URL(url);
    const request = get(host, { Origin: SITE });
    const results = await probe(stage, [
      { name: 'control', sni, request },
      { name: 'no SNI', request },
      { name: 'unknown SNI', sni: 'media-cache-aaaaaaaaaaaa.local', request },
      { name: 'subdomain SNI', sni: `x.${sni}`, request },
      { name: 'TLS 1.2', sni, tls: 'TLSv1.2', request },
      { name: 'unknown ALPN', sni, alpn: 'h3', request },
      { name: 'pairing while closed', alpn: 'latchkey-pair/1' },
      { name: 'http/1.1', sni, alpn: 'http/1.1', request },
    ]);
    assert.equal(results.control.status, 401, JSON.stringify(results.control));
    assert.equal(results['http/1.1'].status, 401, JSON.stringify(results['http/1.1']));
    assert.equal(results['http/1.1'].alpn, 'http/1.1');
    for (const name of ['no SNI', 'unknown SNI', 'subdomain SNI', 'TLS 1.2', 'unknown ALPN', 'pairing while closed']) {
      assert.equal(results[name].status, undefined, `${name} was answered: ${JSON.stringify(results[name])}`);
      assert.match(results[name].error ?? '', /ALERT|PROTOCOL|ERR_SSL|ECONNRESET/, `${name}: ${JSON.stringify(results[name])}`);
    }
    assert.match(results['unknown SNI'].error, /UNRECOGNIZED_NAME/i);
    assert.equal(results['no SNI'].error, results['unknown SNI'].error, 'a missing name is told from an unknown one');
  });

  scenario('raw: one device does not answer for another', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname: sni, host } = new URL(url);
    const results = await probe(stage, [{ name: 'there', sni, request: get(host, { Origin: SITE }) }], stage.store);
    assert.equal(results.there.status, undefined, `${STORE.name} answered: ${JSON.stringify(results.there)}`);
  });

  scenario('raw: the native host serves the one extension only', async (stage) => {
    const host = join(programs(), 'latchkey-native-host');
    const refused = await stage.house.pc.run([host, 'chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/'], { check: false, ms: 5000 });
    assert.notEqual(refused.code, 0, 'another extension is served');
    assert.equal(refused.stdout, '', 'it is even answered');
    const missing = await stage.house.pc.run([host], { check: false, ms: 5000 });
    assert.notEqual(missing.code, 0);
  });
}
