// A maker of devices: a root, an intermediate and a certificate for a batch, made with openssl as a
// maker would with tools of its own, and what a provider imports of them.

import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';

/** The number in the form 8-4-4-4-12. */
function dashed(hex) {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export class Maker {
  /** @param {{name: string, model: string, type: string}} facts of the one model it makes */
  static async create(folder, facts) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const maker = Object.assign(new Maker(), { folder, ...facts, aaguid: dashed(randomBytes(16).toString('hex')) });
    await maker.#authority('root', null, 'pathlen:1');
    await maker.#authority('intermediate', 'root', 'pathlen:0');
    return maker;
  }

  #file(name) {
    return join(this.folder, name);
  }

  async #authority(name, issuer, pathlen) {
    await this.#issue(name, issuer, 3650, [
      `basicConstraints=critical,CA:TRUE,${pathlen}`, 'keyUsage=critical,keyCertSign,cRLSign', 'subjectKeyIdentifier=hash',
    ]);
  }

  async #issue(name, issuer, days, extensions) {
    const [key, request, pem, file] = ['key', 'csr', 'pem', 'ext'].map((end) => this.#file(`${name}.${end}`));
    await run('openssl', ['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key]);
    await run('openssl', ['openssl', 'req', '-new', '-key', key, '-subj', `/O=${this.name}/CN=${this.name} ${name}`, '-out', request]);
    writeFileSync(file, `${extensions.join('\n')}\n`);
    const signed = issuer === null ? ['-signkey', key]
      : ['-CA', this.#file(`${issuer}.pem`), '-CAkey', this.#file(`${issuer}.key`), '-CAcreateserial'];
    await run('openssl', ['openssl', 'x509', '-req', '-in', request, ...signed, '-days', String(days), '-sha256',
      '-extfile', file, '-out', pem]);
  }

  /** A key and its chain (without the root) for the devices of one batch. @returns words for latchkey-device */
  async batch(name = 'batch') {
    await this.#issue(name, 'intermediate', 3650, [
      'basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature',
      `1.3.6.1.4.1.45724.1.1.4=DER:0410${this.aaguid.replaceAll('-', '')}`,
    ]);
    const chain = this.#file(`${name}-chain.pem`);
    writeFileSync(chain, ['intermediate', name].reverse().map((each) => readFileSync(this.#file(`${each}.pem`), 'utf8')).join(''));
    return ['--attestation-key', this.#file(`${name}.key`), '--attestation-chain', chain];
  }

  /** The batch's certificate: a provider can revoke its key alone. */
  certificate(name = 'batch') {
    return this.#file(`${name}.pem`);
  }

  /** Writes what a provider imports. @returns the file */
  exported() {
    const root = readFileSync(this.#file('root.pem'), 'utf8');
    const sha256 = createHash('sha256').update(new X509Certificate(root).raw).digest('hex');
    const file = this.#file('maker.json');
    writeFileSync(file, JSON.stringify({
      v: 1,
      vendor: { name: this.name, contact: 'mailto:hello@maker.example' },
      roots: [root],
      models: [{ aaguid: this.aaguid, name: this.model, type: this.type, roots: [sha256] }],
    }));
    return file;
  }
}
