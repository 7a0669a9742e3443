// Network, mount and process namespaces with nothing to clean up: they have no
// names anywhere, only processes hold them. As root they are made directly,
// as anybody else inside a user namespace of their own.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenOf, Process, run, until } from './process.mjs';

const HOLDER = fileURLToPath(new URL('holder.sh', import.meta.url));
const ROOTLESS = process.getuid() !== 0;

// With an unreachable name server nss-mdns waits 10 s before each look-up of a
// .local name; a port that refuses at once costs nothing.
const RESOLV_CONF = 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n';
const NSSWITCH = `passwd: files
group: files
shadow: files
hosts: files mdns4_minimal [NOTFOUND=return] dns
networks: files
protocols: files
services: files
`;

function writeFiles(folder, hosts) {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const lines = ['127.0.0.1 localhost', ...Object.entries(hosts).map(([name, address]) => `${address} ${name}`)];
  writeFileSync(join(folder, 'hosts'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'resolv.conf'), RESOLV_CONF);
  writeFileSync(join(folder, 'nsswitch.conf'), NSSWITCH);
  if (ROOTLESS) {
    // avahi-daemon gives its folder to the user avahi, and the only user there is in here is 0.
    for (const name of ['passwd', 'group']) {
      const text = readFileSync(`/etc/${name}`, 'utf8');
      writeFileSync(join(folder, name), text.replace(/^avahi:x:\d+:(\d+:)?/m, name === 'passwd' ? 'avahi:x:0:0:' : 'avahi:x:0:'));
    }
  }
}

export class Namespace {
  constructor(name, holder, pid) {
    this.name = name;
    this.holder = holder;
    this.pid = pid;
  }

  /** The first of a house: it also owns the process namespace, so that its end ends everything. */
  static async first(name, folder, hosts) {
    writeFiles(folder, hosts);
    const own = ROOTLESS ? ['--user', '--map-root-user'] : [];
    const holder = new Process(`namespace ${name}`, [
      'unshare', ...own, '--pid', '--fork', '--kill-child', '--mount', '--net', '--uts',
      'sh', HOLDER, folder,
    ]);
    return Namespace.#ready(name, holder);
  }

  /** Another one, inside the first's process (and user) namespace. */
  async sibling(name, folder, hosts) {
    writeFiles(folder, hosts);
    const holder = new Process(`namespace ${name}`, [
      ...this.enter(), 'unshare', '--mount', '--net', '--uts', 'sh', HOLDER, folder,
    ]);
    return Namespace.#ready(name, holder);
  }

  static async #ready(name, holder) {
    await holder.waitFor(/^ready$/m);
    return new Namespace(name, holder, childrenOf(holder.child.pid)[0]);
  }

  /** The words to put before a command that shall run inside. */
  enter() {
    const user = ROOTLESS ? ['--user', '--preserve-credentials'] : [];
    return ['nsenter', '--target', String(this.pid), ...user, '--net', '--mount', '--uts', '--pid', '--'];
  }

  /** Runs `ip`, which names other namespaces by pids as they are seen out here. */
  async ip(...words) {
    const user = ROOTLESS ? ['--user', '--preserve-credentials'] : [];
    await run('ip', ['nsenter', '--target', String(this.pid), ...user, '--net', '--', 'ip', ...words]);
  }

  /** Runs a small shell command inside, as the namespace's root. */
  sh(command, options = {}) {
    return run(`sh in ${this.name}`, [...this.enter(), 'sh', '-c', command], options);
  }

  async end() {
    this.holder.child.stdin.end();
    await Promise.race([this.holder.exited, new Promise((resolve) => setTimeout(resolve, 2000).unref())]);
    if (!this.holder.ended) await this.holder.stop(0);
  }
}

/** Joins `member` to the bridge `bridge` of `router` as its eth0 with `address` (with prefix length). */
export async function plug(router, bridge, member, address) {
  await router.ip('link', 'add', `to-${member.name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(member.pid));
  await router.ip('link', 'set', `to-${member.name}`, ...(bridge ? ['master', bridge] : []), 'up');
  await member.ip('addr', 'add', address, 'dev', 'eth0');
  await member.ip('link', 'set', 'eth0', 'up');
  await member.ip('route', 'add', '224.0.0.0/4', 'dev', 'eth0');
  // The kernel brings the carrier up a moment later; packets sent before are lost.
  await until(`${member.name} has a carrier`, async () =>
    (await member.sh('cat /sys/class/net/eth0/operstate || ip -o link show eth0', { check: false })).stdout.match(/\bup\b|state UP/));
}

/** Why namespaces cannot be made here, or null when they can. */
export async function obstacle() {
  const own = ROOTLESS ? ['--user', '--map-root-user'] : [];
  const script = 'mount --make-rprivate / && mount -t proc proc /proc && ip link add t0 type veth peer name t1 && ip link add b0 type bridge';
  const { code, stderr } = await run('namespace check',
    ['unshare', ...own, '--pid', '--fork', '--kill-child', '--mount', '--net', '--uts', 'sh', '-c', script], { check: false });
  return code === 0 ? null : stderr.trim().split('\n').pop() || `unshare exited with ${code}`;
}
