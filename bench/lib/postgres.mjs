// A PostgreSQL of this process's own, on a Unix socket in a folder of its own. As installed: what is
// committed is on the disk.
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { adopt, scratch } from './processes.mjs';

const root = '/usr/lib/postgresql';

// PostgreSQL refuses to run as root.
function otherUser() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }));
  return { uid: id('-u'), gid: id('-g') };
}

/** The text that opens an empty database, or null where PostgreSQL is not installed. */
export async function startPostgres() {
  const versions = existsSync(root) ? readdirSync(root).filter((name) => existsSync(join(root, name, 'bin/postgres'))) : [];
  if (versions.length === 0) return null;
  const bin = join(root, versions.sort((a, b) => b - a)[0], 'bin');
  const user = otherUser();
  const folder = scratch();
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const options = { ...user, cwd: folder, stdio: 'ignore' };
  const data = join(folder, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8'], options);
  adopt(spawn(join(bin, 'postgres'), ['-D', data, '-k', folder, '-h', ''], options));
  for (let tries = 0; ; ++tries) {
    try {
      execFileSync(join(bin, 'createdb'), ['-h', folder, '-U', 'bench', 'provider'], options);
      return `host=${folder} user=bench dbname=provider`;
    } catch (error) {
      if (tries > 100) throw error;
      await wait(100);
    }
  }
}
