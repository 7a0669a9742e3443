// Finding devices: through the system's Avahi daemon, and by the library built in.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAvahi } from '../../lab/avahi.mjs';
import { Agent, Device, ROOT } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { MEDIA, SITE, STORE } from '../stage.mjs';

async function names(agent, ...words) {
  const { devices } = await agent.json(['devices', '--timeout', '3', ...words]);
  return devices.map((device) => device.name).sort();
}

export function scenarios(scenario) {
  for (const mdns of ['system', 'builtin']) {
    scenario(`discovery: the agent finds devices by ${mdns} Avahi`, async (stage, context) => {
      if (!stage.house.isolated) return context.skip('needs namespaces');
      const { pc } = stage.house;
      const folder = join(pc.home, `agent-${mdns}`);
      const agent = await Agent.start(pc, { mdns, name: `agent-${mdns}`, socket: join(folder, 'agent.sock'), state: folder });
      try {
        const found = await names(agent);
        assert.ok([MEDIA.name, STORE.name].every((name) => found.includes(name)), `found ${found.join(', ') || 'nothing'}`);
        const only = await names(agent, '--type', STORE.type);
        assert.ok(only.includes(STORE.name) && !only.includes(MEDIA.name), `--type gave ${only.join(', ')}`);
      } finally {
        await agent.process.stop();
      }
    });
  }

  scenario('discovery: a device that publishes through its own system\'s Avahi is found, and lost', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const host = await stage.house.addDevice('attic');
    await startAvahi(host, { bus: true });
    const device = await Device.start(host, { name: 'Attic cache', type: 'media-cache', serve: join(ROOT, 'out/media'), mdns: 'system' });
    await until('the attic to be found', async () => (await names(stage.agent)).includes('Attic cache'));
    await device.process.stop();
    await until('the attic to be lost', async () => !(await names(stage.agent)).includes('Attic cache'), 20000);
  });

  // A responder hears its own words: one with the text before must not be taken for somebody else's claim.
  scenario('discovery: a window that opens and closes while the device is being announced costs it no name', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    for (const mdns of ['builtin', 'system']) {
      const name = `Bay cache, ${mdns}`;
      const host = await stage.house.addDevice(`bay-${mdns}`);
      if (mdns === 'system') await startAvahi(host, { bus: true });
      const device = await Device.start(host, { name, type: 'media-cache', serve: join(ROOT, 'out/media'), mdns });
      for (let i = 0; i < 10; i += 1) {
        await device.openWindow();
        await sleep(100); // About half of what one probe waits for the next.
        await device.closeWindow();
        await sleep(100);
      }
      await device.process.waitFor(/announced as ".*"/, { stream: 'stderr' });
      assert.deepEqual(device.process.stderr.match(/announced as ".*"/g), [`announced as "${name}"`]);
      await device.process.stop();
    }
  });

  scenario('discovery: a device that moved, and whose signs are new, is found by the names it serves', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const { pc } = stage.house;
    const host = await stage.house.addDevice('loft');
    const device = await Device.start(host, { name: 'Loft cache', type: 'media-cache', serve: join(ROOT, 'out/media') });
    const people = [];
    try {
      for (const name of ['loft-owner', 'loft-guest']) {
        const folder = join(pc.home, name);
        people.push(await Agent.start(pc, { mdns: 'builtin', name, socket: join(folder, 'agent.sock'), state: folder }));
      }
      const [owner, guest] = people;
      const add = async (agent, as) => agent.json(['add', 'Loft cache', '--name', as, '--code', await device.openWindow()], { ms: 30000 });
      await add(owner, 'upstairs');
      await add(guest, 'upstairs-too');
      // The device takes another discovery key now: its announcements are noise to the owner's agent.
      await guest.json(['forget', 'Loft cache']);
      await device.process.stop();
      await host.namespace.ip('addr', 'flush', 'dev', 'eth0');
      await host.namespace.ip('addr', 'add', '192.168.77.250/24', 'dev', 'eth0');
      await host.namespace.ip('route', 'replace', 'default', 'via', '192.168.77.1');
      await host.namespace.ip('route', 'replace', '224.0.0.0/4', 'dev', 'eth0');
      await device.run();
      await owner.json(['renew', 'upstairs.local'], { ms: 30000 });
      const { grants } = await owner.json(['grants']);
      assert.equal(grants.find((grant) => grant.host === 'upstairs.local').state, 'active');
    } finally {
      await device.process.stop();
      for (const agent of people) await agent.process.stop();
    }
  });

  scenario('discovery: a device that comes back at another port is found by the page’s own next fetch', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const page = await stage.visit(SITE);
    const { url, id } = await stage.granted(page);
    const usual = stage.device.options.port;
    const fetched = () => page.evaluate(async (device) => {
      const known = window.lab.devices.get(device);
      return known.fetch('/pixel.svg').then(async (got) => ({ status: got.status, text: (await got.text()).slice(0, 40) }), (error) => ({ error: error.name }));
    }, id);
    assert.equal((await fetched()).status, 200);
    try {
      stage.device.options.port = 8555;
      await stage.device.restart();
      const answer = await fetched();
      assert.deepEqual([answer.status, answer.text?.includes('<svg')], [200, true], JSON.stringify(answer));
      const [grant] = (await stage.grants()).filter((each) => each.host === new URL(url).hostname);
      assert.equal(new URL(grant.url).port, '8555');
    } finally {
      stage.device.options.port = usual;
      await stage.device.restart();
      // A second move within a few seconds: what the network still repeats of the first may cost a try.
      await until('it is found where it was', async () => (await fetched()).status === 200, 30000);
    }
  });

  scenario('discovery: the announcement names no web service and nobody', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const { devices } = await stage.agent.json(['devices', '--timeout', '3']);
    const text = JSON.stringify(devices);
    for (const grant of await stage.grants()) {
      assert.ok(!text.includes(grant.host), 'a host of a web service is announced');
    }
    assert.ok(!text.includes('video.example'));
  });
}
