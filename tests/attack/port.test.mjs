// A device on port 443, started as its service is: as a user of its own that may listen there and nothing
// else. What it was given for that goes no further.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BIN, execute, hasProgram, Program, ROOT } from './lib/house.mjs';

const NOBODY = 65534;
const UNIT = readFileSync(join(ROOT, 'packaging/systemd/latchkey-device.service.in'), 'utf8');
const [, GIVEN] = /^AmbientCapabilities=(.*)$/m.exec(UNIT);
const LOW = GIVEN.toLowerCase().replace(/^cap_/, '');
// The network of its own begins with nothing: neither with a port that is taken, nor with the loopback up.
const skip = process.getuid() !== 0 ? 'needs root: somebody has to give the right to 443'
  : ['unshare', 'setpriv', 'ip'].every(hasProgram) ? false : 'needs util-linux and iproute2';

/** The capability sets of a process, as `/proc` writes them. */
const sets = (pid) => Object.fromEntries([...readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^Cap(\w+):\s+(\w+)$/gm)]
  .map(([, name, mask]) => [name, BigInt(`0x${mask}`)]));

/** A folder that "nobody" can reach, and a network in which nobody may have low ports unless told so. */
function place(t) {
  const folder = mkdtempSync(join(tmpdir(), 'lk-port-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  // The build folder may be closed to others.
  const program = join(folder, 'latchkey-device');
  cpSync(join(BIN, 'latchkey-device'), program);
  mkdirSync(join(folder, 'files'));
  const state = join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  chownSync(state, NOBODY, NOBODY);
  const config = join(folder, 'device.conf');
  // As the package's, but for what it serves.
  writeFileSync(config, readFileSync(join(ROOT, 'packaging/config/device.conf'), 'utf8')
    .replace(/^upstream = .*$/m, `serve = "${join(folder, 'files')}"`).replace(/^# mdns = .*$/m, 'mdns = "off"'));
  const dropped = (caps) => ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--no-new-privs',
    '--inh-caps', caps, '--ambient-caps', caps, '--bounding-set', caps, '--'];
  const device = [program, 'run', '--config', config, '--state', state];
  const room = (script) => ['unshare', '--net', 'sh', '-c',
    `ip link set lo up && sysctl -qw net.ipv4.ip_unprivileged_port_start=1024 && ${script}`, 'sh'];
  return { folder, dropped, device, room, env: { PATH: process.env.PATH, HOME: folder } };
}

test('port 443: the service has it by the one right its unit gives, and passes that right to nobody', { skip }, async (t) => {
  assert.equal(LOW, 'net_bind_service', GIVEN);
  const here = place(t);
  const program = new Program([...here.room('exec "$@"'), ...here.dropped(`-all,+${LOW}`), ...here.device], here.env);
  let found;
  try {
    await program.line(/^listening on .*:443$/m);
    found = sets(program.pid);
  } finally {
    await program.end();
  }
  assert.equal(found.Amb, 0n, 'programs that it starts could listen below 1024');
  assert.equal(found.Inh, 0n);
  // The service's filter of system calls forbids this one; whoever runs it without gets rid of all.
  assert.equal(found.Eff, 0n);
  assert.equal(found.Prm, 0n);
});

test('port 443: without the right, and when it is taken, the device ends and says what to do', { skip }, async (t) => {
  const here = place(t);
  const refused = await execute([...here.room('exec "$@"'), ...here.dropped('-all'), ...here.device], { env: here.env });
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /Port 443 is for services of the system\.\n.*systemctl start latchkey-device.*--port 8443/);
  // Another server of this machine.
  const taken = here.room('node -e \'require("node:net").createServer().listen(443, () => console.log("there"))\' & "$@"; code=$?; kill $!; exit $code');
  const server = await execute([...taken, 'sh', '-c', 'until ss -Hltn "sport = :443" | grep -q .; do sleep 0.05; done; exec "$@"', 'sh',
    ...here.dropped(`-all,+${LOW}`), ...here.device], { env: here.env });
  assert.equal(server.code, 1, server.stderr);
  assert.match(server.stderr, /Another program on this machine has port 443 already\.\n.*sport = :443.*--port 8443 \(in the configuration file: port = 8443\)\. Its addresses then end in :8443\./);
});
