// Many grants: what the agent and a device need of memory for them, the agent from start to
// listening, on the clock and of the processor, and what it costs while nothing is due.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { bin, cpuMs, median, rssKiB, save, scratch, startAgent, startDevice, stop } from './lib/processes.mjs';

const counts = [0, 1000, 10_000];
const starts = 7;
const target = { mib_per_1000: 1, start_ms: 100 };

const idleSeconds = 20;

/** What a process does while nobody asks it anything. */
async function atRest(pid) {
  const look = () => ({
    cpu: cpuMs(pid),
    reads: Number(/^syscr: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))[1]),
    wakes: Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]),
  });
  const before = look();
  await wait(idleSeconds * 1000);
  const after = look();
  return { seconds: idleSeconds, cpu_ms: after.cpu - before.cpu, reads: after.reads - before.reads, wakes: after.wakes - before.wakes };
}

const rows = [];
for (const count of counts) {
  const home = scratch();
  if (count > 0) {
    execFileSync(join(bin, 'fill_grants'),
      [join(home, 'agent'), join(home, '.config/latchkey/witness'), String(count)]);
  }
  const times = [], cpu = [], rss = [];
  let idle;
  for (let i = 0; i < starts; i += 1) {
    const agent = await startAgent(home);
    if (i > 0 || count > 0) { // the very first also makes keys
      times.push(agent.startMs);
      cpu.push(cpuMs(agent.pid));
    }
    if (i % 3 === 0) {
      await wait(4000); // looked through
      rss.push(rssKiB(agent.pid) / 1024);
    }
    if (i === starts - 1) {
      await wait(4000);
      idle = await atRest(agent.pid);
    }
    await stop(agent);
  }
  rows.push({ count, start_ms: median(times), start_cpu_ms: median(cpu), mib: median(rss), idle });
}
const most = rows.at(-1);

// A device holds what it serves, keys and chains, ready for the next connection.
const deviceGrants = 1000;
const deviceMib = [];
for (const count of [0, deviceGrants]) {
  const home = scratch();
  if (count > 0) execFileSync(join(bin, 'fill_grants'), ['--device', join(home, 'device'), String(count)]);
  const device = await startDevice(home);
  await wait(1500);
  deviceMib.push(rssKiB(device.pid) / 1024);
  await stop(device);
}
const result = {
  rows,
  mib_per_1000: ((most.mib - rows[0].mib) * 1000) / most.count,
  device_mib_per_1000: ((deviceMib[1] - deviceMib[0]) * 1000) / deviceGrants,
  target,
};
save('many_grants', result);
for (const { count, start_ms, start_cpu_ms, mib, idle } of rows) {
  console.log(`${String(count).padStart(6)} grants: start to listening ${start_ms.toFixed(0)} ms, ${start_cpu_ms.toFixed(0)} of the processor; ${mib.toFixed(1)} MiB; ` +
    `in ${idle.seconds} s with nothing due ${idle.cpu_ms.toFixed(0)} ms of the processor, ${idle.wakes} wakes, ${idle.reads} reads`);
}
console.log(`${result.mib_per_1000.toFixed(2)} MiB for 1,000 grants (target ${target.mib_per_1000}), ${result.device_mib_per_1000.toFixed(2)} in a device; start with 10,000: ` +
  `${most.start_ms.toFixed(0)} ms (target ${target.start_ms})`);
