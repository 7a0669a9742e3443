// Enrolment from the code being entered to "done": a new agent each time, one device, both real
// processes on this machine. The time of PBKDF2 (100,000 rounds), which a person's typing hides, is
// measured in the same run and shown apart.
import { pbkdf2Sync } from 'node:crypto';
import { AgentConnection, cpuMs, median, openWindow, quantile, save, scratch, startAgent, startDevice,
  stop } from './lib/processes.mjs';

const runs = Number(process.env.BENCH_RUNS ?? 200);
const home = scratch();
const device = await startDevice(home);
const wall = [], cpu = [], pbkdf2 = [];

for (let run = 0; run < runs; ++run) {
  if (process.stderr.isTTY) process.stderr.write(`\renrolment ${run + 1}/${runs}`);
  const agent = await startAgent(scratch(), device.port);
  const connection = await AgentConnection.open(agent.socket);
  await connection.call('discover.start', { type: 'media-cache' });
  const found = await connection.event((event) => event.event === 'discover.found');
  const { code } = openWindow(device);
  const { session } = await connection.call('pair.begin',
    { origin: 'https://video.example', type: 'media-cache', key: found.params.device.key });

  const cpuBefore = cpuMs(agent.pid) + cpuMs(device.pid);
  const begin = process.hrtime.bigint();
  await connection.call('pair.code', { session, code });
  const end = await connection.event((event) => event.event === 'pair.done' || event.event === 'pair.failed');
  wall.push(Number(process.hrtime.bigint() - begin) / 1e6);
  cpu.push(cpuMs(agent.pid) + cpuMs(device.pid) - cpuBefore);
  if (end.event !== 'pair.done') throw new Error(`run ${run}: ${JSON.stringify(end.params)}`);

  const kdf = process.hrtime.bigint();
  pbkdf2Sync('12345678', Buffer.alloc(16), 100000, 80, 'sha256');
  pbkdf2.push(Number(process.hrtime.bigint() - kdf) / 1e6);
  connection.close();
  await stop(agent);
}
if (process.stderr.isTTY) process.stderr.write('\n');
await stop(device);

const kdf = median(pbkdf2);
const result = {
  runs,
  wall_ms: { median: median(wall), p95: quantile(wall, 0.95) },
  cpu_ms: { median: median(cpu), p95: quantile(cpu, 0.95) },
  pbkdf2_ms: { median: kdf },
  without_pbkdf2_ms: { wall: median(wall) - kdf, cpu: median(cpu) - kdf },
  target_ms: 80,
};
save('enrolment', result);
const show = (ms) => ms.toFixed(1).padStart(7);
console.log(`enrolment, ${runs} runs, median (p95) in ms
  code entered to done, wall   ${show(result.wall_ms.median)} (${show(result.wall_ms.p95)})
  CPU of agent and device      ${show(result.cpu_ms.median)} (${show(result.cpu_ms.p95)})
  of these, PBKDF2             ${show(kdf)}
  without PBKDF2: wall ${show(result.without_pbkdf2_ms.wall)}, CPU ${show(result.without_pbkdf2_ms.cpu)} (target: 80 or less)`);
