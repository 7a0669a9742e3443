// `latchkey doctor` on a computer on which something is wrong indeed: in a house of namespaces, with a real
// Avahi, a real name server that says nothing and a real firewall. It finds the thing and names the command that
// mends it; the command is run as it stands there, and the thing is gone.

import assert from 'node:assert/strict';
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { restartAvahi, startAvahi } from '../lab/avahi.mjs';
import { House } from '../lab/house.mjs';
import { Agent, Device } from '../lab/latchkey.mjs';
import { obstacle } from '../lab/namespaces.mjs';
import { until } from '../lab/process.mjs';
import { execute, hasProgram, ROOT } from './lib/house.mjs';

const NAME = 'Cellar cache';
const reason = await obstacle();
const options = { skip: reason ? `no network namespaces here: ${reason}` : false, timeout: 300000 };

let house, device, agent;

/** What doctor says of one thing. */
async function said(id) {
  const { code, stdout, stderr } = await agent.cli(['doctor', '--json'], { ms: 60000 });
  const { checks } = JSON.parse(stdout);
  const check = checks.find((one) => one.id === id);
  assert.ok(check, `no ${id} in ${stdout}${stderr}`);
  const bad = checks.some((one) => one.level === 'fail');
  assert.equal(code, bad ? 1 : 0, 'the exit code says whether something has to be done');
  return check;
}
/** The command in a line of advice, from `start` on, as this computer's administrator types it. */
function command({ fix }, start) {
  assert.ok(fix.includes(start), `"${start}" is not in "${fix}"`);
  return fix.slice(fix.indexOf(start)).replace(/ \(.*$/, '').replaceAll('sudo ', '');
}
const type = (words) => house.pc.namespace.sh(words);
const etc = (name) => join(house.folder, 'etc-pc', name);

before(async () => {
  if (reason) return;
  house = await House.create();
  const host = await house.addDevice('cellar');
  await startAvahi(host, { bus: true });
  const files = join(host.folder, 'files');
  mkdirSync(files, { recursive: true });
  device = await Device.start(host, { name: NAME, serve: files });
  agent = await Agent.start(house.pc);
  await agent.json(['add', NAME, '--name', 'cellar-films', '--code', await device.openWindow()], { ms: 60000 });
});
after(() => house?.close());

test('doctor: nothing is wrong with what the other cases break', options, async () => {
  for (const id of ['names', 'name_delay', 'clock', 'devices_heard', 'devices_reached', 'firewall']) {
    const check = await said(id);
    assert.equal(check.level, 'ok', JSON.stringify(check));
    assert.equal(check.fix, '');
  }
});

test('doctor: a computer without nss-mdns', options, async () => {
  const whole = readFileSync(etc('nsswitch.conf'), 'utf8');
  writeFileSync(etc('nsswitch.conf'), whole.replace('mdns4_minimal [NOTFOUND=return] ', ''));
  const look = () => house.pc.run(['getent', 'ahostsv4', 'cellar-films.local'], { check: false });
  assert.notEqual((await look()).code, 0, 'the device is found without it');
  const check = await said('names');
  assert.equal(check.level, 'fail');
  assert.equal(command(check, 'sudo apt'), 'apt install libnss-mdns');
  // What installing it does to this file: the package's own script, for there is no network to fetch it from.
  const root = join(house.folder, 'installed');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/nsswitch.conf'), readFileSync(etc('nsswitch.conf')));
  writeFileSync(join(root, 'etc/nsswitch.conf.nss.libnss-mdns-will-install'), '');
  const { stdout } = await execute(['dpkg-query', '--control-path', 'libnss-mdns', 'postinst'], { env: process.env });
  const installed = await execute(['sh', stdout.trim(), 'configure'], { env: { ...process.env, DPKG_ROOT: root, DPKG_MAINTSCRIPT_PACKAGE: 'libnss-mdns' } });
  assert.equal(installed.code, 0, installed.stderr);
  writeFileSync(etc('nsswitch.conf'), readFileSync(join(root, 'etc/nsswitch.conf')));
  assert.equal((await said('names')).level, 'ok');
  assert.equal((await look()).code, 0, 'the device is not found with it');
});

test('doctor: a name server that says nothing holds up every name', options, async () => {
  const [host] = house.devices;
  const silent = host.spawn('silent-name-server', [process.execPath, '-e',
    'require("node:dgram").createSocket("udp4").bind(53, () => console.log("silent"))'], { root: true });
  await silent.waitFor(/^silent$/m);
  try {
    // As a router tells it: without options.
    writeFileSync(etc('resolv.conf'), `nameserver ${host.address}\n`);
    const look = async () => {
      const begun = Date.now();
      const { code } = await house.pc.run(['getent', 'ahostsv4', 'cellar-films.local'], { check: false, ms: 60000 });
      assert.equal(code, 0);
      return Date.now() - begun;
    };
    const slow = await look();
    const check = await said('name_delay');
    assert.equal(check.level, 'warn');
    assert.match(check.detail, /waits about 10 s/);
    await type(command(check, 'echo options'));
    const quick = await look();
    const better = await said('name_delay');
    assert.match(better.detail, /waits about 1 s/, 'it is still said, for the server still says nothing');
    // As nss-mdns does it: two questions of five seconds, and then one of one.
    assert.ok(slow > 9000 && quick < slow / 2, `${slow} ms before, ${quick} ms after`);
  } finally {
    await silent.stop();
    writeFileSync(etc('resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  }
  assert.equal((await said('name_delay')).level, 'ok');
});

test('doctor: a clock that is wrong', options, async () => {
  const library = join(house.folder, 'clock.so');
  const built = await execute(['cc', '-shared', '-fPIC', '-o', library, `${ROOT}/tests/attack/lib/clock.c`], { env: process.env });
  assert.equal(built.code, 0, built.stderr);
  try {
    for (const [days, title] of [[-1, /clock is wrong/], [-9000, /clock is wrong/], [4000, /may be wrong/]]) {
      agent.env = { LD_PRELOAD: library, LK_SHIFT: String(days * 86400), ASAN_OPTIONS: 'verify_asan_link_order=0' };
      await agent.restart();
      const check = await said('clock');
      assert.notEqual(check.level, 'ok', `${days} days`);
      assert.match(check.title, title);
      assert.equal(command(check, 'sudo timedatectl'), 'timedatectl set-ntp true');
    }
  } finally {
    // What that command does: the clock is the right one again.
    agent.env = undefined;
    await agent.restart();
  }
  assert.equal((await said('clock')).level, 'ok');
});

test('doctor: a firewall on 5353', { ...options, skip: options.skip || (hasProgram('nft') ? false : 'needs nftables') }, async () => {
  const rules = join(house.folder, 'nftables.conf');
  writeFileSync(rules, `#!/usr/sbin/nft -f
flush ruleset
table inet guard {
  chain incoming {
    type filter hook input priority 0; policy drop;
    iif "lo" accept
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}
`);
  // Where Debian has them. The folder is this computer's own from now on: nothing is written to the real one.
  await type(`mkdir -p /run/etc && cp -a /etc/. /run/etc/ 2>/dev/null; cp ${etc('resolv.conf')} ${etc('nsswitch.conf')} ${etc('hosts')} /run/etc/ &&
    mount --bind /run/etc /etc && cp ${rules} /etc/nftables.conf && mkdir -p /etc/systemd/system/sysinit.target.wants &&
    ln -sf /lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/nftables.service && nft -f /etc/nftables.conf`);
  try {
    // What was heard before is remembered for a while: as in the morning after.
    await restartAvahi(house.pc);
    await agent.restart();
    const deaf = await said('devices_heard');
    assert.equal(deaf.level, 'warn', JSON.stringify(deaf));
    const check = await said('firewall');
    assert.equal(check.level, 'warn', JSON.stringify(check));
    assert.match(check.detail, /nftables: .*does not name UDP 5353/);
    const open = command(check, 'sudo nft');
    assert.equal(open, 'nft insert rule inet guard incoming udp dport 5353 accept');
    await type(open);
    await until('the device to be heard', async () => (await said('devices_heard')).level === 'ok', 60000);
    assert.equal((await said('firewall')).level, 'ok');
  } finally {
    await type('nft flush ruleset; umount /etc');
  }
});
