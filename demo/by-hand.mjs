// For KEEP=1: ways into the house that stays up.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programs } from '../tests/lab/latchkey.mjs';

/** A small program that runs its arguments on `host`, with Latchkey's programs in reach. */
function entrance(out, name, host, environment) {
  const words = host.wrap(['env', `PATH=${programs()}:${process.env.PATH}`]).map((word) => `'${word}'`).join(' ');
  const set = Object.entries(environment).map(([key, value]) => `${key}='${value}'`).join(' ');
  const file = join(out, name);
  writeFileSync(file, `#!/bin/sh\n[ $# -gt 0 ] || set -- bash\nexec env ${set} ${words} "$@"\n`, { mode: 0o755 });
  return file;
}

/** Leaves everything running, and says how to try it. */
export function byHand({ house, cache, visible, out }) {
  const { HOME, XDG_RUNTIME_DIR } = house.pc.environment;
  const home = entrance(out, 'at-home', house.pc, { HOME, XDG_RUNTIME_DIR });
  const device = entrance(out, 'at-device', cache.host, { HOME: cache.host.home });
  console.log(`
Everything is still running; Ctrl-C ends it. ${visible ? 'Use the browser window, and' : 'Try, in another terminal:'}
  ${home} latchkey grants
  ${home} latchkey devices
  ${home} latchkey doctor
  ${device} latchkey-device open-window --state ${cache.state}     (shows a new code)
  ${home}     (a shell on the computer at home)`);
  return new Promise(() => {});
}
