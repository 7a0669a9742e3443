// What single sign-on costs at a device: a whole sign-in (start, the provider's three answers, the
// token's checks, the new cookie), and a request of somebody who is signed in beside one of nobody.
// The provider is on this machine and answers at once; nobody types.
import { Authority } from '../tests/lab/authority.mjs';
import { Person } from '../tests/attack/lib/binding.mjs';
import { Device, House, upstream } from '../tests/attack/lib/house.mjs';
import { Mallory } from '../tests/attack/lib/mallory.mjs';
import { writeFileSync } from 'node:fs';
import { cpuMs, median, quantile, save } from './lib/processes.mjs';

const logins = Number(process.env.BENCH_RUNS ?? 100);
const requests = 5 * logins;
const SSO = '/.well-known/latchkey/sso';
const PAGE = 'https://video.example/cb';

let close;
const house = House.open({ after: (end) => { close = end; } });
try {
  const authority = await Authority.create(house.path('authority'));
  const provider = await Mallory.start(house, await authority.issue('localhost'));
  const file = house.path('sso.json');
  writeFileSync(file, JSON.stringify({ providers: [{ issuer: provider.issuer, client_id: 'device' }], ca_file: authority.certificate }));
  const service = await upstream(house);
  const device = await Device.start(house, { upstream: service.url, more: ['--sso', file] });
  const grant = await new Person(device).pair('https://video.example');
  await grant.open();
  const socket = await grant.connect();
  const ask = async (path, body) => {
    const answer = await grant.fetch(`${SSO}${path}`, { method: 'POST', body: Buffer.from(JSON.stringify(body)), socket });
    const [cookie] = (answer.headers['set-cookie'] ?? '').split(';');
    if (cookie) grant.cookie = cookie;
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  };
  const time = async (count, work) => {
    const wall = [];
    const before = cpuMs(device.program.pid);
    for (let i = 0; i < count; ++i) {
      const begin = process.hrtime.bigint();
      await work();
      wall.push(Number(process.hrtime.bigint() - begin) / 1e6);
    }
    return { wall_ms: { median: median(wall), p95: quantile(wall, 0.95) }, cpu_ms: (cpuMs(device.program.pid) - before) / count };
  };
  const get = async () => {
    const answer = await grant.fetch('/', { socket });
    if (answer.status !== 200) throw new Error(`${answer.status}`);
  };
  await time(20, get);
  const nobody = await time(requests, get);
  const login = await time(logins, async () => ask('/finish', provider.authorize((await ask('/start', { redirect_uri: PAGE })).url)));
  const somebody = await time(requests, get);
  socket.destroy();
  save('sso', { logins, requests, login, request: { nobody, somebody } });
  const show = ({ wall_ms: wall, cpu_ms: cpu }) => `${wall.median.toFixed(2).padStart(7)} (${wall.p95.toFixed(2)}) ms, CPU ${cpu.toFixed(2)} ms`;
  console.log(`single sign-on, ${logins} sign-ins, ${requests} requests; median (p95), CPU of the device
  a sign-in                    ${show(login)}
  a request, nobody signed in  ${show(nobody)}
  a request, signed in         ${show(somebody)}`);
} finally {
  await close();
}
