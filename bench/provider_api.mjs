// The administration API of `latchkey-provider serve`: reads and writes per second over kept-alive
// HTTPS, on SQLite and, where it is installed, on PostgreSQL. It publishes meanwhile, as it does.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { startPostgres } from './lib/postgres.mjs';
import { bin, quantile, save, scratch, start, stop } from './lib/processes.mjs';

const seconds = Number(process.env.BENCH_SECONDS ?? 5);
const connections = 8;

async function startProvider(home, database) {
  const provider = (...args) => execFileSync(join(bin, 'latchkey-provider'), ['--database', database, ...args],
    { encoding: 'utf8' });
  const keys = join(home, 'keys'), chain = join(home, 'tls.pem'), key = join(home, 'tls.key');
  provider('init');
  provider('key', 'root', 'new', '--keys', keys);
  provider('key', 'new', '--keys', keys);
  const { token } = JSON.parse(provider('token', 'add', 'bench', '--role', 'admin', '--json'));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
    '-out', chain, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
  const server = await start('latchkey-provider', ['--database', database, 'serve', '--keys', keys,
    '--output', join(home, 'public'), '--tls-chain', chain, '--tls-key', key, '--port', '0'], home);
  return { ...server, token, ca: readFileSync(chain), port: Number(server.address.split(' ').pop()) };
}

function ask(server, agent, { method = 'GET', path, body }) {
  const headers = { Authorization: `Bearer ${server.token}` };
  if (body) headers['Content-Length'] = Buffer.byteLength(body);
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port: server.port, method, path, headers, agent, ca: server.ca }, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode === 200 ? done()
        : failed(new Error(`${method} ${path}: ${answer.statusCode}`))));
    });
    sent.on('error', failed);
    sent.end(body);
  });
}

/** What `next` names, asked for over all connections at once, each waiting for its answers. */
async function measure(server, next) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const times = [];
  const worker = async (end, into) => {
    while (performance.now() < end) {
      const begin = performance.now();
      await ask(server, agent, next());
      into.push(performance.now() - begin);
    }
  };
  const all = (end, into) => Promise.all(Array.from({ length: connections }, () => worker(end, into)));
  await all(performance.now() + 300, []);  // handshakes are another matter
  const begin = performance.now();
  await all(begin + seconds * 1000, times);
  const took = (performance.now() - begin) / 1000;
  agent.destroy();
  return { per_second: times.length / took, median_ms: quantile(times, 0.5), p99_ms: quantile(times, 0.99) };
}

async function measureAll(database) {
  const home = scratch();
  const server = await startProvider(home, database ?? `sqlite:${join(home, 'provider/p.db')}`);
  const written = [];
  const write = () => {
    written.push(randomBytes(32).toString('hex'));
    return { method: 'POST', path: '/v1/devices/revoked', body: JSON.stringify({ keys: [written.at(-1)], reason: 'bench' }) };
  };
  const writes = await measure(server, write);
  const some = () => written[Math.floor(Math.random() * written.length)];
  const result = {
    writes,
    reads: await measure(server, () => ({ path: `/v1/devices/revoked/${some()}` })),
    lists: await measure(server, () => ({ path: '/v1/devices/revoked?limit=100' })),
    records: written.length,
  };
  await stop(server);
  return result;
}

const result = { seconds, connections, engines: { SQLite: await measureAll() } };
const postgres = await startPostgres();
if (postgres) result.engines.PostgreSQL = await measureAll(postgres);
else console.log('PostgreSQL is not installed: not measured');
save('provider_api', result);
const what = { writes: 'one key revoked', reads: 'one key looked up', lists: '100 keys listed' };
for (const [engine, of] of Object.entries(result.engines)) {
  for (const [name, text] of Object.entries(what)) {
    const { per_second, median_ms, p99_ms } = of[name];
    console.log(`${engine.padEnd(11)} ${text.padEnd(18)} ${per_second.toFixed(0).padStart(6)}/s  ` +
      `median ${median_ms.toFixed(1)} ms, 99 of 100 within ${p99_ms.toFixed(1)} ms`);
  }
}
process.exit();
