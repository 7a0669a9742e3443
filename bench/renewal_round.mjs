// A renewal's whole way: the agent connects to the device, asks, gets a request for a new key, signs,
// stores, sends, and the device stores and answers with the new certificate. Both real processes on
// this machine, one connection for each renewal.
import { AgentConnection, cpuMs, median, openWindow, quantile, save, scratch, startAgent, startDevice,
  stop } from './lib/processes.mjs';

const runs = Number(process.env.BENCH_RUNS ?? 100);
const device = await startDevice(scratch());
const agent = await startAgent(scratch(), device.port);
let connection = await AgentConnection.open(agent.socket);
await connection.call('discover.start', { type: 'media-cache' });
const found = await connection.event((event) => event.event === 'discover.found');
const { code } = openWindow(device);
const { session } = await connection.call('pair.begin',
  { origin: 'https://video.example', type: 'media-cache', key: found.params.device.key });
await connection.call('pair.code', { session, code });
const end = await connection.event((event) => event.event === 'pair.done' || event.event === 'pair.failed');
if (end.event !== 'pair.done') throw new Error(JSON.stringify(end.params));
const { id } = end.params.grant;

const wall = [], agentCpu = [], deviceCpu = [];
for (let run = 0; run < runs; ++run) {
  // A connection of its own: one may not ask for many.
  connection.close();
  connection = await AgentConnection.open(agent.socket);
  const before = [cpuMs(agent.pid), cpuMs(device.pid)];
  const begin = process.hrtime.bigint();
  await connection.call('certificate.renew', { id });
  wall.push(Number(process.hrtime.bigint() - begin) / 1e6);
  agentCpu.push(cpuMs(agent.pid) - before[0]);
  deviceCpu.push(cpuMs(device.pid) - before[1]);
}
connection.close();
await stop(agent);
await stop(device);

const result = {
  runs,
  wall_ms: { median: median(wall), p95: quantile(wall, 0.95) },
  agent_cpu_ms: median(agentCpu),
  device_cpu_ms: median(deviceCpu),
};
save('renewal_round', result);
console.log(`a renewal there and back, ${runs} runs: ${result.wall_ms.median.toFixed(1)} ms (p95 ` +
  `${result.wall_ms.p95.toFixed(1)}); of the processor ${result.agent_cpu_ms.toFixed(1)} ms in the agent, ` +
  `${result.device_cpu_ms.toFixed(1)} in the device`);
