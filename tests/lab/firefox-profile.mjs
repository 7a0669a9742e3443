// A profile of Firefox as a person would have it, listed in profiles.ini under the home folder. The lab's
// web authority is trusted in the profile's own database; nothing about certificates is ever switched off.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The add-on's id, and the address that its pages have in every profile of the lab. */
export const ADDON = 'extension@latchkey.org';
export const ADDON_UUID = '6a1d2c3e-0f4b-4c5d-8e9f-a0b1c2d3e4f5';

// A quiet browser: no first-run pages, no news, no call home. None of it has to do with security.
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.search.update': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage': 'about:blank',
  'browser.startup.page': 0,
  'browser.topsites.contile.enabled': false,
  'browser.warnOnQuit': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'extensions.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'signon.autofillForms': false,
  'toolkit.startup.max_resumed_crashes': -1,
  'toolkit.telemetry.server': 'data:,',
  'trailhead.firstrun.didSeeAboutWelcome': true,
  // A person's answer to Firefox's own question about the local network: yes, for every site. What is
  // refused in a test is then refused by Latchkey.
  'permissions.default.local-network': 1,
  // The add-on is not signed by Mozilla; Firefox ESR can be told to take such ones.
  'xpinstall.signatures.required': false,
  // Where the extension's own pages are, which is otherwise different in every profile.
  'extensions.webextensions.uuids': JSON.stringify({ [ADDON]: ADDON_UUID }),
};

/** Makes the profile `name` under ~/.mozilla/firefox, once. @returns {Promise<string>} its folder */
export async function firefoxProfile(host, name = 'lab.default', preferences = {}) {
  const root = join(host.home, '.mozilla/firefox');
  const folder = join(root, name);
  if (!existsSync(join(folder, 'cert9.db'))) {
    await asPerson(host, ['mkdir', '-p', folder]);
    await asPerson(host, ['certutil', '-d', `sql:${folder}`, '-N', '--empty-password']);
    await trustInProfile(host, folder, 'Lab web authority', host.house.authority.certificate);
    list(root, name);
  }
  writeFileSync(join(folder, 'user.js'), Object.entries({ ...PREFERENCES, ...preferences })
    .map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`).join(''));
  return folder;
}

function list(root, name) {
  const file = join(root, 'profiles.ini');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '[General]\nStartWithLastProfile=1\nVersion=2\n';
  const count = before.match(/^\[Profile\d+\]$/gm)?.length ?? 0;
  mkdirSync(root, { recursive: true });
  writeFileSync(file, `${before}\n[Profile${count}]\nName=${name}\nIsRelative=1\nPath=${name}\n${count === 0 ? 'Default=1\n' : ''}`);
}

const asPerson = (host, argv) => host.run(argv, { ownUid: true });

/** Trusts a certificate for web sites, as a person or an administrator could. */
export function trustInProfile(host, folder, nickname, certificate) {
  return asPerson(host, ['certutil', '-d', `sql:${folder}`, '-A', '-n', nickname, '-t', 'C,,', '-i', certificate]);
}

/** What the profile trusts, by a tool that is not ours. @returns {Promise<{nickname, trust}[]>} */
export async function anchorsIn(host, folder) {
  const { stdout } = await asPerson(host, ['certutil', '-d', `sql:${folder}`, '-L']);
  return stdout.split('\n').flatMap((line) => {
    const match = /^(.*?)\s+([a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*)\s*$/.exec(line);
    return match && !line.includes('SSL,S/MIME') ? [{ nickname: match[1], trust: match[2] }] : [];
  });
}
