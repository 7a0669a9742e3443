// A house for tests: a home computer, devices, a router and an internet of a
// few web sites, each in network namespaces of this run alone.
//
//   const house = await House.create({ sites: [...] });
//   const device = await house.addDevice('device');
//   house.pc.spawn('agent', [...]);            a process on the home computer
//   await house.cutWan();                      the internet goes away
//   await house.close();                       nothing is left
//
// Addresses: 192.168.77.0/24 at home (router .1, pc .10, devices from .20),
// 203.0.113.0/24 outside. Everything a run writes is below `house.folder`.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority } from './authority.mjs';
import { startAvahi } from './avahi.mjs';
import { Namespace, obstacle, plug } from './namespaces.mjs';
import { Process, run } from './process.mjs';

const SITE_SERVER = fileURLToPath(new URL('site-server.mjs', import.meta.url));
const ROOT = process.getuid() === 0;

/** Who sits at the home computer: whoever called, also through sudo. */
function person() {
  if (!ROOT) return { uid: process.getuid(), gid: process.getgid() };
  const uid = Number(process.env.SUDO_UID ?? 0);
  return { uid, gid: Number(process.env.SUDO_GID ?? uid) };
}

/** One computer of the house. */
export class Host {
  constructor(house, name, namespace, address) {
    this.house = house;
    this.name = name;
    this.namespace = namespace;
    this.address = address;
    this.folder = join(house.folder, name);
    this.home = join(this.folder, 'home');
    this.processes = new Set();
    for (const folder of [this.folder, this.home, join(this.home, 'run')]) {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, folder === this.folder ? 0o755 : 0o700);
      if (ROOT) chownSync(folder, house.person.uid, house.person.gid);
    }
  }

  /** The environment of a person's session on this computer. */
  get environment() {
    const environment = { ...process.env };
    for (const name of Object.keys(environment)) {
      if (/^(XDG_|LATCHKEY_|DBUS_|SUDO_)/.test(name)) delete environment[name];
    }
    return { ...environment, HOME: this.home, XDG_RUNTIME_DIR: join(this.home, 'run'), LANG: 'C.UTF-8', TZ: 'UTC' };
  }

  /**
   * The full command for `argv` on this computer. `root`: as its administrator. Without root
   * rights outside, everybody is uid 0 in here; `ownUid` gives the person's own number back to
   * programs that refuse to run as 0 (a browser with its sandbox).
   */
  wrap(argv, { root = false, ownUid = false, cwd = this.home } = {}) {
    if (!this.namespace) return argv;
    const { uid, gid } = this.house.person;
    let as = [];
    if (!root && ROOT && uid !== 0) as = ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--'];
    if (ownUid && !ROOT) as = ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'];
    return [...this.namespace.enter(), 'env', '-C', cwd, ...as, ...argv];
  }

  /** @returns {Process} already started; its output also goes to `<house>/logs/<host>-<name>.log` */
  spawn(name, argv, { root = false, env = {}, cwd, input } = {}) {
    const started = new Process(`${name} on ${this.name}`, this.wrap(argv, { root, cwd }), {
      env: { ...this.environment, ...env },
      log: join(this.house.logs, `${this.name}-${name}.log`),
      wrapped: this.namespace !== null,
      input,
    });
    this.processes.add(started);
    started.exited.then(() => this.processes.delete(started));
    return started;
  }

  /** Runs a command to its end. @returns {Promise<{code, stdout, stderr}>} */
  run(argv, { root = false, env = {}, ...options } = {}) {
    return run(`${argv[0]} on ${this.name}`, this.wrap(argv, { root, cwd: options.cwd }), {
      env: { ...this.environment, ...env },
      wrapped: this.namespace !== null,
      ...options,
    });
  }

  async stop() {
    await Promise.all([...this.processes].map((each) => each.stop()));
  }
}

export class House {
  constructor(folder, logs) {
    this.folder = folder;
    this.logs = logs;
    this.person = person();
    this.hosts = [];
    this.devices = [];
    this.nextAddress = 20;
    this.closed = false;
  }

  /**
   * @param {{sites?: object[], logs?: string, bus?: boolean, say?: (text: string) => void}} options
   *   sites: [{names, roots, headers?, address?}], roots as folders or a function of the house's own
   *   folder that gives them; bus: a message bus and Avahi on it for the pc.
   */
  static async create({ sites = [], logs, bus = true, say = () => {} } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-house-'));
    chmodSync(folder, 0o755);
    const house = new House(folder, logs ?? join(folder, 'logs'));
    mkdirSync(house.logs, { recursive: true });
    house.#closeOnSignals();
    try {
      house.authority = await Authority.create(join(folder, 'authority'));
      const reason = process.env.LATCHKEY_LAB === 'loopback' ? 'asked for by LATCHKEY_LAB' : await obstacle();
      house.isolated = reason === null;
      if (house.isolated) await house.#build(sites, bus);
      else {
        say(`no network namespaces here (${reason}): everything runs on 127.0.0.1, without mDNS and without a wide network to cut`);
        house.pc = house.#addHost('pc', null, '127.0.0.1');
        house.wan = house.#addHost('wan', null, '127.0.0.1');
      }
      await house.authority.trustIn(house.pc.home, (argv) => house.pc.wrap(argv));
      await house.#serve(sites);
    } catch (error) {
      await house.close();
      throw error;
    }
    return house;
  }

  #addHost(name, namespace, address) {
    const host = new Host(this, name, namespace, address);
    this.hosts.push(host);
    return host;
  }

  async #build(sites, bus) {
    this.siteAddresses = {};
    sites.forEach((site, index) => {
      site.address ??= `203.0.113.${10 + index}`;
      for (const name of site.names) this.siteAddresses[name] = site.address;
    });
    this.router = await Namespace.first('router', join(this.folder, 'etc-router'), {});
    await this.router.ip('link', 'add', 'home', 'type', 'bridge', 'mcast_snooping', '0');
    // One of its own: otherwise it is that of whichever computer has the lowest, and a new computer takes
    // the way to the internet from all others until they ask for it again, half a minute later.
    await this.router.ip('link', 'set', 'home', 'address', '02:00:c0:a8:4d:01');
    await this.router.ip('addr', 'add', '192.168.77.1/24', 'dev', 'home');
    await this.router.ip('link', 'set', 'home', 'up');
    await this.router.sh('echo 1 > /proc/sys/net/ipv4/ip_forward');

    const wan = await this.router.sibling('wan', join(this.folder, 'etc-wan'), this.siteAddresses);
    await plug(this.router, null, wan, '203.0.113.2/24');
    await this.router.ip('addr', 'add', '203.0.113.1/24', 'dev', 'to-wan');
    for (const site of sites) await wan.ip('addr', 'add', `${site.address}/24`, 'dev', 'eth0');
    await wan.ip('route', 'add', 'default', 'via', '203.0.113.1');
    this.wan = this.#addHost('wan', wan, '203.0.113.2');

    this.pc = await this.#plugHost('pc', '192.168.77.10');
    await startAvahi(this.pc, { bus });
  }

  async #plugHost(name, address) {
    const namespace = await this.router.sibling(name, join(this.folder, `etc-${name}`), this.siteAddresses);
    await plug(this.router, 'home', namespace, `${address}/24`);
    await namespace.ip('route', 'add', 'default', 'via', '192.168.77.1');
    await namespace.sh(`hostname ${name}`);
    return this.#addHost(name, namespace, address);
  }

  /** Another computer on the home network: for a device, or for a second person. */
  async addDevice(name = `device${this.devices.length + 1}`) {
    const host = this.isolated
      ? await this.#plugHost(name, `192.168.77.${this.nextAddress++}`)
      : this.#addHost(name, null, '127.0.0.1');
    this.devices.push(host);
    return host;
  }

  async #serve(sites) {
    if (sites.length === 0) return;
    this.siteLog = join(this.logs, 'sites.jsonl');
    const served = [];
    for (const site of sites) {
      const roots = typeof site.roots === 'function' ? site.roots(this.folder) : site.roots;
      served.push({ ...site, roots, ...await this.authority.issue(...site.names) });
    }
    this.sitePort = this.isolated ? 443 : 20000 + (process.pid % 20000);
    const config = join(this.wan.folder, 'sites.json');
    writeFileSync(config, JSON.stringify({
      listen: this.isolated ? '0.0.0.0' : '127.0.0.1', https: this.sitePort, http: this.isolated ? 80 : null,
      log: this.siteLog, sites: served,
    }));
    this.sites = this.wan.spawn('sites', [process.execPath, SITE_SERVER, config], { root: true });
    await this.sites.waitFor(/sites are up/);
  }

  /** What the web sites were asked for so far. */
  siteRequests() {
    return readFileSync(this.siteLog, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /** The wide network goes away: the house keeps its own. */
  async cutWan() {
    await this.router.ip('link', 'set', 'to-wan', 'down');
  }

  async restoreWan() {
    await this.router.ip('link', 'set', 'to-wan', 'up');
    await this.wan.namespace.ip('route', 'replace', 'default', 'via', '203.0.113.1');
  }

  #closeOnSignals() {
    this.onSignal = async (signal) => {
      await this.close();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, this.onSignal);
    // Whatever else ends this process: the namespaces end with it, the files are removed here.
    this.onExit = () => {
      if (!this.kept) rmSync(this.folder, { recursive: true, force: true });
    };
    process.on('exit', this.onExit);
  }

  /** Ends every process and removes every file of this house. Safe to call twice. */
  async close({ keepFolder = false } = {}) {
    if (this.closed) return;
    this.closed = true;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, this.onSignal);
    for (const host of [...this.hosts].reverse()) await host.stop();
    for (const host of this.hosts) await host.namespace?.end();
    await this.router?.end();
    process.off('exit', this.onExit);
    this.kept = keepFolder;
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}
