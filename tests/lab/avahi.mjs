// Name resolution and service discovery on a host of the lab: avahi-daemon,
// with a message bus of the host's own where programs shall reach it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './process.mjs';

const BUS_CONFIG = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`;

const avahiConfig = (hostName, bus) => `[server]
host-name=${hostName}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=eth0
enable-dbus=${bus ? 'yes' : 'no'}
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
`;

/** Starts avahi-daemon on `host`, with a private system bus when `bus`. */
export async function startAvahi(host, { bus = false } = {}) {
  if (bus) {
    const file = join(host.folder, 'bus.conf');
    writeFileSync(file, BUS_CONFIG);
    host.bus = host.spawn('dbus', ['dbus-daemon', `--config-file=${file}`, '--nofork', '--nopidfile', '--print-address'], { root: true });
    await host.bus.waitFor(/unix:path=/);
  }
  writeFileSync(join(host.folder, 'avahi.conf'), avahiConfig(host.name, bus));
  await runAvahi(host);
  await until(`${host.name} resolves its own name`, async () =>
    (await host.run(['getent', 'ahostsv4', `${host.name}.local`], { check: false })).code === 0);
}

/** Again, where it was stopped: it remembers nothing of what it heard. */
export async function restartAvahi(host) {
  await host.avahi.stop();
  await runAvahi(host);
}

async function runAvahi(host) {
  const file = join(host.folder, 'avahi.conf');
  host.avahi = host.spawn('avahi', ['avahi-daemon', '--no-drop-root', '--no-chroot', '--no-rlimits', '-f', file], { root: true });
  await host.avahi.waitFor(/Server startup complete/, { stream: 'stderr' });
}
