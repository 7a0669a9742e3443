// Many grants: what the agent needs of memory for them, and from start to listening.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { bin, median, rssKiB, save, scratch, startAgent, stop } from './lib/processes.mjs';

const counts = [0, 1000, 10_000];
const starts = 7;
const target = { mib_per_1000: 1, start_ms: 100 };

const rows = [];
for (const count of counts) {
  const home = scratch();
  if (count > 0) {
    execFileSync(join(bin, 'fill_grants'),
      [join(home, 'agent'), join(home, '.config/latchkey/witness'), String(count)]);
  }
  const times = [], rss = [];
  for (let i = 0; i < starts; i += 1) {
    const agent = await startAgent(home);
    if (i > 0 || count > 0) times.push(agent.startMs); // the very first also makes keys
    if (i % 3 === 0) {
      await wait(1500); // settled
      rss.push(rssKiB(agent.pid) / 1024);
    }
    await stop(agent);
  }
  rows.push({ count, start_ms: median(times), mib: median(rss) });
}
const most = rows.at(-1);
const result = { rows, mib_per_1000: ((most.mib - rows[0].mib) * 1000) / most.count, target };
save('many_grants', result);
for (const { count, start_ms, mib } of rows) {
  console.log(`${String(count).padStart(6)} grants: start to listening ${start_ms.toFixed(0)} ms, ${mib.toFixed(1)} MiB`);
}
console.log(`${result.mib_per_1000.toFixed(2)} MiB for 1,000 grants (target ${target.mib_per_1000}); start with 10,000: ` +
  `${most.start_ms.toFixed(0)} ms (target ${target.start_ms})`);
