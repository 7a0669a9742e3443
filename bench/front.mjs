// The device's data plane against nginx from Debian: same kind of certificate, same cipher, same
// requests, one worker each on a core of its own, the load (and an upstream) on the other. Rounds
// are interleaved. Two ratios are shown: of what came through in a second, and of the CPU time that
// one piece of it cost the server. The second is right on a busy machine too, and is what the
// targets are held against there.
//
//   BENCH_ROUNDS=7 BENCH_SECONDS=1 BENCH_ONLY=small node bench/front.mjs
//   BENCH_ONLY=idle BENCH_IDLE=2000 node bench/front.mjs     memory of idle connections alone
import { execFile, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { grant, site } from './lib/granted.mjs';
import { freePort, httpsSite, makeChain, serverCore, startNginx } from './lib/nginx.mjs';
import { adopt, bin, median, pin, pssKiB, quantile, save, scratch, startDevice, stop } from './lib/processes.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const seconds = process.env.BENCH_SECONDS ?? '1';
const only = process.env.BENCH_ONLY ?? '';
const held = Number(process.env.BENCH_IDLE ?? 10_000);
const loadCore = 1;
const KiB = 1024, MiB = 1024 * 1024;

const cases = [
  { name: 'handshakes', what: 'new TLS 1.3 handshakes', mode: 'handshakes', connections: 16, target: 0.95 },
  { name: 'small', what: '1 KiB, kept alive', path: '/1k.bin', body: KiB, connections: 32, target: 0.8, p99: 1.5 },
  { name: 'mebibyte', what: '1 MiB objects', path: '/1m.bin', body: MiB, connections: 8, target: 0.95 },
  { name: 'large', what: '100 MiB objects', path: '/100m.bin', body: 100 * MiB, connections: 4, seconds: 2, target: 0.95 },
  { name: 'ranges', what: '1 MiB ranges of them', path: '/100m.bin', body: MiB, rangesOf: 100 * MiB, connections: 8, target: 0.95 },
  { name: 'proxied', what: '1 KiB from an upstream', path: '/1k.bin', body: KiB, connections: 32, behind: true, target: 0.9 },
  { name: 'proxied-large', what: '1 MiB from an upstream', path: '/1m.bin', body: MiB, connections: 8, behind: true, target: 0.9 },
].filter(({ name }) => name.includes(only));

function makeFiles() {
  const folder = scratch();
  for (const [name, size] of [['1k.bin', KiB], ['1m.bin', MiB], ['100m.bin', 100 * MiB]]) {
    const file = openSync(join(folder, name), 'w');
    for (let left = size; left > 0; left -= MiB) writeFileSync(file, randomBytes(Math.min(left, MiB)));
    closeSync(file);
  }
  mkdirSync(join(folder, '.well-known'));
  writeFileSync(join(folder, '.well-known/latchkey'), '{"what": "what the device says of itself is about this long"}\n');
  return folder;
}

// What a browser sends with a fetch() of a page.
function requestHead(host, path, cookie) {
  return [
    `GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: keep-alive',
    'sec-ch-ua: "Chromium";v="142", "Not_A Brand";v="99"', 'sec-ch-ua-mobile: ?0', 'sec-ch-ua-platform: "Linux"',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    'Accept: */*', `Origin: ${site}`, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty',
    `Referer: ${site}/`, 'Accept-Encoding: identity', 'Accept-Language: en-US,en;q=0.9', `Cookie: ${cookie}`, '',
  ].join('\r\n');
}

const heads = scratch();
function headFile(server, path) {
  const file = join(heads, randomBytes(8).toString('hex'));
  writeFileSync(file, requestHead(server.host, path, server.cookie));
  return file;
}

const loadArguments = (server, mode, more = []) =>
  ['-c', String(loadCore), join(bin, 'tls_load'), mode, '--port', String(server.port), '--sni', server.host, ...more.map(String)];

async function load(server, one) {
  const more = one.mode === 'handshakes' ? [] : ['--head', headFile(server, one.path), '--body', one.body];
  if (one.rangesOf) more.push('--ranges-of', one.rangesOf);
  const { stdout } = await promisify(execFile)('taskset', loadArguments(server, one.mode ?? 'requests',
    [...more, '--connections', one.connections, '--seconds', one.seconds ?? seconds, '--server', server.pid]));
  const result = JSON.parse(stdout);
  if (result.done === 0) throw new Error(`nothing came through: ${one.name}`);
  return {
    rate: result.done / result.seconds, cpu_us: (result.server_cpu_seconds * 1e6) / result.done,
    busy: result.server_cpu_seconds / result.seconds, p50_us: result.p50_us, p99_us: result.p99_us, cipher: result.cipher,
  };
}

async function startDeviceWith(behind) {
  const device = await startDevice(scratch(), behind);
  pin(device.pid, serverCore);
  const granted = await grant(device);
  return { ...device, ...granted, cookie: await granted.session() };
}

// --- rounds ---
const spread = (values) => ({ median: median(values), low: quantile(values, 0), high: quantile(values, 1) });

async function compare(one, device, nginx) {
  const runs = { device: [], nginx: [] };
  for (let round = 0; round < rounds; ++round) {
    const order = round % 2 === 0 ? ['device', 'nginx'] : ['nginx', 'device'];
    for (const which of order) runs[which].push(await load(which === 'device' ? device : nginx, one));
  }
  const each = (of) => runs.device.map((run, round) => of(run, runs.nginx[round]));
  const mid = (which, of) => median(runs[which].map(of));
  return {
    rate: { device: mid('device', (run) => run.rate), nginx: mid('nginx', (run) => run.rate) },
    cpu_us: { device: mid('device', (run) => run.cpu_us), nginx: mid('nginx', (run) => run.cpu_us) },
    busy: { device: mid('device', (run) => run.busy), nginx: mid('nginx', (run) => run.busy) },
    p50_us: { device: mid('device', (run) => run.p50_us), nginx: mid('nginx', (run) => run.p50_us) },
    p99_us: { device: mid('device', (run) => run.p99_us), nginx: mid('nginx', (run) => run.p99_us) },
    by_rate: spread(each((ours, theirs) => ours.rate / theirs.rate)),
    by_cpu: spread(each((ours, theirs) => theirs.cpu_us / ours.cpu_us)),
    by_p99: spread(each((ours, theirs) => ours.p99_us / theirs.p99_us)),
    cipher: runs.device[0].cipher,
  };
}

const show = (value, digits = 2) => value.toFixed(digits);
function line(one, of) {
  const unit = of.rate.device > 10_000 ? [1000, 'k/s'] : [1, '/s'];
  const rate = (value) => `${show(value / unit[0], unit[0] === 1 ? 0 : 1)}${unit[1]}`;
  const ok = of.by_cpu.median >= one.target ? 'yes' : 'no';
  return [one.what.padEnd(24), rate(of.rate.device).padStart(8), rate(of.rate.nginx).padStart(8),
    show(of.by_rate.median).padStart(6), show(of.cpu_us.device, 1).padStart(9), show(of.cpu_us.nginx, 1).padStart(9),
    `${show(of.by_cpu.median)} (${show(of.by_cpu.low)}-${show(of.by_cpu.high)})`.padStart(17),
    show(one.target).padStart(5), ok.padStart(4)].join(' ');
}

// --- memory, start, checks ---
const mib = (server) => (pssKiB(server.pid) + (server.master ? pssKiB(server.master) : 0)) / 1024;

// Connections that have had one answer each and are kept: what the server takes for all of it.
async function holding(server, count) {
  const before = mib(server);
  const client = adopt(spawn('taskset', loadArguments(server, 'idle',
    ['--head', headFile(server, '/1k.bin'), '--body', KiB, '--connections', count]), { stdio: ['pipe', 'pipe', 'inherit'] }));
  const ended = new Promise((done) => client.once('exit', done));
  await Promise.race([new Promise((done) => client.stdout.once('data', done)),
    ended.then(() => { throw new Error(`${count} connections could not be held`); })]);
  await wait(25_000); // what the rush of connecting took is given back by then
  const during = mib(server);
  client.stdin.end();
  await ended;
  return { connections: count, mib: during, kib_each: ((during - before) * KiB) / count };
}

// From the start of the process to the first answer over HTTPS.
async function firstAnswer({ port, host }, program, args) {
  const head = join(heads, 'first');
  writeFileSync(head, `GET /.well-known/latchkey HTTP/1.1\r\nHost: ${host}\r\n`);
  const answered = promisify(execFile)('taskset', loadArguments({ port, host }, 'first', ['--head', head]));
  await wait(100); // it is knocking by now
  const began = process.hrtime.bigint();
  const child = adopt(spawn('taskset', ['-c', String(serverCore), program, ...args], { stdio: 'ignore' }));
  const ended = new Promise((done) => child.once('exit', done));
  const at = BigInt(JSON.parse((await answered).stdout).answered_ns);
  child.kill('SIGTERM');
  await ended;
  return Number(at - began) / 1e6;
}

// Whoever wants to hold so many raises the limits; a device of its own, so that nothing was loaded before.
async function holdings(nginx) {
  const most = String(held + 100);
  const device = await startDeviceWith(['--serve', files, '--max-connections', most,
    '--max-connections-per-address', most, '--idle-seconds', '600']);
  const both = { device: await holding(device, held), nginx: await holding(nginx, held), target_mib: 200 };
  await device.leave();
  await stop(device);
  return both;
}

async function starts(device, nginx) {
  const port = await freePort();
  const args = ['run', '--state', device.state, '--name', 'Bench', '--listen', '127.0.0.1', '--port', String(port),
    '--mdns', 'off', '--serve', files];
  const ms = { device: [], nginx: [] };
  for (let round = 0; round < rounds; ++round) {
    ms.device.push(await firstAnswer({ port, host: device.host }, join(bin, 'latchkey-device'), args));
    ms.nginx.push(await firstAnswer(nginx, 'nginx', ['-e', join(nginx.folder, 'error.log'), '-c', join(nginx.folder, 'nginx.conf')]));
  }
  return { device: median(ms.device), nginx: median(ms.nginx) };
}

// How long the device judges a request, of the CPU time that a whole one costs.
function checks(request_us) {
  const program = join(bin, 'bench_front_checks');
  if (!existsSync(program)) return null;
  const { benchmarks } = JSON.parse(execFileSync('taskset', ['-c', String(serverCore), program, '--benchmark_format=json'],
    { stdio: ['ignore', 'pipe', 'ignore'] }));
  const ns = benchmarks.find((one) => one.name.startsWith('judge/') && one.aggregate_name === 'median').cpu_time;
  return { ns, share: ns / (request_us * 1000) };
}

function showHolding({ device, nginx, target_mib }) {
  console.log(`${device.connections} idle connections: ${show(device.mib, 1)} MiB, ${show(device.kib_each, 1)} KiB each ` +
    `(nginx ${show(nginx.mib, 1)} and ${show(nginx.kib_each, 1)}; target for 10000: ${target_mib} MiB)`);
}

function report({ idle_mib: idle, loaded_mib: loaded, holding: hold, checks: check, start_ms: start }) {
  showHolding(hold);
  console.log(`memory idle ${show(idle.device, 1)} MiB (nginx ${show(idle.nginx, 1)}; target ${idle.target}), after the load ` +
    `${show(loaded.device, 1)} (nginx ${show(loaded.nginx, 1)})\n` +
    `start to first answer ${show(start.device, 1)} ms (nginx ${show(start.nginx, 1)}; target ${start.target})`);
  if (check) console.log(`checks of host, origin and session: ${show(check.ns, 0)} ns, ${show(check.share * 100, 1)} % of a request of 1 KiB (target: under 3)`);
}

const files = makeFiles();
const chain = makeChain('nginx-bench.local');
const upstreamPort = await freePort();
const upstream = await startNginx(`server { listen 127.0.0.1:${upstreamPort}; root ${files}; }`, upstreamPort, loadCore);
async function startNginxWith(more) {
  const port = await freePort();
  const nginx = await startNginx(httpsSite({ host: 'nginx-bench.local', port, chain, ...more }), port);
  return { ...nginx, host: 'nginx-bench.local' };
}

const result = { rounds, seconds: Number(seconds), cases: {} };
{
  const device = await startDeviceWith(['--serve', files]);
  const nginx = await startNginxWith({ files });
  const behind = {};
  if (cases.some((one) => one.behind)) {
    behind.device = await startDeviceWith(['--upstream', `http://127.0.0.1:${upstreamPort}`]);
    behind.nginx = await startNginxWith({ upstream: upstreamPort });
    behind.nginx.cookie = behind.device.cookie;
  }
  nginx.cookie = device.cookie; // the same bytes
  result.idle_mib = { device: mib(device), nginx: mib(nginx), target: 12 };
  console.log(`the device against nginx, ${rounds} rounds; CPU time is the server's, for one handshake or answer\n` +
    `${''.padEnd(24)}   device    nginx  ratio    device     nginx  ratio by CPU      target met\n` +
    `${''.padEnd(24)}     rate     rate         CPU us    CPU us  (spread)`);
  for (const one of cases) {
    const of = await compare(one, one.behind ? behind.device : device, one.behind ? behind.nginx : nginx);
    result.cases[one.name] = { what: one.what, target: one.target, ...of };
    console.log(line(one, of));
    if (one.p99) {
      console.log(`  p99 ${show(of.p99_us.device, 0)} us against ${show(of.p99_us.nginx, 0)} us, ratio ${show(of.by_p99.median)} (target: at most ${one.p99})`);
    }
  }
  if (only === '') {
    result.loaded_mib = { device: mib(device), nginx: mib(nginx) };
    result.checks = checks(result.cases.small.cpu_us.device);
  }
  if (only === '' || only === 'idle') result.holding = await holdings(nginx);
  if (only === 'idle') showHolding(result.holding);
  for (const server of [device, nginx, behind.device, behind.nginx]) {
    if (server?.leave) await server.leave();
    if (server) await stop(server);
  }
  if (only === '') {
    result.start_ms = { ...(await starts(device, nginx)), target: 40 };
    report(result);
  }
}
await stop(upstream);
save('front', result);
