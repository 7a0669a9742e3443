// Pages of docs/recipes, what they say to put where, and who asks for what is behind.
//
// A block of a page whose first line names a file, such as
//
//     ```nginx /etc/nginx/sites-available/films
//
// is that file. Tests write it there, in the room that tests/recipes/run makes, and change nothing in it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Person, pairwise } from '../attack/lib/binding.mjs';
import { pem } from '../attack/lib/der.mjs';
import { Device, House, Program, ROOT, until } from '../attack/lib/house.mjs';

export const LONG = process.env.RECIPES_LONG === '1';
export const IN_ROOM = process.env.LATCHKEY_ROOM === '1';
export const SITE = 'https://video.example';

/** Options of a test that needs the room. */
export const room = { skip: IN_ROOM ? false : 'needs namespaces' };

/** @returns {Map<string, string>} the files that a page gives, by their path */
export function filesOf(name) {
  const files = new Map();
  const text = readFileSync(join(ROOT, 'docs/recipes', `${name}.md`), 'utf8');
  for (const [, path, body] of text.matchAll(/^```\w+ (\/\S+)\n([\s\S]*?)^```$/gm)) {
    if (files.has(path)) throw new Error(`${name}: ${path} twice`);
    files.set(path, body);
  }
  return files;
}

/** Puts them where the page says. */
export function lay(name) {
  if (!IN_ROOM) throw new Error('only in a room of its own');
  const files = filesOf(name);
  for (const [path, body] of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, body);
  }
  return files;
}

/** A service as its unit would start it; ended with the house. `ready` resolves when it answers. */
export async function service(house, words, { env = {}, port } = {}) {
  const program = new Program(words, { PATH: process.env.PATH, HOME: house.path(), LANG: 'C.UTF-8', ...env });
  house.keep(() => program.end());
  const listening = () => readFileSync('/proc/net/tcp', 'utf8').includes(`0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`);
  await until(() => {
    if (program.exit) throw new Error(`${words[0]} ended: ${program.errors}${program.output}`);
    return listening();
  }, `${words[0]} to listen on ${port}`);
  return program;
}

const CONFIG = '/etc/latchkey/device.conf';
/** A name that the page's device takes: it begins with what kind of device that is. */
export const nameForPage = () => pairwise(/^type = "(.*)"$/m.exec(readFileSync(CONFIG, 'utf8'))[1]);

/** The device of a page, and two who may use it: a web page (an origin grant) and the person (a direct one). */
export async function front(house, more = []) {
  const device = await Device.start(house, { config: CONFIG, more });
  const person = new Person(device);
  const page = await person.pair(SITE, { changes: { host: nameForPage() } });
  await page.open();
  const own = await person.grantOver(null);
  await own.open();
  return { device, person, page, own };
}

/** What curl has to be told to be this grant's browser. */
export function curlWords(house, grant) {
  const root = house.path(`root-${grant.host}.pem`);
  writeFileSync(root, pem(grant.person.root.der));
  return ['curl', '--silent', '--show-error', '--max-time', '120', '--cacert', root, '--resolve', `${grant.host}:${grant.port}:127.0.0.1`,
    '--cookie', grant.cookie, ...(grant.origin === null ? ['--header', 'Sec-Fetch-Site: none'] : ['--header', `Origin: ${grant.origin}`])];
}
export const urlOf = (grant, path) => `https://${grant.host}:${grant.port}${path}`;

/** Memory of a process in KiB, now and at its most since `forgetPeak()`. */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { now: Number(/VmRSS:\s+(\d+)/.exec(status)[1]), peak: Number(/VmHWM:\s+(\d+)/.exec(status)[1]) };
}
export const forgetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** For all tests of a page; its caller closes it. */
export const openHouse = () => House.open({ after: () => {} });
