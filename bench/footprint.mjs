// Idle memory, and the time from start to listening, of agent and device.
import { setTimeout as wait } from 'node:timers/promises';
import { median, rssKiB, save, scratch, startAgent, startDevice, stop } from './lib/processes.mjs';

const starts = 20;

async function measure(launch) {
  const startMs = [], rss = [];
  const home = scratch();
  for (let i = 0; i < starts; ++i) {
    const process = await launch(home);
    startMs.push(process.startMs);
    // Settled: what start-up frees is free, what it put off is done.
    if (i % 5 === 0) {
      await wait(1500);
      rss.push(rssKiB(process.pid) / 1024);
    }
    await stop(process);
  }
  // The first start also makes keys and the database.
  return { first_start_ms: startMs[0], start_ms: median(startMs.slice(1)), idle_mib: median(rss) };
}

const result = {
  agent: { ...(await measure((home) => startAgent(home))), target: { start_ms: 50, idle_mib: 20 } },
  device: { ...(await measure((home) => startDevice(home))), target: { start_ms: 50, idle_mib: 12 } },
};
save('footprint', result);
for (const [name, of] of Object.entries(result)) {
  console.log(`${name.padEnd(7)} idle ${of.idle_mib.toFixed(1)} MiB (target ${of.target.idle_mib}), ` +
    `start to listening ${of.start_ms.toFixed(0)} ms (target ${of.target.start_ms}), first start ${of.first_start_ms.toFixed(0)} ms`);
}
