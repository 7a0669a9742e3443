// The device's data plane against nginx from Debian: same kind of certificate, same cipher, same
// requests, one worker each on a core of its own, the load (and an upstream) on the other. Rounds
// are interleaved. Two ratios are shown: of what came through in a second, and of the CPU time that
// one piece of it cost the server. The first is what was asked for, and the load, the upstream and
// whoever else uses the machine are in it; the second is the server's own. A target is met where
// both reach it.
//
// A whole run goes to out/bench/front.json and, as a table for docs/performance.md, to front.md; a
// part of one to files of its own, so that rows of two trees never stand in one table.
//
//   BENCH_ROUNDS=7 BENCH_SECONDS=1 BENCH_ONLY=small node bench/front.mjs
//   BENCH_ONLY=idle BENCH_IDLE=2000 node bench/front.mjs     memory of idle connections alone
import { execFile, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { grant, site } from './lib/granted.mjs';
import { freePort, httpsSite, makeChain, serverCore, startNginx } from './lib/nginx.mjs';
import { adopt, bin, cpuMs, median, outFolder, pin, pssKiB, quantile, save, scratch, start, startDevice, stop } from './lib/processes.mjs';

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
  // The same service behind both. What the service itself takes is shown beside it.
  { name: 'media', what: '1 MiB from the media cache', path: '/objects/1m.bin', body: MiB, connections: 8, media: true, target: 0.9 },
  { name: 'media-ranges', what: '1 MiB ranges from it', path: '/objects/100m.bin', body: MiB, rangesOf: 100 * MiB, connections: 8, media: true, target: 0.9 },
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

// `service`: the process behind both, whose CPU time is noted, too.
async function compare(one, device, nginx, service) {
  const runs = { device: [], nginx: [] };
  for (let round = 0; round < rounds; ++round) {
    const order = round % 2 === 0 ? ['device', 'nginx'] : ['nginx', 'device'];
    for (const which of order) {
      const before = service ? cpuMs(service.pid) : 0;
      const run = await load(which === 'device' ? device : nginx, one);
      // Warming up is in it, and not in what was counted.
      if (service) run.service_busy = (cpuMs(service.pid) - before) / 1000 / (Number(one.seconds ?? seconds) + 0.3);
      runs[which].push(run);
    }
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
    ...(service ? { service_busy: mid('device', (run) => run.service_busy) } : {}),
    cipher: runs.device[0].cipher,
  };
}

const show = (value, digits = 2) => value.toFixed(digits);
function line(one, of) {
  const unit = of.rate.device > 10_000 ? [1000, 'k/s'] : [1, '/s'];
  const rate = (value) => `${show(value / unit[0], unit[0] === 1 ? 0 : 1)}${unit[1]}`;
  return [one.what.padEnd(26), rate(of.rate.device).padStart(7), rate(of.rate.nginx).padStart(7),
    ratio(of.by_rate).padStart(16), show(of.cpu_us.device, 0).padStart(6), show(of.cpu_us.nginx, 0).padStart(6),
    ratio(of.by_cpu).padStart(16), show(one.target).padStart(5), verdict(one, of)].join(' ');
}
const ratio = (of) => `${show(of.median)} (${show(of.low)}-${show(of.high)})`;

// Rounded as it is shown, so that a table never says 0.95 of 0.95 and "missed".
const reaches = (of, target) => Math.round(of.median * 100) >= Math.round(target * 100);
function verdict({ target }, of) {
  const cpu = reaches(of.by_cpu, target), rate = reaches(of.by_rate, target);
  return cpu && rate ? 'met' : cpu ? 'missed by rate' : rate ? 'missed by CPU' : 'missed';
}

// What was measured, on what, and when.
function circumstances() {
  const first = (program, ...args) => {
    try {
      return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim().split('\n')[0];
    } catch { return 'unknown'; }
  };
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    device: first(join(bin, 'latchkey-device'), '--version'),
    commit: first('git', 'describe', '--always', '--dirty'),
    nginx: first('sh', '-c', 'nginx -v 2>&1').replace('nginx version: ', ''),
    openssl: first('openssl', 'version').replace(/ \(.*/, ''),
    kernel: release(),
    processor: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    load_before: loadavg()[0],
  };
}
const said = (of) => `${of.date}; ${of.device} (${of.commit}), ${of.nginx}, ${of.openssl}, Linux ${of.kernel}, ${of.processor}, ` +
  `load ${show(of.load_before, 1)} before; ${rounds} rounds of ${seconds} s`;

function table({ circumstances: on, cases: all }) {
  const number = (value) => Math.round(value).toLocaleString('en');
  const bold = (text, missed) => (missed ? `**${text}**` : text);
  return [`${said(on)}.`, '',
    '| what | device, us | nginx, us | ratio by CPU, median (lowest to highest) | by rate | target |',
    '| --- | --- | --- | --- | --- | --- |',
    ...Object.values(all).map((of) => `| ${[of.what, number(of.cpu_us.device), number(of.cpu_us.nginx),
      `${bold(show(of.by_cpu.median), !reaches(of.by_cpu, of.target))} (${show(of.by_cpu.low)} to ${show(of.by_cpu.high)})`,
      `${bold(show(of.by_rate.median), !reaches(of.by_rate, of.target))} (${show(of.by_rate.low)} to ${show(of.by_rate.high)})`,
      of.target].join(' | ')} |`), ''].join('\n');
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

// The media cache with the two objects, as its front would have put them.
async function startMediaCache(granted) {
  const home = scratch();
  const socket = join(home, 'media.sock');
  const cache = await start('latchkey-media-cache', ['--state', join(home, 'media'), '--socket', socket, '--no-fetch'], home);
  pin(cache.pid, loadCore);
  const visitor = { 'X-Latchkey-Origin': site, 'X-Latchkey-Sub': granted.sub };
  for (const name of ['1m.bin', '100m.bin']) {
    const status = await new Promise((done, failed) => {
      const put = request({ socketPath: socket, method: 'PUT', path: `/objects/${name}`, headers: visitor },
        (answer) => { answer.resume(); answer.on('end', () => done(answer.statusCode)); });
      put.on('error', failed);
      put.end(readFileSync(join(files, name)));
    });
    if (status !== 201) throw new Error(`the media cache does not take ${name}: ${status}`);
  }
  return { ...cache, socket, visitor };
}

const result = { circumstances: circumstances(), rounds, seconds: Number(seconds), cases: {} };
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
  const media = {};
  if (cases.some((one) => one.media)) {
    media.service = await startMediaCache({ sub: 'bench' });
    media.device = await startDeviceWith(['--upstream', `unix:${media.service.socket}`]);
    media.nginx = await startNginxWith({ upstream: `unix:${media.service.socket}`, visitor: media.service.visitor });
    media.nginx.cookie = media.device.cookie;
  }
  result.idle_mib = { device: mib(device), nginx: mib(nginx), target: 12 };
  console.log(`the device against nginx: ${said(result.circumstances)}\n` +
    'CPU time is the server\'s, in microseconds for one handshake or answer; ratios are medians (lowest-highest), more is better\n' +
    `${''.padEnd(26)} ${'rate'.padStart(15)} ${'ratio by rate'.padStart(16)} ${'CPU us'.padStart(13)} ${'ratio by CPU'.padStart(16)} target: both\n` +
    `${''.padEnd(26)}  device   nginx ${''.padStart(16)} device  nginx`);
  for (const one of cases) {
    const which = one.media ? media : one.behind ? behind : { device, nginx };
    const of = await compare(one, which.device, which.nginx, which.service);
    result.cases[one.name] = { what: one.what, target: one.target, ...of };
    console.log(line(one, of));
    if (which.service) console.log(`  the media cache is busy for ${show(of.service_busy * 100, 0)} % of a core behind the device`);
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
  for (const server of [device, nginx, behind.device, behind.nginx, media.device, media.nginx, media.service]) {
    if (server?.leave) await server.leave();
    if (server) await stop(server);
  }
  if (only === '') {
    result.start_ms = { ...(await starts(device, nginx)), target: 40 };
    report(result);
  }
}
await stop(upstream);
const name = only === '' ? 'front' : `front-${only}`;
save(name, result);
if (Object.keys(result.cases).length > 0) {
  writeFileSync(join(outFolder, `${name}.md`), table(result));
  console.log(`\n${table(result)}`);
}
