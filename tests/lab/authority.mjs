// The lab's certification authority for its web sites, made with openssl for
// each run and trusted only in the database of the lab's own home folder.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';

export class Authority {
  constructor(folder) {
    this.folder = folder;
    this.certificate = join(folder, 'ca.pem');
    this.key = join(folder, 'ca.key');
  }

  static async create(folder) {
    mkdirSync(folder, { recursive: true });
    const self = new Authority(folder);
    await run('openssl', ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
      '-nodes', '-days', '60', '-subj', '/CN=Lab web authority', '-keyout', self.key, '-out', self.certificate,
      '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
    return self;
  }

  /** Names, or `IP:` and an address. @returns {Promise<{cert: string, key: string}>} paths of a certificate and its key */
  async issue(...names) {
    const base = join(this.folder, names[0]);
    const [request, key, cert, extensions] = ['csr', 'key', 'pem', 'ext'].map((end) => `${base}.${end}`);
    writeFileSync(extensions, [
      `subjectAltName=${names.map((name) => (name.startsWith('IP:') ? name : `DNS:${name}`)).join(',')}`,
      'basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth', '',
    ].join('\n'));
    await run('openssl', ['openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-subj', `/CN=${names[0]}`, '-keyout', key, '-out', request]);
    await run('openssl', ['openssl', 'x509', '-req', '-in', request, '-CA', this.certificate, '-CAkey', this.key,
      '-CAcreateserial', '-days', '60', '-extfile', extensions, '-out', cert]);
    return { cert, key };
  }

  /** Puts the authority into the trust database that Chromium reads under `home`. */
  async trustIn(home, wrap = (argv) => argv) {
    const folder = join(home, '.pki', 'nssdb');
    if (!existsSync(join(folder, 'cert9.db'))) {
      await run('mkdir', wrap(['mkdir', '-p', folder]));
      await run('certutil', wrap(['certutil', '-d', `sql:${folder}`, '-N', '--empty-password']));
    }
    await run('certutil', wrap(['certutil', '-d', `sql:${folder}`, '-A', '-n', 'Lab web authority', '-t', 'C,,', '-i', this.certificate]));
  }

  pem() {
    return readFileSync(this.certificate, 'utf8');
  }
}
